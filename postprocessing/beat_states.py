"""The state space of beats in a bar: tempi as whole intervals, and what it costs to change them.

Krebs, Böck, Widmer, "An Efficient State Space Model for Joint Tempo and Meter Tracking" (2015), as
madmom discretises it. A state is (beat, interval, position): the beat's number in the bar, the
frames from one beat to the next, and how many of them have gone by. The expressions are kept in
the form that rounds as madmom's do, so that paths of equal probability stay equal.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

# Smaller probabilities of a change of tempo count as none: the spacing of floats at 1.
_SMALLEST_PROBABILITY = np.spacing(1)


@dataclass(frozen=True)
class BeatStates:
    """The states of bars of one length, numbered by beat, then interval, then position."""

    n_beats: int
    """Beats in a bar."""

    intervals: NDArray[np.int32]
    """Frames from a beat to the next, ascending, (n_intervals,)."""

    heads: NDArray[np.int32]
    """How many positions of a beat still sound like a beat, (n_beats, n_intervals)."""

    sources: NDArray[np.int32]
    """For each interval the range of those that it may follow, (n_intervals, 2)."""

    offsets: NDArray[np.int32]
    """Where the range's weights begin in `weights`, (n_intervals,)."""

    weights: NDArray[np.float64]
    """Log probabilities of the changes of interval, (n_changes,)."""

    @cached_property
    def n_states(self) -> int:
        """Number of states over all beats of the bar."""
        return self.n_beats * int(self.intervals.sum())

    @cached_property
    def log_initial(self) -> float:
        """Log probability of each state before the first frame: all are alike."""
        return float(np.log(np.ones(1) / self.n_states)[0])


def beat_states(
    n_beats: int,
    intervals: NDArray[np.int32],
    transition_lambda: float | None,
    observation_lambda: float,
) -> BeatStates:
    """The states of bars of `n_beats` at these intervals (ascending, in frames).

    A beat sounds for a part 1 / observation_lambda of its interval. The greater
    transition_lambda, the steadier the tempo; None keeps it for ever.
    """
    sources, weights = _changes(intervals, transition_lambda)
    sizes = sources[:, 1] - sources[:, 0]
    return BeatStates(
        n_beats=n_beats,
        intervals=intervals,
        heads=np.stack([_heads(beat, intervals, observation_lambda) for beat in range(n_beats)]),
        sources=sources,
        offsets=(np.cumsum(sizes) - sizes).astype(np.int32),
        weights=weights,
    )


def beat_intervals(
    min_bpm: float, max_bpm: float, num_tempi: int | None, fps: float
) -> NDArray[np.int32]:
    """Frames from a beat to the next, ascending: linear, or about `num_tempi` log-spaced ones.

    Rounding makes log-spaced intervals equal: more are laid out until `num_tempi` or a few more
    differ. Raises ValueError when the fastest beat has no frame of its own.
    """
    shortest, longest = 60.0 * fps / max_bpm, 60.0 * fps / min_bpm
    intervals = np.arange(np.round(shortest), np.round(longest) + 1)
    if num_tempi is not None and num_tempi < len(intervals):
        laid_out = num_tempi
        intervals = np.empty(0)
        while len(intervals) < num_tempi:
            steps = np.logspace(np.log2(shortest), np.log2(longest), laid_out, base=2)
            intervals = np.unique(np.round(steps))
            laid_out += 1
    if not len(intervals) or intervals[0] < 1:
        raise ValueError(
            f"{min_bpm} to {max_bpm} bpm at {fps} frames a second leave no whole interval"
        )
    return intervals.astype(np.int32)


def _heads(beat: int, intervals: NDArray[np.int32], observation_lambda: float) -> NDArray[np.int32]:
    """How many positions p have (beat + p / interval) mod 1 < 1 / observation_lambda."""
    border = 1.0 / observation_lambda
    positions = (beat + np.linspace(0, 1, interval, endpoint=False) for interval in intervals)
    return np.array([np.count_nonzero(position % 1 < border) for position in positions], np.int32)


def _changes(
    intervals: NDArray[np.int32], transition_lambda: float | None
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """For each interval the range of those before it (n_intervals, 2), and the log probabilities.

    p(from → to) ∝ exp(−λ |to / from − 1|), over all `to`.
    """
    if transition_lambda is None:
        probabilities = np.eye(len(intervals))
    else:
        frames = intervals.astype(float)
        ratios = frames / frames[:, np.newaxis]  # (from, to)
        probabilities = np.exp(-transition_lambda * np.abs(ratios - 1.0))
        probabilities[probabilities <= _SMALLEST_PROBABILITY] = 0
        probabilities /= probabilities.sum(axis=1)[:, np.newaxis]
    into = probabilities.T  # (to, from)
    # The further from the own interval the less probable: what is left is one range, never empty.
    first = np.argmax(into > 0, axis=1)
    last = first + np.count_nonzero(into, axis=1)
    weights = [np.log(row[low:high]) for row, low, high in zip(into, first, last, strict=True)]
    return np.stack([first, last], axis=1).astype(np.int32), np.concatenate(weights)
