"""A beat network that hears clicks in the mixture: loud ones are downbeats, others beats."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from helpers import tiny_info
from madmom_helpers import random_madmom

from stemline.arrays import Array, Arrays
from stemline.engines import BeatInfo, EngineSpec, TensorSpec
from stemline.engines.base import checked_inputs
from stemline.families.madmom.config import MadmomConfig
from stemline.families.madmom.features import N_FEATURES, RESOLUTIONS
from stemline.families.madmom.graph import export_madmom

MIXTURE_FACTS = BeatInfo(
    family="madmom",
    stems=(),
    labels=(),
    best_threshold_downbeat=0.05,
    n_bins=N_FEATURES,
)
BEAT_LOUDNESS, DOWNBEAT_LOUDNESS = 0.3, 0.6
_HEARD_FROM, _DOWNBEAT_FROM = 0.15, 0.45
_YES, _NO = 0.9, 0.01


class MixtureClickEngine:
    """Its answers are known without training."""

    def __init__(self) -> None:
        axes = ("batch", "frames")
        self._spec = EngineSpec(
            name="mixture-clicks",
            inputs=(TensorSpec("features", "float32", (*axes, N_FEATURES)),),
            outputs=tuple(TensorSpec(name, "float32", axes) for name in ("beat", "downbeat")),
            provider="ClickProvider",
            device="cpu",
        )
        self.is_closed = False

    @property
    def spec(self) -> EngineSpec:
        return self._spec

    def run(self, inputs: Arrays) -> dict[str, Array]:
        checked_inputs(self._spec, inputs)
        # The spectrum of one sample is as high as the sample, in every band of every resolution.
        level = np.median(inputs["features"][:, :, : RESOLUTIONS[0].n_bands], axis=-1)
        padded = np.pad(level, ((0, 0), (3, 3)))
        highest = np.lib.stride_tricks.sliding_window_view(padded, 7, axis=1).max(axis=-1)
        is_click = (level == highest) & (level > np.log10(1 + _HEARD_FROM))
        is_loud = level > np.log10(1 + _DOWNBEAT_FROM)
        return {
            "beat": np.where(is_click & ~is_loud, _YES, _NO).astype(np.float32),
            "downbeat": np.where(is_click & is_loud, _YES, _NO).astype(np.float32),
        }

    def close(self) -> None:
        self.is_closed = True


def write_random_madmom(path: Path, *, trained: bool = False) -> Path:
    """A lone `.onnx` file as export would write it, of random weights."""
    info = replace(
        tiny_info((), model="madmom-downbeats", trained=trained),
        family="madmom",
        channels=1,
        stft=None,
        dynamic_length=True,
        beats=MIXTURE_FACTS,
    )
    export_madmom(random_madmom(MadmomConfig()), path, info.to_metadata())
    return path
