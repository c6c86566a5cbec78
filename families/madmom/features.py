"""A mixture to the features that madmom's network of beats and downbeats takes in.

Three logarithmic spectrograms of ever longer frames, each beside its rises: what madmom's
RNNDownBeatProcessor makes before its networks (Böck, Krebs and Widmer, "Joint Beat and Downbeat
Tracking with Recurrent Neural Networks", ISMIR 2016).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemline.preprocessing.growing_rows import GrowingRows
from stemline.preprocessing.spectrogram import HOP_SAMPLES, SAMPLE_RATE_HZ, LogBandStream


@dataclass(frozen=True)
class Resolution:
    """The sizes of one of the spectrograms."""

    frame_samples: int
    bands_per_octave: int
    n_bands: int
    """Bands in all; low ones that would share a bin are one."""
    rise_frames: int
    """Frames from a frame back to the one that its rise is measured from."""


RESOLUTIONS = (Resolution(1024, 3, 21, 1), Resolution(2048, 6, 45, 1), Resolution(4096, 12, 91, 2))
N_FEATURES = sum(2 * resolution.n_bands for resolution in RESOLUTIONS)


def rise_frames(frame_samples: int, ratio: float = 0.5) -> int:
    """Frames back to where a window has fallen to `ratio` of its height, and 1 at least.

    That is half a window's length less its first sample above the ratio, in hops, rounded.
    madmom's `_diff_frames`.
    """
    window = np.hanning(frame_samples)
    first = int(np.argmax(window > ratio * window.max()))
    return max(1, round((frame_samples / 2 - first) / HOP_SAMPLES))


def downbeat_features(
    samples: NDArray[np.float32] | NDArray[np.float64], sample_rate_hz: int
) -> NDArray[np.float32]:
    """Mono samples (n_samples,), full scale 1 -> (n_frames, 314).

    For one resolution after the other, its bands as `log_spectrogram` has them, then how much each
    has risen since `rise_frames` before: nothing where it fell, and nothing in the first frames.
    Computed in the precision of the samples: within 1e-6 of madmom in float64 and 4e-6 in
    float32, as that is. Of 16-bit files madmom takes 32767 for full scale, where it is 32768
    elsewhere: 1.3e-5 at most, log10(32768 / 32767).

    Raises ValueError when the samples are of another shape, type or sample rate.
    """
    if samples.ndim != 1 or samples.dtype not in (np.float32, np.float64):
        raise ValueError(f"samples must be floats (n,); got {samples.dtype} {samples.shape}")
    stream = DownbeatFeatureStream(sample_rate_hz, samples.dtype.name)
    stream.push(samples[np.newaxis])
    return stream.finish()


class DownbeatFeatureStream:
    """A mixture, block by block, to what `downbeat_features` makes of the whole, bit for bit.

    Holds the bands so far, half of the features, and under a second of samples.
    """

    def __init__(self, sample_rate_hz: int, dtype: str = "float32") -> None:
        """Take a mixture of that rate and precision; ValueError for a rate other than 44.1 kHz."""
        if sample_rate_hz != SAMPLE_RATE_HZ:
            raise ValueError(f"the features are of {SAMPLE_RATE_HZ} Hz; got {sample_rate_hz} Hz")
        self._streams = [
            LogBandStream(1, resolution.frame_samples, resolution.bands_per_octave, dtype)
            for resolution in RESOLUTIONS
        ]
        self._bands = [GrowingRows(resolution.n_bands) for resolution in RESOLUTIONS]

    @property
    def n_bytes(self) -> int:
        """The bytes of the bands so far."""
        return sum(bands.n_bytes for bands in self._bands)

    def push(self, samples: NDArray[np.float32] | NDArray[np.float64]) -> None:
        """The next mono samples (1, n), full scale 1, n maybe 0.

        Raises ValueError when they are of another shape or type.
        """
        for so_far, stream in zip(self._bands, self._streams, strict=True):
            _append(so_far, stream.push(samples))

    def finish(self) -> NDArray[np.float32]:
        """(n_frames, 314) of all that came; call it once, at the end."""
        for so_far, stream in zip(self._bands, self._streams, strict=True):
            _append(so_far, stream.finish())
        out = np.zeros((self._streams[0].n_frames, N_FEATURES), np.float32)
        first = 0
        for resolution in RESOLUTIONS:
            n_bands, back = resolution.n_bands, resolution.rise_frames
            bands = out[:, first : first + n_bands]
            rises = out[back:, first + n_bands : first + 2 * n_bands]
            bands[:] = self._bands.pop(0).rows
            np.subtract(bands[back:], bands[:-back], out=rises)
            np.maximum(rises, 0, out=rises)
            first += 2 * n_bands
        return out


def _append(rows: GrowingRows, groups: Iterable[NDArray[np.float32]]) -> None:
    for group in groups:
        rows.append(group[0])
