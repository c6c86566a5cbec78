"""Where exported models are looked for."""

import os
from pathlib import Path

from stemline.serving.library import EngineOptions, Library

StrPath = str | os.PathLike[str]


def artifact_roots(artifacts: StrPath | None = None) -> tuple[Path, ...]:
    """The folders of artifacts, the one that is looked through first at the beginning.

    It is `artifacts`, else what `STEMLINE_ARTIFACTS` names, else the folder `artifacts`.
    """
    return (Path(artifacts or os.environ.get("STEMLINE_ARTIFACTS") or "artifacts"),)


def open_library(artifacts: StrPath | None, options: EngineOptions) -> Library:
    """What is exported, with nothing of it loaded yet."""
    return Library(artifact_roots(artifacts)[0], options)
