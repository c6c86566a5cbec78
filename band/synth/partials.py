"""Tones that ring out: sums of damped sines, made as one matrix product."""

import numpy as np
from numpy.typing import NDArray

from stemline.arrays import Array

from .envelope import SAMPLE_RATE_HZ

_BLOCK = 256


def ringing(
    frequencies_hz: NDArray[np.float64],
    amplitudes: NDArray[np.float64],
    time_constants_s: NDArray[np.float64],
    phases: NDArray[np.float64],
    n_samples: int,
) -> Array:
    """Σ a exp(−t / τ) sin(2π f t + φ), (n_samples,).

    With s = (2πi f − 1 / τ) / rate and n = q·256 + r, exp(s n) = exp(s q·256) exp(s r): few
    exponentials a partial, and the sum over the partials is a matrix product.

    Parameters
    ----------
    frequencies_hz, amplitudes, time_constants_s, phases
        (partials,), phases in radians.
    n_samples
        Length.
    """
    rate = (2j * np.pi * frequencies_hz - 1 / time_constants_s) / SAMPLE_RATE_HZ
    n_blocks = -(-n_samples // _BLOCK)
    coarse = np.exp(np.outer(np.arange(n_blocks) * _BLOCK, rate))
    coarse *= amplitudes * np.exp(1j * phases)
    fine = np.exp(np.outer(rate, np.arange(_BLOCK)))
    # Im(c f) = Im c · Re f + Re c · Im f
    left = np.concatenate([coarse.imag, coarse.real], axis=1).astype(np.float32)
    right = np.concatenate([fine.real, fine.imag], axis=0).astype(np.float32)
    tone: Array = (left @ right).reshape(-1)[:n_samples]
    return tone
