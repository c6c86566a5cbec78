"""The back end of Demucs v3 and v4: the outputs of both branches, to chunks of stems."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stemline.postprocessing.istft import Istft

_BINS_AT_ONCE = 64  # 64 rows of frames stay in the first cache
_DROPPED_FRAMES = 2  # at either end, which hold padding alone: the front end leaves them out


class DemucsIstft:
    """The inverse of the front end's STFT: ceil(n / hop) frames to n samples.

    The frames left out at either end count as silent ones. With `zero_ends` (`hybrid_old`) the
    result comes 3·hop/2 too late, as networks trained with zeros beyond the ends know it.
    `HTDemucs._ispec`, `HDemucs._ispec`. One object serves all threads.
    """

    def __init__(self, n_fft: int, *, zero_ends: bool = False) -> None:
        """Raises ValueError unless n_fft is a multiple of 8."""
        if n_fft < 8 or n_fft % 8:
            raise ValueError(f"n_fft must be a multiple of 8; got {n_fft}")
        self.n_fft = n_fft
        self.hop_samples = n_fft // 4
        self.n_bins = n_fft // 2
        self._begin = 0 if zero_ends else self.hop_samples // 2 * 3
        self._istft = Istft(n_fft, self.hop_samples, self.n_bins)
        self._gain = np.float32(n_fft) ** np.float32(0.5)  # undoes `normalized=True`

    def empty_frames(self, n_frames: int) -> NDArray[np.complex64]:
        """Zeros for all bins of so many frames, and of the frames left out at the ends."""
        return np.zeros((n_frames + 2 * _DROPPED_FRAMES, self.n_fft // 2 + 1), np.complex64)

    def within(self, frames: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """The part of `empty_frames` that is to be filled, (T, n_bins)."""
        return frames[_DROPPED_FRAMES:-_DROPPED_FRAMES, : self.n_bins]

    def samples(self, frames: NDArray[np.complex64], n_samples: int) -> NDArray[np.float32]:
        """Filled frames -> (n_samples,)."""
        out = self._istft.from_frames(frames)[self._begin : self._begin + n_samples]
        out *= self._gain
        return out


def stem_chunks(
    spectrograms: NDArray[np.float32],
    waveforms: NDArray[np.float32],
    istft: DemucsIstft,
    wanted: Sequence[int] | None = None,
    mixture: NDArray[np.complex64] | None = None,
) -> NDArray[np.float32]:
    """Both branches' stems -> samples (batch, len(wanted), channels, n): their sum.

    Parameters
    ----------
    spectrograms
        (batch, S, 2 · channels, n_bins, T), complex as channels; or, with `mixture`, magnitudes
        (batch, S, channels, n_bins, T), which get the mixture's phases.
    waveforms
        (batch, S, channels, n), with T = ceil(n / hop).
    istft
        Of the network's n_fft.
    wanted
        Stems by their place in the outputs, in any order; None is all of them. The others are not
        looked at.
    mixture
        The spectra that the network saw the magnitudes of, (batch, channels, n_bins, T).

    Raises
    ------
    ValueError
        When the shapes do not fit each other.
    """
    batch, n_stems, channels, n_samples = waveforms.shape
    n_frames = -(-n_samples // istft.hop_samples)
    parts = channels if mixture is not None else 2 * channels
    shape = (batch, n_stems, parts, istft.n_bins, n_frames)
    if spectrograms.shape != shape:
        raise ValueError(
            f"spectrograms of waveforms {list(waveforms.shape)} must be {list(shape)}; "
            f"got {list(spectrograms.shape)}"
        )
    if mixture is not None and mixture.shape != (batch, channels, *shape[3:]):
        raise ValueError(
            f"the mixture must be {[batch, channels, *shape[3:]]}; got {list(mixture.shape)}"
        )
    chosen = range(n_stems) if wanted is None else wanted
    chunks = np.empty((batch, len(chosen), channels, n_samples), np.float32)
    frames = istft.empty_frames(n_frames)
    within = istft.within(frames)  # (T, n_bins)
    # One signal at a time: all of its intermediate arrays are small.
    for item in range(batch):
        for channel in range(channels):
            phases = None if mixture is None else _phases(mixture[item, channel].T)
            for place, stem in enumerate(chosen):
                if phases is None:
                    pair = spectrograms[item, stem, 2 * channel : 2 * channel + 2]
                    _fill_complex(within, pair)
                else:
                    _fill_magnitudes(within, spectrograms[item, stem, channel], phases)
                chunk = chunks[item, place, channel]
                np.add(istft.samples(frames, n_samples), waveforms[item, stem, channel], out=chunk)
    return chunks


def _fill_complex(within: NDArray[np.complex64], pair: NDArray[np.float32]) -> None:
    """Real and imaginary parts (2, n_bins, T) -> frames (T, n_bins)."""
    for low in range(0, pair.shape[1], _BINS_AT_ONCE):
        bins = slice(low, low + _BINS_AT_ONCE)
        within.real[:, bins] = pair[0, bins].T
        within.imag[:, bins] = pair[1, bins].T


def _fill_magnitudes(
    within: NDArray[np.complex64], magnitudes: NDArray[np.float32], phases: NDArray[np.complex64]
) -> None:
    """Magnitudes (n_bins, T), which may be negative, and phases (T, n_bins) -> frames."""
    for low in range(0, magnitudes.shape[0], _BINS_AT_ONCE):
        bins = slice(low, low + _BINS_AT_ONCE)
        np.multiply(phases[:, bins], magnitudes[bins].T, out=within[:, bins])


def _phases(spectra: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Spectra -> z / |z|, the numbers of length 1 in their direction; 1 where they are 0."""
    lengths = np.abs(spectra)
    phases = np.ones_like(spectra)
    np.divide(spectra, lengths, out=phases, where=lengths > 0)
    return phases
