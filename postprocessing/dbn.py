"""Beat and downbeat activations to beats: madmom's dynamic Bayesian networks.

Böck, Krebs, Widmer, "Joint Beat and Downbeat Tracking with Recurrent Neural Networks" (2016).
Beats and their numbers are those that madmom 0.16.1's DBNDownBeatTrackingProcessor and
DBNBeatTrackingProcessor find, down to which of two equally probable paths is taken.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .beat_states import BeatStates, beat_intervals, beat_states
from .viterbi import BeatPath, BeatViterbi

Activations = NDArray[Any]
Beats = NDArray[np.float64]


class DownbeatTracker:
    """Activations of beats and downbeats to beats numbered within bars.

    Bars of each of the lengths `beats_per_bar` are tried, and the more probable taken. Call it
    as madmom's DBNDownBeatTrackingProcessor, whose parameters these are; threads may share one.
    """

    def __init__(
        self,
        beats_per_bar: int | Sequence[int] = (3, 4),
        min_bpm: float | Sequence[float] = 55.0,
        max_bpm: float | Sequence[float] = 215.0,
        num_tempi: int | Sequence[int | None] | None = 60,
        transition_lambda: float | Sequence[float | None] | None = 100.0,
        observation_lambda: float = 16,
        threshold: float | None = 0.05,
        correct: bool = True,
        fps: float = 100.0,
    ) -> None:
        """Where a sequence may be given it has one value for each bar length.

        min_bpm, max_bpm: slowest and fastest tempo. num_tempi: how many tempi, log-spaced; None
        for every whole number of frames from beat to beat. transition_lambda: the greater, the
        steadier the tempo; None keeps it. observation_lambda: a beat sounds for this part of its
        interval. threshold: the track is taken from the first to the last frame that reaches it;
        0 for all of it. correct: move each beat to the highest activation while it sounds. fps:
        frames a second. Raises ValueError.
        """
        lengths = np.atleast_1d(beats_per_bar).tolist()
        if not lengths or min(lengths) < 1:
            raise ValueError(f"beats_per_bar must be 1 or more, not {beats_per_bar}")
        n = len(lengths)
        self.states = [
            _checked_states(length, low, high, tempi, rate, observation_lambda, fps)
            for length, low, high, tempi, rate in zip(
                lengths,
                _one_each(min_bpm, n, "min_bpm"),
                _one_each(max_bpm, n, "max_bpm"),
                _one_each(num_tempi, n, "num_tempi"),
                _one_each(transition_lambda, n, "transition_lambda"),
                strict=True,
            )
        ]
        self._viterbi = BeatViterbi(self.states)
        self._observation_lambda = observation_lambda
        self._threshold = threshold
        self._correct = correct
        self._fps = float(fps)

    def __call__(self, activations: Activations) -> Beats:
        """Probabilities of beat and downbeat (n_frames, 2) -> (n_beats, 2).

        What comes back is the time in seconds, ascending, and the position in the bar from 1. A
        beat that is a downbeat counts in the second column only, so that a row's sum is at most
        1. No beats come back when no frame reaches the threshold, when the first one alone does
        (as in madmom), or when no path is possible (where madmom 0.16 fails). Raises ValueError
        for another shape and for what is not finite.
        """
        activations = _checked(activations, 2)
        if activations.shape[1] != 2:
            raise ValueError(f"activations must be (n_frames, 2), not {activations.shape}")
        first, activations = part_above(activations, self._threshold)
        if not activations.any():
            return np.empty((0, 2))
        paths = self._viterbi.best_paths(log_densities(activations, self._observation_lambda))
        best = int(np.argmax([path.log_probability for path in paths]))
        path, states = paths[best], self.states[best]
        if not len(path.starts):
            return np.empty((0, 2))

        numbers = _by_frame(path, path.beats + 1, len(activations))
        if self._correct:
            sounding = _sounding(path, states, len(activations))
            beats = _peaks(activations.max(axis=1), sounding)
        else:
            beats = np.flatnonzero(np.diff(numbers)) + 1
        return np.stack([(beats + first) / self._fps, numbers[beats]], axis=1)

    process = __call__


class PlainBeatTracker:
    """Activations of beats to beats, without bars.

    Call it as madmom's DBNBeatTrackingProcessor (offline), whose parameters these are; threads
    may share one.
    """

    def __init__(
        self,
        min_bpm: float = 55.0,
        max_bpm: float = 215.0,
        num_tempi: int | None = None,
        transition_lambda: float = 100.0,
        observation_lambda: float = 16,
        threshold: float | None = 0.0,
        correct: bool = True,
        fps: float = 100.0,
    ) -> None:
        """`DownbeatTracker` says what the parameters are. Raises ValueError."""
        self.states = _checked_states(
            1, min_bpm, max_bpm, num_tempi, transition_lambda, observation_lambda, fps
        )
        self._viterbi = BeatViterbi([self.states])
        self._observation_lambda = observation_lambda
        self._threshold = threshold
        self._correct = correct
        self._fps = float(fps)

    def __call__(self, activations: Activations) -> Beats:
        """Probabilities of a beat (n_frames,) -> times in seconds, ascending, (n_beats,).

        None come back in the cases that `DownbeatTracker` names. Raises ValueError for another
        shape and for what is not finite.
        """
        activations = _checked(activations, 1)
        first, activations = part_above(activations, self._threshold)
        if not activations.any():
            return np.empty(0)
        [path] = self._viterbi.best_paths(log_densities(activations, self._observation_lambda))
        if not len(path.starts):
            return np.empty(0)

        sounding = _sounding(path, self.states, len(activations))
        if self._correct:
            beats = _peaks(activations, sounding)
        else:
            position = _positions(path, self.states, len(activations))
            # The ends of the track are neighbours, as in madmom.
            lowest = (position < np.roll(position, 1)) & (position < np.roll(position, -1))
            beats = np.flatnonzero(lowest & sounding)
        return np.asarray((beats + first) / self._fps)

    process = __call__


def part_above(activations: Activations, threshold: float | None) -> tuple[int, Activations]:
    """The first frame that reaches the threshold, and the activations from it to the last one.

    All of them when the threshold is 0 or None.
    """
    if not threshold:
        return 0, activations
    frames = np.nonzero(activations >= float(threshold))[0]
    # madmom's condition: true when one of the *frame numbers* is not 0.
    if not frames.any():
        return 0, activations[:0]
    first, last = int(frames.min()), int(frames.max())
    return first, activations[first : last + 1]


def log_densities(activations: Activations, observation_lambda: float) -> NDArray[np.float64]:
    """Activations of beat (n_frames,) or of beat and downbeat (n_frames, 2) -> (3, n_frames).

    The rows are the log densities of no beat, beat and downbeat; of beats alone the last two are
    one. A beat sounds for one part of observation_lambda, and the other parts share what is left
    of the probability. What is no probability (activations that sum above 1) is impossible.
    """
    columns = activations if activations.ndim == 2 else activations[:, np.newaxis]
    out = np.empty((3, len(activations)))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        left = 1.0 - (np.sum(activations, axis=1) if activations.ndim == 2 else activations)
        out[0] = np.log(left / (float(observation_lambda) - 1))
        out[1] = np.log(columns[:, 0])
        out[2] = np.log(columns[:, -1])
    out[~(out < np.inf)] = -np.inf
    return out


def _one_each(value: Any, n: int, name: str) -> list[Any]:
    """A value for each of n bar lengths. Raises ValueError."""
    values: list[Any] = np.atleast_1d(np.asarray(value, object)).tolist()
    if len(values) == 1:
        return values * n
    if len(values) != n:
        raise ValueError(f"{name} has {len(values)} values for {n} bar lengths")
    return values


def _checked_states(
    n_beats: int,
    min_bpm: float,
    max_bpm: float,
    num_tempi: int | None,
    transition_lambda: float | None,
    observation_lambda: float,
    fps: float,
) -> BeatStates:
    """The states of one bar length. Raises ValueError that names the parameter."""
    if not 0 < min_bpm <= max_bpm < np.inf:
        raise ValueError(f"0 < min_bpm <= max_bpm must hold, not {min_bpm} and {max_bpm}")
    if not 0 < fps < np.inf:
        raise ValueError(f"fps must be above 0, not {fps}")
    if num_tempi is not None and num_tempi < 1:
        raise ValueError(f"num_tempi must be 1 or more, or None, not {num_tempi}")
    if transition_lambda is not None and not 0 <= transition_lambda < np.inf:
        raise ValueError(f"transition_lambda must be 0 or more, or None, not {transition_lambda}")
    if not 1 <= observation_lambda < np.inf:
        raise ValueError(f"observation_lambda must be 1 or more, not {observation_lambda}")
    intervals = beat_intervals(min_bpm, max_bpm, num_tempi, fps)
    return beat_states(n_beats, intervals, transition_lambda, observation_lambda)


def _checked(activations: Activations, n_dims: int) -> Activations:
    """Activations of so many dimensions, in the type they have: it decides how they round."""
    activations = np.asarray(activations)
    if activations.ndim != n_dims or activations.dtype.kind not in "fiub":
        shape = "(n_frames,)" if n_dims == 1 else "(n_frames, 2)"
        raise ValueError(
            f"activations must be numbers {shape}, not {activations.dtype} {activations.shape}"
        )
    if not np.isfinite(activations).all():
        raise ValueError("activations must be finite")
    return activations


def _by_frame(path: BeatPath, values: NDArray[Any], n_frames: int) -> NDArray[Any]:
    """A value for each beat (n_beats,) -> one for each frame (n_frames,)."""
    bounds = np.append(np.maximum(path.starts, 0), n_frames)
    return np.repeat(values, np.diff(bounds))


def _sounding(path: BeatPath, states: BeatStates, n_frames: int) -> NDArray[np.bool_]:
    """Whether a beat sounds on the path in each frame, (n_frames,)."""
    ends = path.starts + states.heads[path.beats, path.intervals]
    return np.arange(n_frames) < _by_frame(path, ends, n_frames)


def _positions(path: BeatPath, states: BeatStates, n_frames: int) -> NDArray[np.float64]:
    """How much of its beat has gone by in each frame, in [0, 1), (n_frames,)."""
    frames = np.arange(n_frames) - _by_frame(path, path.starts, n_frames)
    steps = 1.0 / states.intervals[path.intervals]
    return np.asarray(frames * _by_frame(path, steps, n_frames))


def _peaks(activations: Activations, sounding: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The frame of the highest activation in each run of sounding ones, the first of equals."""
    frames = np.flatnonzero(sounding)
    if not len(frames):
        return frames
    sounded = activations[frames]
    is_first = np.diff(frames, prepend=-2) > 1
    run = np.cumsum(is_first) - 1
    highest = np.maximum.reduceat(sounded, np.flatnonzero(is_first))
    hits = np.flatnonzero(sounded == highest[run])
    return frames[hits[np.diff(run[hits], prepend=-1) > 0]]
