"""Beat times to a tempo: one fitted to the beats, and All-In-One's, which is the most frequent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]
Stretch = NDArray[np.float64]
"""Beats without a gap or a step of tempo, (n_beats, 2): number and time in seconds."""

# An interval is so many beats of its surroundings, if it is no further than this from a whole
# number of them; else, or over a longer gap, the beats begin anew.
_UNEVEN = 0.25
_MOST_MISSED = 4
# Where the median of the intervals around a beat steps further than this, another tempo begins; the
# intervals of even beats on frames of 10 ms differ by 3.6 % at 215 bpm.
_STEP = 0.06
_AROUND = 9  # intervals of that median
# Stretches whose tempi are as near as this are of one tempo.
_SAME = 0.03
# The tempo at a place is that of so many beats: enough that hands which are 20 ms off now and then
# make no difference of `_DRIFT`.
_PLACE_BEATS = 16
_FEWEST_BEATS = 8
_DRIFT = 0.015
_ROUNDS = 10
_HUBER = 1.345  # deviations from which on a beat weighs less (Huber, "Robust Statistics", 1981)
_DEVIATION = 1.4826  # the deviation of normal errors over the median of their amounts
_LEAST_S = 0.0005  # no deviation is less: times are on frames


@dataclass(frozen=True)
class Tempo:
    """The tempo of a track, to a tenth of a beat a minute."""

    bpm: float
    """Beats a minute."""
    range_bpm: tuple[float, float] | None
    """The slowest and the fastest of sixteen beats; None where they differ by less than 1.5 %."""


def fitted_tempo(beats: Times | Sequence[float]) -> Tempo | None:
    """Times of beats in seconds, ascending (n_beats,) -> their tempo, None for fewer than two.

    The line t = a + p · k through the times t of the beats k, by least squares; p is the same for
    all even stretches of about one tempo, a is each one's own. Where tempi differ it is the one
    of the most beats. Raises ValueError when times do not ascend.
    """
    times = np.asarray(beats, np.float64)
    intervals = _intervals(times)
    if not len(intervals):
        return None
    stretches = _even_stretches(times, intervals)
    if not stretches:  # two beats, or none that are even: two intervals make one of long and short
        pairs = (times[2:] - times[:-2]) / 2 if len(times) > 2 else intervals
        return Tempo(round(60 / float(np.median(pairs)), 1), None)
    bpm = 60 / _period(_of_one_tempo(stretches))
    places = [60 / _period([place]) for place in _places(stretches)]
    has_range = bool(places) and max(places) - min(places) > _DRIFT * bpm
    bounds = (round(min(places), 1), round(max(places), 1)) if has_range else None
    return Tempo(round(bpm, 1), bounds)


def tempo_bpm(beats: Times | Sequence[float]) -> int | None:
    """Times of beats in seconds, ascending (n_beats,) -> beats a minute, None for fewer than two.

    The most frequent of round(60 / interval), which on frames of 10 ms may be up to four off. Of
    equally frequent ones it is the one that numpy's `argsort` puts last, as in All-In-One's
    `estimate_tempo_from_beats`: with few beats that may be one on one processor and another on the
    next. Raises ValueError when times do not ascend.
    """
    intervals = _intervals(np.asarray(beats, np.float64))
    if not len(intervals):
        return None
    counts = np.bincount(np.round(60.0 / intervals).astype(int))
    # A share, not a count: argsort orders equal floats and equal integers differently.
    return int(np.argsort(counts / counts.sum())[-1])


def _intervals(times: Times) -> Times:
    """Seconds from each beat to the next. Raises ValueError when times do not ascend."""
    intervals = np.diff(times)
    if not (intervals > 0).all():
        raise ValueError("the times of beats must ascend (did you give seconds?)")
    return intervals


def _even_stretches(times: Times, intervals: Times) -> list[Stretch]:
    """The stretches of at least three beats; a beat that is missing leaves out its number."""
    half = _AROUND // 2
    usual = np.array(
        [np.median(intervals[max(0, i - half) : i + half + 1]) for i in range(len(intervals))]
    )
    n_beats = np.round(intervals / usual)
    is_even = np.abs(intervals / usual - n_beats) <= _UNEVEN
    is_even &= (n_beats >= 1) & (n_beats <= _MOST_MISSED)
    is_step = np.abs(np.diff(usual, prepend=usual[:1])) > _STEP * usual
    beats = np.column_stack([np.cumsum([0.0, *n_beats]), times])
    stretches, first = [], 0
    for i in range(len(intervals)):
        if is_step[i] or not is_even[i]:
            stretches.append(beats[first : i + 1])
            first = i if is_even[i] else i + 1
    stretches.append(beats[first:])
    return [stretch for stretch in stretches if len(stretch) > 2]


def _period(stretches: Sequence[Stretch]) -> float:
    """Seconds a beat, the slope that all stretches have in common, by weighted least squares.

    p = Σ w · (k − k̄) · (t − t̄) / Σ w · (k − k̄)², the means being each stretch's own. Beats that are
    far from the line weigh less (w, Huber's weights): one beat a frame late does not turn it.
    """
    weights = [np.ones(len(stretch)) for stretch in stretches]
    period = 0.0
    for _ in range(_ROUNDS):
        own = [s - w @ s / w.sum() for s, w in zip(stretches, weights, strict=True)]
        k, t = np.concatenate(own).T
        w = np.concatenate(weights)
        period = float((w * k) @ t) / float((w * k) @ k)
        off = [np.abs(stretch[:, 1] - period * stretch[:, 0]) for stretch in own]
        near_s = _HUBER * max(_DEVIATION * float(np.median(np.concatenate(off))), _LEAST_S)
        weights = [near_s / np.maximum(one, near_s) for one in off]
    return period


def _of_one_tempo(stretches: Sequence[Stretch]) -> list[Stretch]:
    """The stretches of about the tempo that has the most beats."""
    periods = np.array([_period([stretch]) for stretch in stretches])
    groups = [np.flatnonzero(np.abs(periods / period - 1) <= _SAME) for period in periods]
    largest = max(groups, key=lambda group: sum(len(stretches[int(i)]) for i in group))
    return [stretches[int(i)] for i in largest]


def _places(stretches: Sequence[Stretch]) -> Iterator[Stretch]:
    """Runs of sixteen beats, each half over the next, or whole stretches of eight and more."""
    for stretch in stretches:
        if len(stretch) >= _FEWEST_BEATS:
            last = max(0, len(stretch) - _PLACE_BEATS)
            for start in {*range(0, last, _PLACE_BEATS // 2), last}:
                yield stretch[start : start + _PLACE_BEATS]
