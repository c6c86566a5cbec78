"""Triangular bands a fixed fraction of an octave apart, as madmom places them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_REFERENCE_HZ = 440.0


@dataclass(frozen=True)
class Band:
    """Weights of neighbouring bins; they add up to 1."""

    first_bin: int
    weights: NDArray[np.float32]


def band_bins(
    n_bins: int, sample_rate_hz: int, bands_per_octave: int, low_hz: float, high_hz: float
) -> NDArray[np.int64]:
    """The FFT bins that band edges and centres fall on, ascending, each once.

    The frequencies 440 Hz · 2^(k / bands_per_octave) in [low, high] go to the nearest of `n_bins`
    bins from 0 Hz up to half the sample rate, that one not among them; between two, to the upper.
    madmom's `log_frequencies` and `frequencies2bins`.
    """
    first, last = np.log2(np.array([low_hz, high_hz]) / _REFERENCE_HZ) * bands_per_octave
    steps = np.arange(np.floor(first), np.ceil(last) + 1)
    hz = _REFERENCE_HZ * 2.0 ** (steps / bands_per_octave)
    hz = hz[(hz >= low_hz) & (hz <= high_hz)]
    bin_hz = np.arange(n_bins) * (sample_rate_hz / (2 * n_bins))
    upper = np.searchsorted(bin_hz, hz).clip(1, n_bins - 1)
    nearest = np.where(hz - bin_hz[upper - 1] < bin_hz[upper] - hz, upper - 1, upper)
    return np.unique(nearest)


def triangles(bins: NDArray[np.int64]) -> tuple[Band, ...]:
    """A band for every three ascending bins in a row, 0 at the first and third, 1 at the second.

    Then its weights are divided by their sum. madmom's `TriangularFilter`.
    """
    return tuple(
        _triangle(int(start), int(centre), int(stop))
        for start, centre, stop in zip(bins, bins[1:], bins[2:], strict=False)
    )


def _triangle(start: int, centre: int, stop: int) -> Band:
    rising = np.linspace(0, 1, centre - start, endpoint=False)[1:]
    falling = np.linspace(1, 0, stop - centre, endpoint=False)
    weights = np.concatenate([rising, falling]).astype(np.float32)
    return Band(start + 1, weights / weights.sum())


@dataclass(frozen=True)
class Product:
    """Neighbouring bands as one dense matrix over the bins that they reach."""

    bins: slice
    bands: slice
    weights: NDArray[np.float32]
    """The weights, (bins, bands)."""


def products(bands: Sequence[Band], n_together: int) -> tuple[Product, ...]:
    """Bands of a filterbank, `n_together` in one product each.

    All in one would read hundreds of bins of weight 0 for each that counts; one by one would be
    slow for being narrow.
    """
    found = []
    for first in range(0, len(bands), n_together):
        some = bands[first : first + n_together]
        low = min(band.first_bin for band in some)
        high = max(band.first_bin + len(band.weights) for band in some)
        weights = np.zeros((high - low, len(some)), np.float32)
        for column, band in enumerate(some):
            start = band.first_bin - low
            weights[start : start + len(band.weights), column] = band.weights
        found.append(Product(slice(low, high), slice(first, first + len(some)), weights))
    return tuple(found)
