"""The voice's tract: formants of vowels and voiced consonants, and a filter that follows them."""

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stemline.arrays import Array

SAMPLE_RATE_HZ = 44100
FRAME_SAMPLES = 1024
HOP_SAMPLES = 512
FORMANTS = 5

FORMANTS_HZ: dict[str, tuple[float, float, float, float, float]] = {
    # Vowels of a man: means of G. E. Peterson, H. L. Barney, "Control methods used in a study of
    # the vowels", JASA 24, 1952, for the first three; the others as in a tract of 17.5 cm.
    "a": (730.0, 1090.0, 2440.0, 3400.0, 4500.0),
    "e": (530.0, 1840.0, 2480.0, 3500.0, 4500.0),
    "i": (270.0, 2290.0, 3010.0, 3600.0, 4500.0),
    "o": (570.0, 840.0, 2410.0, 3300.0, 4500.0),
    "u": (300.0, 870.0, 2240.0, 3300.0, 4500.0),
    # Places of articulation; after D. H. Klatt, "Software for a cascade/parallel formant
    # synthesizer", JASA 67, 1980, table III, rounded.
    "m": (250.0, 1100.0, 2150.0, 3300.0, 4500.0),
    "n": (250.0, 1450.0, 2500.0, 3400.0, 4500.0),
    "l": (330.0, 1050.0, 2800.0, 3500.0, 4500.0),
    "b": (200.0, 900.0, 2150.0, 3300.0, 4500.0),
    "f": (340.0, 1000.0, 2080.0, 3300.0, 4500.0),
    "d": (220.0, 1650.0, 2600.0, 3500.0, 4500.0),
    "t": (350.0, 1650.0, 2600.0, 3500.0, 4500.0),
    "s": (340.0, 1450.0, 2530.0, 3500.0, 4500.0),
    "k": (320.0, 1900.0, 2500.0, 3400.0, 4500.0),
}

_FREQUENCIES_KHZ = np.arange(FRAME_SAMPLES // 2 + 1) * (SAMPLE_RATE_HZ / FRAME_SAMPLES / 1000.0)
_WINDOW = np.sin(np.pi * (np.arange(FRAME_SAMPLES) + 0.5) / FRAME_SAMPLES).astype(np.float32)


def bandwidths_hz(formants_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Plain bandwidths of formants, rising with frequency."""
    return 45.0 + 0.03 * formants_hz + 6e-6 * formants_hz**2


def upper_tract(scale: float) -> NDArray[np.complex64]:
    """The formants above the fifth, which do not move, (frame bins,).

    A tube has a formant in every kilohertz; without the upper ones a cascade would have no
    treble.
    """
    formants_khz = (5.5 + np.arange(26, dtype=np.float64)) * scale
    frequency = _FREQUENCIES_KHZ[:, None]
    width = bandwidths_hz(formants_khz * 1000.0) / 1000.0
    poles = formants_khz**2 / (formants_khz**2 - frequency**2 + 1j * width * frequency)
    response: NDArray[np.complex64] = poles.prod(axis=1).astype(np.complex64)
    return response


def tract_response(
    formants_hz: NDArray[np.float64], widths: NDArray[np.float64], upper: NDArray[np.complex64]
) -> NDArray[np.complex64]:
    """The tract's transfer function at every frame, (frames, bins).

    H(f) = upper(f) · prod_k F_k² / (F_k² - f² + i B_k f), a cascade of resonators.

    Parameters
    ----------
    formants_hz
        (frames, 5).
    widths
        (frames,), factors on the bandwidths of `bandwidths_hz`.
    upper
        From `upper_tract`, times whatever else stands still.
    """
    centre = formants_hz / 1000.0
    width = (bandwidths_hz(formants_hz) * widths[:, None] / 1000.0).astype(np.float32)
    squared = (centre**2).astype(np.float32)
    frequency = _FREQUENCIES_KHZ.astype(np.float32)
    frequency2 = frequency * frequency
    below = np.empty((len(centre), frequency.size), np.complex64)
    pole = np.empty_like(below)
    for k in range(FORMANTS):
        into = below if k == 0 else pole
        np.subtract(squared[:, k, None], frequency2, out=into.real)
        np.multiply(width[:, k, None], frequency, out=into.imag)
        if k:
            below *= pole
    np.divide(squared.prod(axis=1)[:, None], below, out=below)
    below *= upper
    return below


def frame_times_s(n_samples: int) -> NDArray[np.float64]:
    """Middles of the frames `through_tract` cuts a source of that length into, (frames,)."""
    frames = -(-n_samples // HOP_SAMPLES) + 1
    return np.arange(frames, dtype=np.float64) * (HOP_SAMPLES / SAMPLE_RATE_HZ)


def through_tract(source: Array, response: NDArray[np.complex64]) -> Array:
    """Filter a source, (n,), by a response for each of its frames, (frames, bins).

    A short-time Fourier transform with root-Hann windows half over each other, whose squares
    add up to 1.
    """
    frames = len(response)
    padded = np.zeros((frames + 1) * HOP_SAMPLES, np.float32)
    padded[HOP_SAMPLES : HOP_SAMPLES + source.size] = source
    windows = sliding_window_view(padded, FRAME_SAMPLES)[::HOP_SAMPLES] * _WINDOW
    spectra = scipy.fft.rfft(windows, axis=1, overwrite_x=True)
    spectra *= response
    pieces = scipy.fft.irfft(spectra, FRAME_SAMPLES, axis=1, overwrite_x=True)
    pieces *= _WINDOW
    # The second half of each frame and the first half of the next one lie on the same samples.
    result = pieces[:-1, HOP_SAMPLES:] + pieces[1:, :HOP_SAMPLES]
    filtered: Array = result.reshape(-1)[: source.size]
    return filtered
