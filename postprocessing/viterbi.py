"""The best path through bars of beats: log densities of frames -> beats.

The kernel is C (viterbi_kernel.c, which says what it computes) behind Cython. It finds exactly
what a Viterbi over every state and frame finds, in a hundredth of the memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._viterbi import Space, instruction_sets
from .beat_states import BeatStates

# Workspaces of up to so many doubles (40 MB: three minutes of the usual bars) are kept for the
# next track: fresh memory costs a good part of the time that the computation takes.
_LARGEST_KEPT = 5_000_000

__all__ = ["BeatPath", "BeatViterbi", "instruction_sets"]


@dataclass(frozen=True)
class BeatPath:
    """The most probable way through a track."""

    log_probability: float
    """Log probability of the path and the observations; -inf when no path is possible."""

    starts: NDArray[np.int32]
    """Frames in which a beat is in its first position, ascending, (n_beats,).

    The first is below 0 when the track begins within a beat; empty when no path is possible.
    """

    beats: NDArray[np.int32]
    """Each beat's number in the bar, from 0, (n_beats,)."""

    intervals: NDArray[np.int32]
    """Each beat's index among the intervals of its states, (n_beats,)."""

    by_sums: bool
    """Whether the quick computation was used: proven, for this track, to find the exact path."""


class BeatViterbi:
    """Finds the best path for bars of each of some lengths. Threads may share one.

    Between tracks it keeps up to 40 MB to work in.
    """

    def __init__(
        self,
        states: Sequence[BeatStates],
        *,
        instruction_set: str | None = None,
        exact: bool = False,
    ) -> None:
        """`instruction_set`: one of `instruction_sets()`; None for the widest.

        The path is the same either way, and so is its log probability; `exact` does not try the
        quick computation first.
        """
        self._spaces = [
            Space(one.intervals, one.heads, one.sources, one.offsets, one.weights, one.log_initial)
            for one in states
        ]
        self._instruction_set = instruction_set or instruction_sets()[0]
        self._exact = exact
        self._kept: list[NDArray[np.float64]] = []

    def best_paths(self, log_densities: NDArray[np.float64]) -> list[BeatPath]:
        """Log densities of no beat, beat and downbeat (3, n_frames) -> a path for each bar length.

        Densities are finite or -inf. Raises ValueError for no frames, or an instruction set that
        this processor does not have.
        """
        n_frames = log_densities.shape[1]
        size = max(space.workspace_size(n_frames) for space in self._spaces)
        workspace = self._workspace(size)
        paths = [
            BeatPath(*space.best_path(log_densities, workspace, self._instruction_set, self._exact))
            for space in self._spaces
        ]
        if len(workspace) <= _LARGEST_KEPT:
            self._kept[:] = [workspace]
        return paths

    def _workspace(self, size: int) -> NDArray[np.float64]:
        """The workspace kept, if no other thread has it and it is large enough; else a new one."""
        try:
            kept = self._kept.pop()
        except IndexError:
            return np.empty(size)
        return kept if len(kept) >= size else np.empty(size)
