"""Open an engine by what its file is."""

from collections.abc import Callable
from pathlib import Path

from stemline.errors import ArtifactError

from .base import Engine
from .onnxruntime import open_onnx

# Later runtimes (TensorRT plans, CoreML packages) are one row each.
_OPENERS: dict[str, Callable[[Path, str, int | None], Engine]] = {".onnx": open_onnx}


def open_engine(path: Path, device: str = "auto", threads: int | None = None) -> Engine:
    """Load the file of an artifact on a device.

    Raises ArtifactError, DeviceError or MissingExtraError; never takes another device than the
    one asked for.
    """
    opener = _OPENERS.get(path.suffix)
    if opener is None:
        raise ArtifactError(
            f"{path} is no engine this stemline can open; it opens {', '.join(_OPENERS)}"
        )
    return opener(path, device, threads)
