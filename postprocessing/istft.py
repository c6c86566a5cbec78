"""Complex spectra to samples: the inverse of the networks' short-time Fourier transform."""

import numpy as np
from numpy.typing import NDArray

_LEAST_ENVELOPE = 1e-11  # torch.istft refuses to divide by less


class Istft:
    """`torch.istft` with a periodic Hann window, center=True and no `length`.

    Each inverted frame is windowed again, added where it belongs, and the sum divided by
    the envelope Σ w², which undoes both windows (Griffin and Lim, 1984). One object
    serves all threads: it only ever adds to a cache of envelopes.
    """

    def __init__(self, n_fft: int, hop_samples: int, n_bins: int) -> None:
        """Spectra come with `n_bins` of the n_fft // 2 + 1 bins; the bins above are zero.

        Raises ValueError when the numbers do not fit each other.
        """
        if n_fft < 2 or n_fft % 2:
            raise ValueError(f"n_fft must be even and at least 2; got {n_fft}")
        if hop_samples < 1:
            raise ValueError(f"hop_samples must be at least 1; got {hop_samples}")
        if not 1 <= n_bins <= n_fft // 2 + 1:
            raise ValueError(
                f"n_bins must be 1 to {n_fft // 2 + 1} for n_fft {n_fft}; got {n_bins}"
            )
        from scipy.fft import irfft  # slow to import: when a model is opened, not when listed

        self.n_fft = n_fft
        self.hop_samples = hop_samples
        self.n_bins = n_bins
        self._irfft = irfft
        self._window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)
        self._envelopes: dict[int, NDArray[np.float32]] = {}

    def __call__(self, spectra: NDArray[np.complex64]) -> NDArray[np.float32]:
        """Spectra (..., n_bins, T) -> samples (..., (T − 1) · hop)."""
        if spectra.shape[-2] != self.n_bins:
            raise ValueError(f"spectra must have {self.n_bins} bins; got {spectra.shape[-2]}")
        frames = np.zeros(
            (*spectra.shape[:-2], spectra.shape[-1], self.n_fft // 2 + 1), np.complex64
        )
        frames[..., : self.n_bins] = spectra.swapaxes(-1, -2)
        return self.from_frames(frames)

    def from_frames(self, frames: NDArray[np.complex64]) -> NDArray[np.float32]:
        """Frames with every bin (..., T, n_fft // 2 + 1) -> samples (..., (T − 1) · hop).

        The layout the transform wants; `__call__` without its copy.
        Raises ValueError when the hop is so long that no frame covers some sample.
        """
        n_frames = frames.shape[-2]
        # One worker: the engine owns the cores.
        pieces: NDArray[np.float32] = self._irfft(frames, n=self.n_fft, workers=1)
        pieces *= self._window  # (..., T, n_fft)
        samples = self._overlap_added(pieces)
        samples *= self._inverse_envelope(n_frames)
        return samples

    def _overlap_added(self, pieces: NDArray[np.float32]) -> NDArray[np.float32]:
        """Frames (..., T, n_fft), frame t laid at t · hop -> (..., (T − 1) · hop), centred.

        Divided into K = ceil(n_fft / hop) parts of one hop, part k of frame t belongs to hop
        t + k: K shifted additions do it, whatever T.
        """
        hop, (*lead, n_frames, n_fft) = self.hop_samples, pieces.shape
        n_parts = -(-n_fft // hop)
        if n_parts * hop != n_fft:
            margins = [(0, 0)] * (pieces.ndim - 1) + [(0, n_parts * hop - n_fft)]
            pieces = np.pad(pieces, margins)
        parts = pieces.reshape(*lead, n_frames, n_parts, hop)
        summed = np.zeros((*lead, n_frames + n_parts - 1, hop), np.float32)
        for k in range(n_parts):
            summed[..., k : k + n_frames, :] += parts[..., k, :]
        flat = summed.reshape(*lead, -1)
        # The first n_fft / 2 samples are the centring's padding.
        return flat[..., n_fft // 2 : n_fft // 2 + (n_frames - 1) * hop]

    def _inverse_envelope(self, n_frames: int) -> NDArray[np.float32]:
        """1 / Σ_t w²[n − t · hop] for T frames, ((T − 1) · hop,); computed once per T."""
        known = self._envelopes.get(n_frames)
        if known is not None:
            return known
        squares = np.broadcast_to(self._window**2, (n_frames, self.n_fft))
        envelope = self._overlap_added(squares)
        if envelope.size and envelope.min() < _LEAST_ENVELOPE:
            raise ValueError(
                f"a hop of {self.hop_samples} leaves samples no frame of {self.n_fft} covers"
            )
        inverse = np.reciprocal(envelope)
        self._envelopes[n_frames] = inverse
        return inverse
