"""Files besides the weights that an artifact carries: beside the weights, in the cache, or fetched.

Such are a text encoder's vocabulary and merges, without which its weights mean nothing.
"""

from collections.abc import Callable
from pathlib import Path

from stemline.errors import IntegrityError
from stemline.families.common.digest import file_sha256
from stemline.families.model_spec import CheckpointFile, ModelSpec

from .download import fetch_file
from .weights import Weights


def carried_files(
    spec: ModelSpec, weights: Weights, report: Callable[[str], None] = lambda _: None
) -> dict[str, Path]:
    """The files of `ModelSpec.carried_files` by their names; none for random weights.

    Raises DownloadError where one is not to be had, IntegrityError where it is another one.
    """
    if weights.path is None:
        return {}
    folder = weights.path.parent
    return {
        file.name: _beside(folder, file) or fetch_file(file, spec.artifact_stem, report)
        for file in spec.carried_files
    }


def _beside(folder: Path, file: CheckpointFile) -> Path | None:
    """The file beside the weights. Raises IntegrityError where that is another one."""
    path = folder / file.name
    if not path.is_file():
        return None
    digest = file_sha256(path)
    if digest != file.sha256:
        raise IntegrityError(
            f"{path} has SHA-256 {digest}, not {file.sha256}, which {file.url} has; remove it, "
            "or put the right one there"
        )
    return path
