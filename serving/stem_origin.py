"""Which model made a file of stems: kept beside its bytes, in an extended attribute.

Thus a second model can be written to a folder of its own without a file more in the first one's.
Where the file system keeps none, or the system has none, the model of a file is not known.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_ATTRIBUTE = "user.stemline.model"
_CAN_MARK = hasattr(os, "setxattr")


def mark(paths: Iterable[Path], model: str) -> None:
    """Note for these files which model made them, where that can be noted."""
    if not _CAN_MARK:
        return
    for path in paths:
        with suppress(OSError):
            os.setxattr(path, _ATTRIBUTE, model.encode())


def models_in(folder: Path) -> set[str]:
    """The models that made files right in a folder, as far as that was noted."""
    if not _CAN_MARK or not folder.is_dir():
        return set()
    return {name for path in folder.iterdir() if path.is_file() and (name := _model_of(path))}


def _model_of(path: Path) -> str:
    try:
        return os.getxattr(path, _ATTRIBUTE).decode(errors="replace")
    except OSError:
        return ""
