"""Periodic waves: band-limited tables read by 32-bit phase accumulators."""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from stemline.arrays import Array

from ..dice import Dice
from .envelope import SAMPLE_RATE_HZ

HIGHEST_HZ = 18000.0
"""No harmonic is made above: little is heard there, and nothing can fold back."""

_TABLE_BITS = 12
_TABLE_SAMPLES = 1 << _TABLE_BITS
_CYCLE = 2.0**32


def frequency_hz(pitch: float) -> float:
    """The frequency of a MIDI number; 69 is 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch - 69) / 12))


@dataclass(frozen=True)
class Body:
    """What a box, a bore or a cabinet does to every tone: resonances that stay where they are."""

    centres_hz: tuple[float, ...]
    widths_octaves: tuple[float, ...]
    gains_db: tuple[float, ...]
    tilt_db: float
    """For each octave above 500 Hz."""

    @staticmethod
    def drawn(dice: Dice, strength_db: float = 8.0) -> "Body":
        """Up to six resonances between 120 Hz and 9 kHz."""
        count = dice.integer(1, 6)
        return Body(
            centres_hz=tuple(120 * 75 ** dice.fraction() for _ in range(count)),
            widths_octaves=tuple(dice.uniform(0.15, 1.0) for _ in range(count)),
            gains_db=tuple(dice.uniform(-strength_db, strength_db) for _ in range(count)),
            tilt_db=dice.uniform(-2.0, 1.0) if dice.chance(0.6) else dice.uniform(0.0, 3.5),
        )

    def gain(self, frequencies_hz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Linear gains of frequencies, of the same shape."""
        octaves = np.log2(np.maximum(frequencies_hz, 20.0) / 500)
        level_db = self.tilt_db * octaves
        for centre, width, gain in zip(
            self.centres_hz, self.widths_octaves, self.gains_db, strict=True
        ):
            away = (octaves - np.log2(centre / 500)) / width
            level_db += gain * np.exp(-0.5 * away * away)
        gains: NDArray[np.float64] = 10.0 ** (level_db / 20)
        return gains


def harmonics(fundamental_hz: float, at_most: int = 1000) -> NDArray[np.float64]:
    """The numbers 1, 2, … of the harmonics that lie below `HIGHEST_HZ`."""
    count = max(1, min(at_most, int(HIGHEST_HZ / fundamental_hz), _TABLE_SAMPLES // 2 - 1))
    return np.arange(1, count + 1, dtype=np.float64)


def table(amplitudes: NDArray[np.float64], phases: NDArray[np.float64]) -> Array:
    """One cycle of a sum of sines, harmonic 1 first; see `read`.

    Parameters
    ----------
    amplitudes, phases
        (harmonics,); phases in radians, 0 being a sine.
    """
    # sin(x + φ) = cos(x + φ − π/2), and irfft makes Re(X_k) cos − Im(X_k) sin of each bin.
    spectrum = np.zeros(_TABLE_SAMPLES // 2 + 1, np.complex64)
    count = len(amplitudes)
    spectrum[1 : count + 1] = amplitudes * np.exp(1j * (phases[:count] - np.pi / 2))
    wave: Array = scipy.fft.irfft(spectrum, _TABLE_SAMPLES)
    wave *= np.float32(_TABLE_SAMPLES / 2)
    return wave


def phase(
    fundamental_hz: float, n_samples: int, start: float = 0.0, ratio: Array | None = None
) -> NDArray[np.uint32]:
    """The phase of each sample, a cycle being 2³², (n_samples,).

    Parameters
    ----------
    fundamental_hz
        The frequency.
    n_samples
        How many.
    start
        Phase of the first sample in cycles, 0 to 1.
    ratio
        Times the frequency, sample by sample, (n_samples,): vibrato and glides.
    """
    step = fundamental_hz / SAMPLE_RATE_HZ * _CYCLE
    first = np.uint32(int(start * _CYCLE) & 0xFFFFFFFF)
    if ratio is None:
        ticks = np.arange(n_samples, dtype=np.uint32)
        ticks *= np.uint32(round(step))
        ticks += first
        return ticks
    steps = (ratio.astype(np.float64) * step).astype(np.uint32)
    turned: NDArray[np.uint32] = np.cumsum(steps, dtype=np.uint32)
    turned += first
    return turned


def places(phases: NDArray[np.uint32]) -> NDArray[np.intp]:
    """The nearest points of a table for phases, of the same shape."""
    half = np.uint32(1 << (31 - _TABLE_BITS))
    return ((phases + half) >> np.uint32(32 - _TABLE_BITS)).astype(np.intp)


def radians(phases: NDArray[np.uint32]) -> Array:
    """Phases as angles from −π to π, of the same shape."""
    return phases.view(np.int32).astype(np.float32) * np.float32(2 * np.pi / _CYCLE)


def read(wave: Array, at: NDArray[np.intp]) -> Array:
    """The values of a table at `places`, of their shape."""
    return np.take(wave, at, mode="clip")
