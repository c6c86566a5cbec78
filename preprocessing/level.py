"""A track's level, which some separators take out of the mixture and put back into the stems.

It is that of the whole track: measure it in a first reading, separate in a second. Demucs and MSST
differ in what the deviation is.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEAST_SCALE = 1e-8  # added to the deviation: digital silence stays silence


@dataclass(frozen=True)
class Level:
    """The level of a track's mean over its channels."""

    mean: float
    """Mean of the samples."""
    scale: float
    """Standard deviation of the samples, a little above 0 for silence."""


class LevelMeter:
    """Measures the level of a track block by block; `level` is that of all so far.

    The mean m and the sum of squares M = Σ (x − m)² of two stretches of a and b samples add up,
    with d the difference of their means, to m + d·b / (a + b) and M_a + M_b + d²·a·b / (a + b)
    (Chan, Golub and LeVeque, 1979), which loses no digits however long the track; in float64.
    """

    def __init__(self) -> None:
        self._n_samples = 0
        self._mean = 0.0
        self._squares = 0.0

    def push(self, block: NDArray[np.float32]) -> None:
        """Take in a block (channels, n)."""
        n_new = block.shape[1]
        if n_new == 0:
            return
        mono = block.mean(axis=0, dtype=np.float64)  # (n,)
        mean = float(mono.mean())
        mono -= mean
        n_samples = self._n_samples + n_new
        off = mean - self._mean
        self._squares += float(mono @ mono) + off**2 * self._n_samples * n_new / n_samples
        self._mean += off * n_new / n_samples
        self._n_samples = n_samples

    @property
    def level(self) -> Level:
        """The level of all blocks so far; the deviation is the unbiased one, √(M / (n − 1)).

        One sample has no deviation: 0 is taken for it, where the original has no number.
        """
        deviation = (self._squares / max(1, self._n_samples - 1)) ** 0.5
        return Level(mean=self._mean, scale=deviation + _LEAST_SCALE)

    @property
    def plain_level(self) -> Level:
        """The same with the deviation √(M / n), as MSST's `normalize_audio`.

        A track without any deviation has the scale 1, where the original has no numbers.
        """
        deviation = (self._squares / max(1, self._n_samples)) ** 0.5
        return Level(mean=self._mean, scale=deviation or 1.0)


def level_of(blocks: Iterable[NDArray[np.float32]]) -> Level:
    """The level of a whole track, in blocks (channels, n) at the network's rate."""
    return _measured(blocks).level


def plain_level_of(blocks: Iterable[NDArray[np.float32]]) -> Level:
    """The level of a whole track as MSST has it; see `LevelMeter.plain_level`."""
    return _measured(blocks).plain_level


def _measured(blocks: Iterable[NDArray[np.float32]]) -> LevelMeter:
    meter = LevelMeter()
    for block in blocks:
        meter.push(block)
    return meter


def normalised(block: NDArray[np.float32], level: Level) -> NDArray[np.float32]:
    """Samples (channels, n) of a mixture -> (x − mean) / scale."""
    out: NDArray[np.float32] = block - np.float32(level.mean)
    out /= np.float32(level.scale)
    return out
