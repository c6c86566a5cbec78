# cython: language_level=3, boundscheck=False, wraparound=False
"""The kernel's door: arrays in, the beats of the best path out. viterbi.py says what they are."""

from libc.math cimport isfinite
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int32_t, uintptr_t

import numpy as np


cdef extern from "viterbi_kernel.h" nogil:
    struct beat_space:
        int32_t n_beats
        int32_t n_intervals
        const int32_t *intervals
        const int32_t *heads
        const int32_t *sources
        const int32_t *offsets
        const double *weights
        double log_initial

    struct beat_densities:
        const double *none
        const double *beat
        const double *downbeat
        const double *none_sums
        const double *beat_sums
        const double *downbeat_sums
        ptrdiff_t n_frames

    struct beat_scores:
        double *origin
        ptrdiff_t stride

    struct beat_path:
        int32_t *starts
        int32_t *beats
        int32_t *intervals
        double log_probability
        int by_sums

    const char *const *viterbi_instruction_sets()
    ptrdiff_t viterbi_front(const beat_space *)
    ptrdiff_t viterbi_stride(const beat_space *, ptrdiff_t)
    ptrdiff_t viterbi_best_path(
        const char *, const beat_space *, const beat_densities *, beat_scores, beat_path *
    )


# Doubles of a cache line, on which rows begin.
cdef ptrdiff_t LINE = 8


def instruction_sets():
    """Names of those this processor can run, the widest first."""
    cdef const char *const *names = viterbi_instruction_sets()
    cdef ptrdiff_t n = 0
    found = []
    while names[n] != NULL:
        found.append(names[n].decode())
        n += 1
    return tuple(found)


cdef class Space:
    """The states of bars of one length, as the kernel takes them."""

    cdef beat_space space
    # What the pointers point into.
    cdef tuple arrays

    def __init__(
        self,
        const int32_t[::1] intervals,
        const int32_t[:, ::1] heads,
        const int32_t[:, ::1] sources,
        const int32_t[::1] offsets,
        const double[::1] weights,
        double log_initial,
    ):
        self.arrays = (intervals, heads, sources, offsets, weights)
        self.space.n_beats = <int32_t>heads.shape[0]
        self.space.n_intervals = <int32_t>intervals.shape[0]
        self.space.intervals = &intervals[0]
        self.space.heads = &heads[0, 0]
        self.space.sources = &sources[0, 0]
        self.space.offsets = &offsets[0]
        self.space.weights = &weights[0]
        self.space.log_initial = log_initial

    def workspace_size(self, ptrdiff_t n_frames):
        """How many doubles `best_path` works in."""
        cdef ptrdiff_t n_rows = self.space.n_beats * self.space.n_intervals
        return n_rows * viterbi_stride(&self.space, n_frames) + LINE

    def best_path(
        self,
        const double[:, ::1] log_densities,
        double[::1] workspace,
        str instruction_set,
        bint exact,
    ):
        """Log densities (3, n_frames) -> log probability, starts, beats, intervals, by_sums."""
        cdef ptrdiff_t n_frames = log_densities.shape[1]
        cdef ptrdiff_t front = viterbi_front(&self.space)
        cdef ptrdiff_t stride = viterbi_stride(&self.space, n_frames)
        if n_frames == 0 or log_densities.shape[0] != 3:
            raise ValueError("log densities must be (3, n_frames), and n_frames not 0")
        if workspace.shape[0] < self.workspace_size(n_frames):
            raise ValueError("the workspace is too small")

        cdef double[:, ::1] rows = np.zeros((6, stride))
        cdef ptrdiff_t i, t
        for i in range(3):
            rows[i, front : front + n_frames] = log_densities[i]
            for t in range(front, stride - 1):
                rows[3 + i, t + 1] = rows[3 + i, t] + rows[i, t]
            if not isfinite(rows[3 + i, stride - 1]):
                exact = True

        cdef beat_densities densities
        densities.none = &rows[0, front]
        densities.beat = &rows[1, front]
        densities.downbeat = &rows[2, front]
        densities.none_sums = NULL if exact else &rows[3, front]
        densities.beat_sums = NULL if exact else &rows[4, front]
        densities.downbeat_sums = NULL if exact else &rows[5, front]
        densities.n_frames = n_frames

        cdef beat_scores scores
        cdef uintptr_t misplaced = (<uintptr_t>&workspace[0] // sizeof(double)) % LINE
        scores.origin = &workspace[0] + (LINE - misplaced) % LINE + front
        scores.stride = stride

        cdef int32_t[:, ::1] found = np.empty(
            (3, n_frames // self.space.intervals[0] + 2), np.int32
        )
        cdef beat_path path
        path.starts = &found[0, 0]
        path.beats = &found[1, 0]
        path.intervals = &found[2, 0]

        name = instruction_set.encode()
        cdef const char *chosen = name
        cdef ptrdiff_t n_found
        with nogil:
            n_found = viterbi_best_path(chosen, &self.space, &densities, scores, &path)
        if n_found < 0:
            raise ValueError(f"no instruction set {instruction_set!r} on this processor")
        starts, beats, intervals = np.asarray(found)[:, :n_found][:, ::-1]
        return path.log_probability, starts, beats, intervals, bool(path.by_sums)
