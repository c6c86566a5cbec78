"""Whole tracks through the pipeline: how many chunks they are, and what they are made of."""

from pathlib import Path

import numpy as np

from stemline.engines import ModelInfo
from stemline.errors import BenchError
from stemline.evaluation.signal import music_like
from stemline.families import family_of, separator_family
from stemline.families.separation import PieceLayout

_CLIP_S = 10.0


def layout_of(info: ModelInfo, overlap: float) -> PieceLayout:
    """How a model divides a track at an overlap. Raises OverlapError."""
    return separator_family(info.family, info.model).layout(info, overlap)


def measured_samples(info: ModelInfo) -> int:
    """The length of a chunk to measure an engine on.

    A model's own; of networks that take any length a shorter one: their time goes with the length,
    and a batch of 4 whole ones would take minutes and tens of gigabytes.
    """
    return family_of(info.family, info.model).test_chunk(info).n_samples


def write_clip(info: ModelInfo, folder: Path) -> Path:
    """A few seconds of music-like signal (channels, n) at the model's rate, as an .npy file.

    A track is made of it over and over, so that its length is not in a worker's memory.
    """
    path = folder / "clip.npy"
    n_samples = round(_CLIP_S * info.sample_rate_hz)
    np.save(path, music_like(n_samples, info.sample_rate_hz, info.channels))
    return path


def samples_of(seconds: float, info: ModelInfo, what: str) -> int:
    """A length in samples. Raises BenchError when it is less than one."""
    n_samples = round(seconds * info.sample_rate_hz)
    if n_samples < 1:
        raise BenchError(f"{what} of {seconds:g} s holds no sample", exit_code=2)
    return n_samples
