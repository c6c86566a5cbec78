"""How well beats and sections are found: F-measures that mir_eval agrees with.

Raffel et al., "mir_eval: a transparent implementation of common MIR metrics" (ISMIR 2014). Nothing
is trimmed: the first five seconds, which `mir_eval.beat.evaluate` leaves out, count.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]

BEAT_WINDOW_S = 0.07
BOUNDARY_WINDOWS_S = (0.5, 3.0)


def n_matched(reference_s: Times, found_s: Times, window_s: float) -> int:
    """The most pairs of a reference event and a found one within `window_s`, each used once.

    Both ascending, in seconds. All windows are equally long, so pairing each found event in order
    with the first reference that is left in its window is a greatest matching.
    """
    # Windows around what was found, as in mir_eval: events on the very edge count alike.
    first, last = found_s - window_s, found_s + window_s
    count = place = 0
    for low, high in zip(first, last, strict=True):
        while place < len(reference_s) and reference_s[place] < low:
            place += 1
        if place < len(reference_s) and reference_s[place] <= high:
            count += 1
            place += 1
    return count


def f_measure(reference_s: Times, found_s: Times, window_s: float = BEAT_WINDOW_S) -> float:
    """2 · matched / (reference + found events); 0 where either side has none."""
    if not len(reference_s) or not len(found_s):
        return 0.0
    return 2 * n_matched(reference_s, found_s, window_s) / (len(reference_s) + len(found_s))


def beat_f_measures(reference: Times, found: Times) -> tuple[float, float]:
    """F-measures of the beats and of the downbeats, 70 ms; both (n_beats, 2) of time, position."""
    return (
        f_measure(reference[:, 0], found[:, 0]),
        f_measure(reference[reference[:, 1] == 1, 0], found[found[:, 1] == 1, 0]),
    )


def section_scores(
    reference: tuple[Sequence[float] | Times, Sequence[str]],
    found: tuple[Sequence[float] | Times, Sequence[str]],
    duration_s: float,
) -> tuple[float, float, float, float, float]:
    """Scores of sections, (starts from 0 in seconds, labels) each, in a song of `duration_s`.

    They are F-measures of the boundaries within 0.5 s and 3 s, the same without the song's
    beginning and end (NaN for a song of one section), and the share of the time that has the right
    label.
    """
    starts_s, found_s = reference[0], found[0]
    half, three = (
        boundary_f_measure(starts_s, found_s, duration_s, window) for window in BOUNDARY_WINDOWS_S
    )
    inner_half, inner_three = (
        inner_boundary_f_measure(starts_s, found_s, window) if len(starts_s) > 1 else float("nan")
        for window in BOUNDARY_WINDOWS_S
    )
    return half, three, inner_half, inner_three, label_accuracy(*reference, *found, duration_s)


def boundary_f_measure(
    reference_starts_s: Sequence[float] | Times,
    found_starts_s: Sequence[float] | Times,
    duration_s: float,
    window_s: float,
) -> float:
    """F-measure of boundaries: starts, ascending from 0 s, with the song's beginning and end.

    `mir_eval.segment.detection` with trim=False.
    """
    reference, found = (
        _boundaries(np.append(starts, duration_s))
        for starts in (reference_starts_s, found_starts_s)
    )
    return f_measure(reference, found, window_s)


def inner_boundary_f_measure(
    reference_starts_s: Sequence[float] | Times,
    found_starts_s: Sequence[float] | Times,
    window_s: float,
) -> float:
    """F-measure of boundaries without the song's beginning and end, which are always found.

    `mir_eval.segment.detection` with trim=True.
    """
    reference, found = _boundaries(reference_starts_s)[1:], _boundaries(found_starts_s)[1:]
    return f_measure(reference, found, window_s)


def label_accuracy(
    reference_starts_s: Sequence[float] | Times,
    reference_labels: Sequence[str],
    found_starts_s: Sequence[float] | Times,
    found_labels: Sequence[str],
    duration_s: float,
) -> float:
    """The share of the song's time in which the found label is the reference's."""
    edges = np.unique(
        np.concatenate([np.asarray(reference_starts_s), np.asarray(found_starts_s), [duration_s]])
    )
    edges = edges[edges <= duration_s]
    right = 0.0
    for start, end in pairwise(edges):
        one = np.searchsorted(reference_starts_s, start, side="right") - 1
        other = np.searchsorted(found_starts_s, start, side="right") - 1
        if reference_labels[one] == found_labels[other]:
            right += end - start
    return float(right / duration_s)


def _boundaries(times_s: Sequence[float] | Times) -> Times:
    # mir_eval rounds boundaries to five digits.
    return np.unique(np.round(np.asarray(times_s, np.float64), 5))
