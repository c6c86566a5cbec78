"""Audio to the logarithmic spectrograms that the beat networks were trained on.

madmom's chain of FramedSignal, ShortTimeFourierTransform, FilteredSpectrogram (30 Hz to 17 kHz,
normalised) and LogarithmicSpectrogram, on samples in memory. All-In-One hears stems, in frames of
2048 samples and 12 bands an octave; madmom_features.py has what madmom's own network hears.
"""

from functools import cache
from typing import Any

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ._power import FRAME_SAMPLES as KERNEL_FRAME_SAMPLES
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
    bands = log_bands(FRAME_SAMPLES, _BANDS_PER_OCTAVE, stems.dtype.name)
    out = np.empty((len(stems), n_frames(stems.shape[1]), N_BANDS), np.float32)
    for stem, samples in enumerate(stems):
        bands.write(samples, out[stem])
    return out


class LogBands:
    """What does not depend on the samples: the window and the bands, in one precision."""

    def __init__(self, frame_samples: int, bands_per_octave: int, dtype: str) -> None:
        n_bins = frame_samples // 2  # that of half the sample rate is left out
        bins = band_bins(n_bins, SAMPLE_RATE_HZ, bands_per_octave, _LOW_HZ, _HIGH_HZ)
        self._window = np.hanning(frame_samples).astype(dtype)
        self._products = products(triangles(bins), _BANDS_OF_A_PRODUCT)
        self.n_bands = self._products[-1].bands.stop

    def write(self, samples: NDArray[Any], out: NDArray[np.float32]) -> None:
        """Samples (n_samples,), of the precision, to log10(1 + bands), (n_frames, n_bands).

        `out` has the frames of `n_frames`, and its rows may be parts of longer ones.
        """
        frame_samples = len(self._window)
        padded = np.zeros(len(out) * HOP_SAMPLES + frame_samples, samples.dtype)
        padded[frame_samples // 2 :][: len(samples)] = samples
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
        if padded.dtype == np.float32 and len(self._window) == KERNEL_FRAME_SAMPLES:
            power = np.empty((count, n_bins), np.float32)
            power_spectra(padded, HOP_SAMPLES, power)
            return np.sqrt(power, out=power)
        frames = as_strided(
            padded,
            shape=(count, len(self._window)),
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
def log_bands(frame_samples: int, bands_per_octave: int, dtype: str) -> LogBands:
    """One for each of a kind."""
    return LogBands(frame_samples, bands_per_octave, dtype)
