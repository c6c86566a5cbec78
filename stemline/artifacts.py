"""Where exported models are looked for."""

from pathlib import Path

from stemline.serving.artifact_folders import artifact_folders
from stemline.serving.library import EngineOptions, Library

from .sources import StrPath


def artifact_roots(artifacts: StrPath | None = None) -> tuple[Path, ...]:
    """The folders that models are looked for in, the first one first, as the command has them."""
    return artifact_folders(artifacts)


def open_library(artifacts: StrPath | None, options: EngineOptions) -> Library:
    """What is exported, with nothing of it loaded yet."""
    return Library(artifact_roots(artifacts), options)
