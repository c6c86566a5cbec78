"""Audio to the logarithmic spectrograms that the beat networks were trained on.

madmom's chain of FramedSignal, ShortTimeFourierTransform, FilteredSpectrogram (30 Hz to 17 kHz,
normalised) and LogarithmicSpectrogram, on samples in memory. All-In-One takes in stems, in frames
of 2048 samples and 12 bands an octave; families/madmom/features.py makes the features of madmom's
own network, and spectrogram_stream.py takes stems block by block.
"""

from collections.abc import Iterator
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
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
BANDS_PER_OCTAVE = 12
_LOW_HZ, _HIGH_HZ = 30, 17000

# What is worked on at a time stays in a core's cache.
_FRAMES_AT_A_TIME = 64
_BANDS_OF_A_PRODUCT = 16


def n_frames(n_samples: int) -> int:
    """The number of frames of so many samples: one for every hop begun."""
    return -(-n_samples // HOP_SAMPLES)


def log_spectrogram(
    stems: NDArray[np.float32] | NDArray[np.float64], sample_rate: int
) -> NDArray[np.float32]:
    """Mono stems (n_stems, n_samples), full scale 1 -> (n_stems, n_frames, 81).

    A band's value is log10(1 + its mean magnitude), weighted. Frame i is of the 2048 samples from
    441 · i − 1024 on, zeros where there are none, under a symmetric Hann window. Transformed in the
    precision of the stems: within 1e-6 of madmom in float64 and 4e-6 in float32. allin1 reads
    16-bit files, and of stereo ones the mean truncated to 16 bits: some 3e-4 away from the stems.

    Raises ValueError when the stems are of another shape, type or sample rate.
    """
    if sample_rate != SAMPLE_RATE_HZ:
        raise ValueError(f"the spectrogram is of {SAMPLE_RATE_HZ} Hz; got {sample_rate} Hz")
    if stems.ndim != 2 or stems.dtype not in (np.float32, np.float64):
        raise ValueError(
            f"stems must be floats (n_stems, n_samples); got {stems.dtype} {stems.shape}"
        )
    stream = LogBandStream(len(stems), FRAME_SAMPLES, BANDS_PER_OCTAVE, stems.dtype.name)
    out = np.empty((len(stems), n_frames(stems.shape[1]), N_BANDS), np.float32)
    first = 0
    for bands in chain(stream.push(stems), stream.finish()):
        out[:, first : first + bands.shape[1]] = bands
        first += bands.shape[1]
    return out


class LogBands:
    """The parts that do not depend on the samples: window and bands, in one precision."""

    def __init__(self, frame_samples: int, bands_per_octave: int, dtype: str) -> None:
        n_bins = frame_samples // 2  # that of half the sample rate is left out
        bins = band_bins(n_bins, SAMPLE_RATE_HZ, bands_per_octave, _LOW_HZ, _HIGH_HZ)
        self._window = np.hanning(frame_samples).astype(dtype)
        self._products = products(triangles(bins), _BANDS_OF_A_PRODUCT)
        self.n_bands = self._products[-1].bands.stop

    def write(self, framed: NDArray[Any], out: NDArray[np.float32]) -> None:
        """Samples of the precision, from the first frame's on → log10(1 + bands), (count, n_bands).

        `out` decides how many frames are computed; each of them must be whole in `framed`.
        """
        high = self._products[-1].bins.stop
        magnitudes = self._magnitudes(framed, len(out), high)
        for product in self._products:
            np.matmul(magnitudes[:, product.bins], product.weights, out=out[:, product.bands])
        np.add(out, 1, out=out)
        np.log10(out, out=out)

    def _magnitudes(self, framed: NDArray[Any], count: int, n_bins: int) -> NDArray[np.float32]:
        """Magnitudes of the first `count` frames, (count, n_bins)."""
        if framed.dtype == np.float32 and len(self._window) == KERNEL_FRAME_SAMPLES:
            power = np.empty((count, n_bins), np.float32)
            power_spectra(framed, HOP_SAMPLES, power)
            return np.sqrt(power, out=power)
        import scipy.fft  # slow to import, and the kernel above does without

        frames = as_strided(
            framed,
            shape=(count, len(self._window)),
            strides=(HOP_SAMPLES * framed.itemsize, framed.itemsize),
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
    """The LogBands of these sizes, made once for all streams."""
    return LogBands(frame_samples, bands_per_octave, dtype)


class LogBandStream:
    """Mono streams, block by block, to their bands; frames lie as in `log_spectrogram`.

    The lengths of the blocks change no bit: frames are worked on in the same groups as those of the
    whole, for sums of a matrix product depend on how many rows it has. Of the samples no more are
    held than one group of frames covers.
    """

    def __init__(
        self, n_streams: int, frame_samples: int, bands_per_octave: int, dtype: str
    ) -> None:
        self._bands = log_bands(frame_samples, bands_per_octave, dtype)
        self._frame_samples = frame_samples
        # Before the first sample half a frame is silent.
        self._held = np.zeros((n_streams, _samples_of(_FRAMES_AT_A_TIME, frame_samples)), dtype)
        self._n_held = frame_samples // 2
        self._n_samples = 0
        self._n_given = 0

    @property
    def n_frames(self) -> int:
        """Frames of the samples so far, with those that still wait for samples."""
        return n_frames(self._n_samples)

    def push(self, samples: NDArray[Any]) -> Iterator[NDArray[np.float32]]:
        """The next (n_streams, n), n maybe 0 → groups of frames (n_streams, count, n_bands).

        All of them must be read before the next push. Raises ValueError for samples of another
        shape or type.
        """
        if samples.shape[:-1] != self._held.shape[:1] or samples.dtype != self._held.dtype:
            raise ValueError(
                f"blocks must be {self._held.dtype} ({len(self._held)}, n); got {samples.dtype} "
                f"{samples.shape}"
            )
        self._n_samples += samples.shape[1]
        yield from self._taken(samples)

    def finish(self) -> Iterator[NDArray[np.float32]]:
        """The frames still to come, once all samples have; read it once, to its end."""
        # Behind the last sample half a frame is silent: now every frame is whole.
        yield from self._taken(
            np.zeros((len(self._held), self._frame_samples // 2), self._held.dtype)
        )
        if self._n_given < self.n_frames:
            yield self._group()

    def _taken(self, samples: NDArray[Any]) -> Iterator[NDArray[np.float32]]:
        held = self._held
        capacity = held.shape[1]
        begun = 0
        while begun < samples.shape[1]:
            some = samples[:, begun : begun + capacity - self._n_held]
            held[:, self._n_held : self._n_held + some.shape[1]] = some
            self._n_held += some.shape[1]
            begun += some.shape[1]
            if self._n_held == capacity:
                yield self._group()
                # The frames of a group are many times longer than one: nothing overlaps.
                self._n_held = capacity - _FRAMES_AT_A_TIME * HOP_SAMPLES
                held[:, : self._n_held] = held[:, -self._n_held :]

    def _group(self) -> NDArray[np.float32]:
        """The next group of frames from the samples held; none after the last hop begun."""
        count = min(_FRAMES_AT_A_TIME, self.n_frames - self._n_given)
        self._n_given += count
        out = np.empty((len(self._held), count, self._bands.n_bands), np.float32)
        for stream, bands in zip(self._held, out, strict=True):
            self._bands.write(stream, bands)
        return out


def _samples_of(count: int, frame_samples: int) -> int:
    """Samples that `count` frames cover."""
    return (count - 1) * HOP_SAMPLES + frame_samples
