"""The Viterbi that looks at every state in every frame: slow, and plainly right."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stemline.postprocessing.beat_states import BeatStates

State = tuple[int, int, int]
"""Beat, interval's index, position."""

Densities = NDArray[np.float64]


def all_states(states: BeatStates) -> list[State]:
    return [
        (beat, k, position)
        for beat in range(states.n_beats)
        for k, interval in enumerate(states.intervals)
        for position in range(interval)
    ]


def ways_in(states: BeatStates, to: State) -> Iterator[tuple[State, float]]:
    """States that may come before one, in order, and the log probability of the step."""
    beat, k, position = to
    if position:
        yield (beat, k, position - 1), 0.0
        return
    first, end = states.sources[k]
    for before in range(first, end):
        weight = float(states.weights[states.offsets[k] + before - first])
        yield ((beat - 1) % states.n_beats, before, int(states.intervals[before]) - 1), weight


def row_of(states: BeatStates, state: State) -> int:
    """Which log density a state is heard with: 0 no beat, 1 beat, 2 downbeat."""
    beat, k, position = state
    if position >= states.heads[beat, k]:
        return 0
    return 2 if beat == 0 else 1


def dense_viterbi(states: BeatStates, log_densities: Densities) -> tuple[float, list[State]]:
    """Log densities (3, n_frames) -> log probability, and a state for each frame.

    As madmom's: the first of equals wins, and an impossible track has no path.
    """
    order = all_states(states)
    scores = dict.fromkeys(order, states.log_initial)
    pointers = []
    for densities in log_densities.T:
        now, came_from = {}, {}
        for state in order:
            best, density = -np.inf, densities[row_of(states, state)]
            for before, weight in ways_in(states, state):
                candidate = (scores[before] + weight) + density
                if candidate > best:
                    best, came_from[state] = candidate, before
            now[state] = best
        scores = now
        pointers.append(came_from)
    last = max(order, key=lambda state: scores[state])  # the first of equals
    if scores[last] == -np.inf:
        return -np.inf, []
    path = [last]
    for came_from in pointers[:0:-1]:
        path.append(came_from[path[-1]])
    return scores[last], path[::-1]


def every_path(states: BeatStates, n_frames: int) -> Iterator[list[State]]:
    """All of them, possible or not."""
    after: dict[State, list[State]] = {}
    for state in all_states(states):
        for before, _ in ways_in(states, state):
            after.setdefault(before, []).append(state)

    def longer(path: list[State]) -> Iterator[list[State]]:
        if len(path) == n_frames:
            yield path
            return
        for state in after[path[-1]]:
            yield from longer([*path, state])

    for state in all_states(states):
        yield from longer([state])


def log_probability(states: BeatStates, log_densities: Densities, path: list[State]) -> float:
    """Of one path; the best way into its first state counts."""
    total = states.log_initial + max(weight for _, weight in ways_in(states, path[0]))
    for before, state in pairwise(path):
        total += dict(ways_in(states, state))[before]
    heard = [log_densities[row_of(states, state), t] for t, state in enumerate(path)]
    return total + sum(heard)
