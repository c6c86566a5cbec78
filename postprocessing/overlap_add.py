"""Overlapping chunks of stems to one track, returned as soon as it is final."""

from collections.abc import Iterator
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Window(Protocol):
    """The weights of a chunk's samples."""

    def __call__(self, *, fade_in: bool = True, fade_out: bool = True) -> NDArray[np.float32]:
        """(chunk_samples,), not faded where there is no neighbour."""


def faded_window(
    chunk_samples: int, *, fade_in: bool = True, fade_out: bool = True
) -> NDArray[np.float32]:
    """Weights of a chunk's samples, (chunk_samples,): ones with linear ramps at the ends.

    A ramp is a tenth of the chunk and has 0 and 1 as its ends; MSST's `_getWindowingArray`.
    """
    fade = chunk_samples // 10
    window = np.ones(chunk_samples, np.float32)
    if fade and fade_in:
        window[:fade] = np.linspace(0, 1, fade)
    if fade and fade_out:
        window[-fade:] = np.linspace(1, 0, fade)
    return window


def handover_window(
    chunk_samples: int, hop_samples: int, *, fade_in: bool = True, fade_out: bool = True
) -> NDArray[np.float32]:
    """Weights (chunk_samples,) by which a chunk hands over in the middle of its overlap.

    A network knows least at the ends of a chunk. So of what two chunks share, the outer three
    eighths of each have no weight, and the quarter between them is a linear ramp. For chunks that
    overlap by half at the most, every sample has a weight.
    """
    overlap = chunk_samples - hop_samples
    outer, ramp = (3 * overlap) // 8, max(1, overlap // 4)
    rising = np.clip((np.arange(overlap) - outer + 1) / (ramp + 1), 0, 1).astype(np.float32)
    window = np.ones(chunk_samples, np.float32)
    if fade_in:
        window[:overlap] *= rising
    if fade_out:
        window[-overlap:] *= rising[::-1]
    return window


class OverlapAdd:
    """The weighted mean of all chunks over a sample: Σ w·y / Σ w, and 0 where no weight is.

    One track's state: one chunk of every stem, in a ring, however long the track.
    """

    def __init__(
        self,
        n_stems: int,
        channels: int,
        chunk_samples: int,
        hop_samples: int,
        window: Window | None = None,
    ) -> None:
        """`window` is `faded_window` of the chunk when None.

        Raises ValueError unless 0 < hop < chunk.
        """
        if not 0 < hop_samples < chunk_samples:
            raise ValueError(f"a hop of {hop_samples} does not suit chunks of {chunk_samples}")
        self._chunk = chunk_samples
        self._hop = hop_samples
        self._sum = np.zeros((n_stems, channels, chunk_samples), np.float32)
        self._weight = np.zeros(chunk_samples, np.float32)
        self._window = window or partial(faded_window, chunk_samples)
        self._inner = self._window()
        self._next_start: int | None = None
        self._emitted = 0
        self._at = 0  # ring position of the sample where the next chunk starts

    def add(
        self,
        stems: NDArray[np.float32],
        start: int,
        valid: int,
        first: bool,
        last: bool,
        final_until: int,
    ) -> NDArray[np.float32]:
        """Add the stems (S, channels, chunk) of one chunk -> what is now final (S, channels, n).

        The arguments are those of the chunk (`Chunk` says what they mean), which come in the
        order of the track. What is returned begins where the previous block ended, the
        first one at track sample 0; n may be 0. Raises ValueError when a chunk is missing.
        """
        if self._next_start not in (None, start):
            raise ValueError(f"the chunk at {self._next_start} comes next, not the one at {start}")
        window = self._inner
        if first or last:
            window = self._window(fade_in=not first, fade_out=not last)
        for ring, part in self._ring(0, valid):
            self._sum[..., ring] += stems[..., part] * window[part]
            self._weight[ring] += window[part]

        final = np.zeros((*self._sum.shape[:2], final_until - self._emitted), np.float32)
        for ring, part in self._ring(self._emitted - start, final.shape[-1]):
            weight = self._weight[ring]
            np.divide(self._sum[..., ring], weight, out=final[..., part], where=weight > 0)
        for ring, _ in self._ring(0, self._hop):
            self._sum[..., ring] = 0
            self._weight[ring] = 0
        self._at = (self._at + self._hop) % self._chunk
        self._next_start = start + self._hop
        self._emitted = final_until
        return final

    def _ring(self, offset: int, length: int) -> Iterator[tuple[slice, slice]]:
        """Slices (ring, part) of `length` samples from `offset` behind the next chunk's start."""
        low = (self._at + offset) % self._chunk
        until_wrap = min(length, self._chunk - low)
        yield slice(low, low + until_wrap), slice(0, until_wrap)
        if length > until_wrap:
            yield slice(0, length - until_wrap), slice(until_wrap, length)
