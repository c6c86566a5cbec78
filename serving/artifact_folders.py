"""Where exported models are looked for."""

import os
from collections.abc import Sequence
from pathlib import Path

from platformdirs import user_data_path

HERE = Path("artifacts")
"""Where export writes to, unless it is told otherwise."""
_BUNDLED = Path(__file__).parent.parent / "bundled"
"""What a wheel carries beside the code; not there where stemline runs from its repository."""


def artifact_folders(chosen: str | os.PathLike[str] | None = None) -> tuple[Path, ...]:
    """The folders that models are looked for in, the first one first.

    One that was chosen, by the caller or else by `STEMLINE_ARTIFACTS`, is the only one: nothing is
    run that whoever chose it does not know of. Else they are `artifacts` here, `artifacts` in the
    user's data folder, and what the wheel carries.
    """
    one = chosen or os.environ.get("STEMLINE_ARTIFACTS")
    if one:
        return (Path(one),)
    of_user = user_data_path("stemline", appauthor=False) / "artifacts"
    return (HERE, of_user, *([_BUNDLED] if _BUNDLED.is_dir() else []))


def listed(folders: Sequence[Path]) -> str:
    """The folders as messages name them: absolute, so that it is plain which were looked in."""
    return ", ".join(str(folder.absolute()) for folder in folders)
