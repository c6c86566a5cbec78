"""Chance that falls the same everywhere: every draw is made of PCG64's raw words, here.

NumPy promises the bits of a bit generator for ever, but not what its distributions make of them.
"""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Dice:
    """Draws from one stream; `child` gives others, so one part's draws never shift another's."""

    def __init__(self, seed: int, *path: str) -> None:
        """The stream of a seed and a path of names; equal ones give equal draws."""
        self._seed, self._path = seed, path
        words = hashlib.sha256("/".join((str(seed), *path)).encode()).digest()
        self._bits = np.random.PCG64(int.from_bytes(words[:16], "little"))

    def child(self, *names: str) -> "Dice":
        """A stream of its own, whatever was drawn from this one."""
        return Dice(self._seed, *self._path, *names)

    def fraction(self) -> float:
        """A number in [0, 1)."""
        return (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.fraction()

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.fraction() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """True that often."""
        return self.fraction() < probability

    def choice(self, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """One of the options, by weight where weights are given."""
        if weights is None:
            return options[self.integer(0, len(options) - 1)]
        left = self.fraction() * sum(weights)
        for option, weight in zip(options, weights, strict=True):
            left -= weight
            if left < 0:
                return option
        return options[-1]

    def noise(self, n_samples: int) -> NDArray[np.float32]:
        """White noise, uniform in [-1, 1), (n_samples,)."""
        words = self._bits.random_raw((n_samples + 1) // 2)
        halves = words.view(np.int32)[:n_samples]
        return halves.astype(np.float32) * np.float32(2.0**-31)
