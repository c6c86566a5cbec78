"""Stems to the logarithmic spectrograms that the beat networks were trained on.

madmom's chain of FramedSignal, ShortTimeFourierTransform, FilteredSpectrogram (12 bands an octave,
30 Hz to 17 kHz, normalised) and LogarithmicSpectrogram, on the stems in memory.
"""

from functools import cache
from typing import Any

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ._power import power_spectra
from .filterbank import band_bins, products, triangles

SAMPLE_RATE_HZ = 44100
FRAME_SAMPLES = 2048
HOP_SAMPLES = 441
FRAME_RATE_HZ = SAMPLE_RATE_HZ // HOP_SAMPLES
N_BANDS = 81
_BANDS_PER_OCTAVE, _LOW_HZ, _HIGH_HZ = 12, 30, 17000

# What is worked on at a time stays in a core's cache.
_FRAMES_AT_A_TIME = 64
_BANDS_OF_A_PRODUCT = 16


def n_frames(n_samples: int) -> int:
    """Frames of so many samples: one for every hop begun."""
    return -(-n_samples // HOP_SAMPLES)


def log_spectrogram(
    stems: NDArray[np.float32] | NDArray[np.float64], sample_rate: int
) -> NDArray[np.float32]:
    """Mono stems (n_stems, n_samples), full scale 1 -> (n_stems, n_frames, 81).

    A band's value is log10(1 + its mean magnitude), weighted. Frame i is of the 2048 samples from
    441 · i − 1024 on, zeros where there are none, under a symmetric Hann window. Transformed in the
    precision of the stems: within 1e-6 of madmom in float64 and 4e-6 in float32. allin1 reads
    16-bit files, and of stereo ones the mean cut to 16 bits: some 3e-4 away from the stems.

    Raises ValueError when the stems are of another shape, type or sample rate.
    """
    if sample_rate != SAMPLE_RATE_HZ:
        raise ValueError(f"the spectrogram is of {SAMPLE_RATE_HZ} Hz; got {sample_rate} Hz")
    if stems.ndim != 2 or stems.dtype not in (np.float32, np.float64):
        raise ValueError(
            f"stems must be floats (n_stems, n_samples); got {stems.dtype} {stems.shape}"
        )
    front_end = _front_end(stems.dtype.name)
    out = np.empty((len(stems), n_frames(stems.shape[1]), N_BANDS), np.float32)
    for stem, samples in enumerate(stems):
        front_end.write(samples, out[stem])
    return out


class _FrontEnd:
    """What does not depend on the samples: the window and the bands, in one precision."""

    def __init__(self, dtype: str) -> None:
        n_bins = FRAME_SAMPLES // 2  # that of half the sample rate is left out
        bins = band_bins(n_bins, SAMPLE_RATE_HZ, _BANDS_PER_OCTAVE, _LOW_HZ, _HIGH_HZ)
        self._window = np.hanning(FRAME_SAMPLES).astype(dtype)
        self._products = products(triangles(bins), _BANDS_OF_A_PRODUCT)

    def write(self, samples: NDArray[Any], out: NDArray[np.float32]) -> None:
        """Samples (n_samples,) to bands (n_frames, 81)."""
        padded = np.zeros(len(out) * HOP_SAMPLES + FRAME_SAMPLES, samples.dtype)
        padded[FRAME_SAMPLES // 2 :][: len(samples)] = samples
        high = self._products[-1].bins.stop
        for first in range(0, len(out), _FRAMES_AT_A_TIME):
            some = slice(first, first + _FRAMES_AT_A_TIME)
            magnitudes = self._magnitudes(padded[first * HOP_SAMPLES :], len(out[some]), high)
            for product in self._products:
                np.matmul(
                    magnitudes[:, product.bins], product.weights, out=out[some, product.bands]
                )
        np.add(out, 1, out=out)
        np.log10(out, out=out)

    def _magnitudes(self, padded: NDArray[Any], count: int, n_bins: int) -> NDArray[np.float32]:
        """Of the first `count` frames, (count, n_bins)."""
        if padded.dtype == np.float32:
            power = np.empty((count, n_bins), np.float32)
            power_spectra(padded, HOP_SAMPLES, power)
            return np.sqrt(power, out=power)
        frames = as_strided(
            padded,
            shape=(count, FRAME_SAMPLES),
            strides=(HOP_SAMPLES * padded.itemsize, padded.itemsize),
            writeable=False,
        )
        # One worker: whoever calls owns the cores.
        spectra = scipy.fft.rfft(frames * self._window, overwrite_x=True, workers=1)
        # madmom's spectra are of single precision, whatever they were computed in.
        magnitudes: NDArray[np.float32] = np.abs(
            spectra[:, :n_bins].astype(np.complex64, copy=False)
        )
        return magnitudes


@cache
def _front_end(dtype: str) -> _FrontEnd:
    return _FrontEnd(dtype)
