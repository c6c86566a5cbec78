"""The truth of a song as targets for every frame, and the loss of a network's logits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from stemline.arrays import Array

FRAME_RATE_HZ = 100
BEAT_SHAPE = (1.0, 0.5, 0.25)
"""A target at a beat's frame, one frame from it on either side, and two."""
SECTION_REACH_FRAMES = 40
"""Frames on either side of a boundary over which its target falls to 0 in a line."""
# Boundaries and downbeats are rarer than beats; labels are learned by heart from few songs.
_WEIGHTS = {"beat": 1.0, "downbeat": 2.0, "section": 2.0, "function": 0.2}


@dataclass(frozen=True)
class Targets:
    """The target of each output, frame by frame."""

    beat: Array
    """Probability of a beat, 0 to 1, (n_frames,)."""
    downbeat: Array
    """Probability of a downbeat, 0 to 1, (n_frames,)."""
    section: Array
    """Probability of a section's beginning, 0 to 1, (n_frames,)."""
    function: NDArray[np.int64]
    """Index of the label, (n_frames,)."""


def targets_of(
    n_frames: int,
    beats: NDArray[np.float64],
    starts_s: NDArray[np.float64],
    labels: Sequence[str],
    known_labels: Sequence[str],
) -> Targets:
    """Beats (n_beats, 2) of times in seconds and places in the bar, and sections, to targets.

    The first section's start is no boundary: what came before is not in the song.
    """
    times_s, places = beats[:, 0], beats[:, 1]
    section_shape = np.linspace(1.0, 0.0, SECTION_REACH_FRAMES + 1)[:-1].tolist()
    frames = np.arange(n_frames) / FRAME_RATE_HZ
    index = np.searchsorted(starts_s, frames, side="right") - 1
    numbers = np.array([known_labels.index(label) for label in labels])
    return Targets(
        widened(times_s, BEAT_SHAPE, n_frames),
        widened(times_s[places == 1], BEAT_SHAPE, n_frames),
        widened(starts_s[1:], section_shape, n_frames),
        numbers[np.maximum(index, 0)],
    )


def widened(times_s: NDArray[np.float64], shape: Sequence[float], n_frames: int) -> Array:
    """Events to (n_frames,): `shape` to both sides of each frame, the higher where two meet."""
    target = np.zeros(n_frames, np.float32)
    middle = np.round(times_s * FRAME_RATE_HZ).astype(int)
    for distance, value in enumerate(shape):
        for frames in (middle - distance, middle + distance):
            inside = frames[(frames >= 0) & (frames < n_frames)]
            target[inside] = np.maximum(target[inside], value)
    return target


def loss_of(
    logits: tuple[Tensor, Tensor, Tensor, Tensor], targets: Sequence[Targets]
) -> dict[str, Tensor]:
    """The weighted losses by output: binary cross-entropy of three, cross-entropy of the labels."""
    wanted = {
        name: torch.from_numpy(np.stack([getattr(one, name) for one in targets]))
        for name in _WEIGHTS
    }
    found = dict(zip(_WEIGHTS, logits, strict=True))
    losses = {
        name: functional.binary_cross_entropy_with_logits(found[name], wanted[name])
        for name in ("beat", "downbeat", "section")
    }
    losses["function"] = functional.cross_entropy(found["function"], wanted["function"])
    return {name: _WEIGHTS[name] * loss for name, loss in losses.items()}
