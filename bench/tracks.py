"""Whole tracks through the pipeline: how many chunks they are, and what they are made of."""

from pathlib import Path

import numpy as np

from stemline.engines import ModelInfo
from stemline.errors import BenchError
from stemline.evaluation.signal import music_like
from stemline.export.families import DEMUCS
from stemline.preprocessing.chunks import ChunkPlan, hop_samples_for
from stemline.preprocessing.segments import SegmentPlan, segment_hop_samples

_CLIP_S = 10.0


Plan = ChunkPlan | SegmentPlan

_ANY_LENGTH_S = 10.01


def plan_of(info: ModelInfo, overlap: float) -> Plan:
    """How a model cuts a track at an overlap. Raises OverlapError."""
    length = info.chunk_samples
    if info.family != DEMUCS:
        return ChunkPlan(length, hop_samples_for(length, overlap))
    network_samples = None if info.any_length else length
    return SegmentPlan(length, segment_hop_samples(length, overlap), network_samples)


def measured_samples(info: ModelInfo) -> int:
    """The length of a chunk to measure an engine on.

    A model's own; of networks that take any length, 10 s of what may be 44: their time goes with
    the length, and a batch of 4 whole ones would take minutes and tens of gigabytes.
    """
    if not info.any_length:
        return info.chunk_samples
    return min(info.chunk_samples, int(_ANY_LENGTH_S * info.sample_rate_hz))


def n_chunks(n_samples: int, plan: Plan) -> int:
    """Chunks that a track of `n_samples` is cut into."""
    border = _border(plan) if n_samples > 2 * _border(plan) else 0
    return -(-(n_samples + border) // plan.hop_samples)  # begun before the track ends


def longest_track(most_chunks: int, plan: Plan) -> int:
    """The most samples that are no more than `most_chunks` (≥ 1) chunks."""
    border, hop = _border(plan), plan.hop_samples
    if most_chunks >= n_chunks(2 * border + 1, plan):
        return most_chunks * hop - border
    return min(most_chunks * hop, 2 * border)  # too short for borders


def _border(plan: Plan) -> int:
    return plan.border_samples if isinstance(plan, ChunkPlan) else 0


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
