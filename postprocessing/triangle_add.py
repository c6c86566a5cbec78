"""Overlapping segments of stems to one track, as Demucs weighs them, returned once final."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def triangle(segment_samples: int) -> NDArray[np.float32]:
    """Weights of a segment's samples, (segment_samples,): a triangle whose peak is 1.

    With h = n // 2 it rises as 1 ... h and falls as n − h ... 1, all divided by n − h; that of
    `apply_model` at a transition power of 1.
    """
    half = segment_samples // 2
    rise = np.arange(1, half + 1, dtype=np.float32)
    fall = np.arange(segment_samples - half, 0, -1, dtype=np.float32)
    weights: NDArray[np.float32] = np.concatenate([rise, fall]) / fall[0]
    return weights


class TriangleAdd:
    """The weighted mean of all segments over a sample: Σ w·y / Σ w, with triangles for weights.

    No weight is 0, so no sample is without one. A short segment has the beginning of the
    triangle. One track's state: one segment of every stem, in a ring, however long the track.
    """

    def __init__(self, n_stems: int, channels: int, segment_samples: int, hop_samples: int) -> None:
        """Raises ValueError unless 0 < hop <= segment."""
        if not 0 < hop_samples <= segment_samples:
            raise ValueError(f"a hop of {hop_samples} does not suit segments of {segment_samples}")
        self._segment = segment_samples
        self._hop = hop_samples
        self._sum = np.zeros((n_stems, channels, segment_samples), np.float32)
        self._weight = np.zeros(segment_samples, np.float32)
        self._triangle = triangle(segment_samples)
        self._next_start: int | None = None
        self._emitted = 0
        self._at = 0  # ring position of the sample where the next segment starts

    def add(
        self, stems: NDArray[np.float32], start: int, valid: int, skip: int, final_until: int
    ) -> NDArray[np.float32]:
        """Add the stems (S, channels, n) of one segment -> what is now final (S, channels, m).

        The numbers are those of the segment (`Segment` says what they mean); segments come in
        the order of the track. What is returned begins where the previous block ended, the
        first one at track sample 0; m may be 0. Raises ValueError when a segment is missing.
        """
        if self._next_start not in (None, start):
            raise ValueError(
                f"the segment at {self._next_start} comes next, not the one at {start}"
            )
        own = stems[..., skip : skip + valid]
        for ring, part in self._ring(0, valid):
            self._sum[..., ring] += own[..., part] * self._triangle[part]
            self._weight[ring] += self._triangle[part]

        final = np.empty((*self._sum.shape[:2], final_until - self._emitted), np.float32)
        for ring, part in self._ring(self._emitted - start, final.shape[-1]):
            np.divide(self._sum[..., ring], self._weight[ring], out=final[..., part])
        for ring, _ in self._ring(0, self._hop):
            self._sum[..., ring] = 0
            self._weight[ring] = 0
        self._at = (self._at + self._hop) % self._segment
        self._next_start = start + self._hop
        self._emitted = final_until
        return final

    def _ring(self, offset: int, length: int) -> Iterator[tuple[slice, slice]]:
        """Slices (ring, part) of `length` samples from `offset` behind the segment's start."""
        low = (self._at + offset) % self._segment
        until_wrap = min(length, self._segment - low)
        yield slice(low, low + until_wrap), slice(0, until_wrap)
        if length > until_wrap:
            yield slice(0, length - until_wrap), slice(until_wrap, length)
