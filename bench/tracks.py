"""Whole tracks through the pipeline: how many chunks they are, and what they are made of."""

from pathlib import Path

import numpy as np

from stemline.engines import ModelInfo
from stemline.export.signal import music_like
from stemline.preprocessing.chunks import ChunkPlan, hop_samples_for

from .errors import BenchError

_CLIP_S = 10.0


def plan_of(info: ModelInfo, overlap: float) -> ChunkPlan:
    """How a model cuts a track at an overlap. Raises OverlapError."""
    return ChunkPlan(info.chunk_samples, hop_samples_for(info.chunk_samples, overlap))


def n_chunks(n_samples: int, plan: ChunkPlan) -> int:
    """Chunks that `iter_chunks` cuts a track of `n_samples` into."""
    border = plan.border_samples if n_samples > 2 * plan.border_samples else 0
    return -(-(n_samples + border) // plan.hop_samples)  # begun before the track ends


def longest_track(most_chunks: int, plan: ChunkPlan) -> int:
    """The most samples that are no more than `most_chunks` (≥ 1) chunks."""
    border, hop = plan.border_samples, plan.hop_samples
    if most_chunks >= n_chunks(2 * border + 1, plan):
        return most_chunks * hop - border
    return min(most_chunks * hop, 2 * border)  # too short for borders


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
