"""Coloured noise: breath, sticks, snares and cymbals."""

import numpy as np
import scipy.fft

from stemline.arrays import Array

from ..dice import Dice
from .envelope import SAMPLE_RATE_HZ


def band_noise(
    dice: Dice,
    n_samples: int,
    low_hz: float,
    high_hz: float,
    slope: float = 2.0,
    tilt_db: float = 0.0,
    channels: int = 1,
) -> Array:
    """Noise between two frequencies, of RMS 1, (channels, n_samples).

    Its edges are those of filters of order `slope`: |H|² = 1 / (1 + (f / f₀)^±2·slope).

    Parameters
    ----------
    dice
        Gives the noise.
    n_samples, channels
        Shape; channels are independent.
    low_hz, high_hz
        Where the level has fallen by 3 dB.
    slope
        Order of each edge.
    tilt_db
        For each octave, within the band.
    """
    if n_samples <= 0:
        return np.zeros((channels, 0), np.float32)
    size = scipy.fft.next_fast_len(n_samples, real=True)
    # White noise is white in its spectrum too: drawn there, it needs one transform and not two.
    n_bins = size // 2 + 1
    white = dice.noise(channels * 2 * n_bins).view(np.complex64).reshape(channels, n_bins)
    frequencies = np.maximum(
        np.arange(n_bins, dtype=np.float32) * np.float32(SAMPLE_RATE_HZ / size), 1.0
    )
    curve = 1 / np.sqrt(
        (1 + (np.float32(low_hz) / frequencies) ** (2 * slope))
        * (1 + (frequencies / np.float32(high_hz)) ** (2 * slope))
    )
    if tilt_db:
        curve *= (frequencies / np.float32(low_hz + 1)) ** np.float32(tilt_db / 6.02)
    curve[0] = 0
    coloured: Array = scipy.fft.irfft(white * curve, size)[:, :n_samples]
    power = float(np.mean(np.square(coloured), dtype=np.float64))
    coloured *= np.float32(1 / np.sqrt(power + 1e-20))
    return coloured.astype(np.float32, copy=False)
