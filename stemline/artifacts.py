"""Where exported models are looked for."""

import os
from pathlib import Path

from stemline.serving.library import EngineOptions, Library

StrPath = str | os.PathLike[str]


def artifact_roots(artifacts: StrPath | None = None) -> tuple[Path, ...]:
    """The folders that models are looked for in, the first one first.

    It is the folder of the caller, else of `STEMLINE_ARTIFACTS`, else `artifacts`, as the command
    has it.
    """
    return (Path(artifacts or os.environ.get("STEMLINE_ARTIFACTS") or "artifacts"),)


def open_library(artifacts: StrPath | None, options: EngineOptions) -> Library:
    """What is exported, with nothing of it loaded yet."""
    return Library(artifact_roots(artifacts)[0], options)
