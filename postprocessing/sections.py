"""Section activations to sections with labels, as All-In-One finds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .sigmoid import sigmoid

# The labels of the Harmonix set, in the order of All-In-One's classes.
HARMONIX_LABELS = (
    "start",
    "end",
    "intro",
    "outro",
    "break",
    "bridge",
    "inst",
    "solo",
    "verse",
    "chorus",
)
# A boundary is the highest activation of two bars at the fastest tempo, to either side.
_NEAR_FRAMES = 48
# Below it what a softmax divides by has lost digits.
_SMALLEST_TOTAL = 1e-30


@dataclass(frozen=True)
class Section:
    """A part of a track."""

    start: float
    """Its beginning in seconds."""

    end: float
    """Its end in seconds."""

    label: str
    """Its label: verse, chorus, ..."""


def find_sections(
    boundary_logits: NDArray[Any],
    label_logits: NDArray[Any],
    *,
    labels: Sequence[str] = HARMONIX_LABELS,
    sample_rate_hz: int = 44100,
    hop_samples: int = 441,
) -> list[Section]:
    """Logits of a boundary (n_frames,) and of labels (n_labels, n_frames) -> sections, no gaps.

    All-In-One's `postprocess_functional_structure`; where that finds no boundary and fails, the
    whole track is one section. Raises ValueError when the shapes do not agree, or n_frames is 0.
    """
    n_frames = boundary_logits.shape[-1]
    if boundary_logits.ndim != 1 or label_logits.shape != (len(labels), n_frames) or not n_frames:
        raise ValueError(
            f"boundaries must be (n_frames,) and labels ({len(labels)}, n_frames), not "
            f"{boundary_logits.shape} and {label_logits.shape}"
        )
    frames = section_boundaries(sigmoid(boundary_logits), sample_rate_hz // hop_samples)
    inner = frames[frames > 0]
    times = [0.0, *(inner * hop_samples / sample_rate_hz).tolist()]
    times.append(n_frames * hop_samples / sample_rate_hz)
    bounds = [0, *inner.tolist(), n_frames]
    return [
        Section(start, end, labels[label])
        for (start, end), label in zip(
            pairwise(times), _likeliest(label_logits, bounds), strict=True
        )
    ]


def section_boundaries(activations: NDArray[np.float32], fps: int = 100) -> NDArray[np.intp]:
    """Probabilities of a boundary (n_frames,) -> the frames of boundaries, ascending.

    One is the highest activation within 48 frames and among such the highest within 12 s, and
    stands above the mean of what is left of the 12 s before and after it.
    """
    is_peak = activations == _window_maxima(activations, _NEAR_FRAMES)
    is_peak &= activations > 0
    peaks = activations * is_peak
    above = np.flatnonzero(is_peak)
    side = 12 * fps
    first = np.searchsorted(above, above - side)
    end = np.searchsorted(above, above + side, "right")
    is_highest = peaks[above] == _range_maxima(peaks[above], first, end)
    candidates = above[is_highest]
    # Nothing in a candidate's windows is higher. Where at most half of it is above 0, their mean
    # is at most half as high; only where activations are all alike the means must be asked.
    n_beside = (end - first)[is_highest]
    stands_out = n_beside <= side
    if not stands_out.all():
        strengths = peaks[candidates] - _means_beside(peaks, side)[candidates]
        stands_out |= strengths > 0
    return np.asarray(candidates[stands_out])


def _window_maxima(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """At each frame the maximum from `side` frames before it to `side` after it, (n_frames,).

    Outside the track there is nothing: -inf, below every value. Maxima of 2, 4, 8, ... frames
    from each one on; two of them that overlap make the window.
    """
    n_frames, width = len(values), 2 * side + 1
    maxima = np.full(n_frames + 2 * side, -np.inf, np.float32)
    maxima[side : side + n_frames] = values
    n = 1
    while 2 * n <= width:
        maxima = np.maximum(maxima[:-n], maxima[n:])
        n *= 2
    return np.maximum(maxima[:n_frames], maxima[width - n : width - n + n_frames])


def _range_maxima(
    values: NDArray[np.float32], first: NDArray[np.intp], end: NDArray[np.intp]
) -> NDArray[np.float32]:
    """For each i the maximum of values[first[i] : end[i]], which is not empty, (n,)."""
    bounds = np.stack([first, end], axis=1).ravel()
    # reduceat takes every range between two bounds, of which we want each other one, and no
    # bound behind the last value.
    return np.maximum.reduceat(np.append(values, np.float32(-np.inf)), bounds)[::2]


def _means_beside(peaks: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """At each frame the mean of the `side` frames before it and after it, zeros beyond the track.

    (n_frames,) both. Means of windows, not running sums: they must round as the original's.
    """
    windows = sliding_window_view(np.pad(peaks, side), side)  # window i begins at frame i - side
    before, after = windows[: len(peaks)], windows[side + 1 :]
    return np.asarray((before.mean(axis=-1) + after.mean(axis=-1)) / 2)


def _likeliest(logits: NDArray[Any], bounds: Sequence[int]) -> list[int]:
    """Logits (n_labels, n_frames) -> for each part between two bounds the label, by its index.

    It is the label of the greatest mean of softmax over the part's frames.
    """
    logits = np.asarray(logits, np.float32)
    with np.errstate(over="ignore"):
        powers = np.exp(logits)
        totals = powers.sum(axis=0)
    if totals.min() < _SMALLEST_TOTAL or totals.max() == np.inf:
        powers = np.exp(logits - logits.max(axis=0))
        totals = powers.sum(axis=0)
    weights = 1 / totals
    # Σ powers · weights over the part's frames: the mean times their number.
    return [
        int(np.argmax(powers[:, low:high] @ weights[low:high])) for low, high in pairwise(bounds)
    ]
