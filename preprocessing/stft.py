"""Samples to complex spectra: the short-time Fourier transform the networks were trained on."""

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray


def hann(n_fft: int) -> NDArray[np.float32]:
    """The periodic Hann window, (n_fft,): w[n] = (1 − cos(2πn / n_fft)) / 2."""
    phase = 2 * np.pi * np.arange(n_fft) / n_fft
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


class Stft:
    """`torch.stft` with a periodic Hann window, center=True, reflect padding, not normalised.

    Immutable, so one object serves all threads.
    """

    def __init__(self, n_fft: int, hop_samples: int, n_bins: int) -> None:
        """`n_bins` of the n_fft // 2 + 1 bins are kept, from 0 Hz upward.

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
        from scipy.fft import rfft  # slow to import: when a model is opened, not when listed

        self.n_fft = n_fft
        self.hop_samples = hop_samples
        self.n_bins = n_bins
        self._rfft = rfft
        self._window = hann(n_fft)

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Samples (..., n) -> spectra (..., n_bins, n // hop + 1).

        The result is a view whose memory lies frame by frame: what copies it should
        do so in the order it needs. Raises ValueError when n <= n_fft / 2, which is
        too short to reflect.
        """
        n_samples = samples.shape[-1]
        half = self.n_fft // 2
        if n_samples <= half:
            raise ValueError(f"an STFT of {self.n_fft} takes more than {half} samples: {n_samples}")
        margins = [(0, 0)] * (samples.ndim - 1) + [(half, half)]
        padded = np.pad(samples, margins, mode="reflect")
        stride = padded.strides[-1]
        frames = as_strided(  # frame t is padded[t·hop : t·hop + n_fft]
            padded,
            shape=(*samples.shape[:-1], n_samples // self.hop_samples + 1, self.n_fft),
            strides=(*padded.strides[:-1], self.hop_samples * stride, stride),
            writeable=False,
        )
        windowed = frames * self._window  # (..., T, n_fft)
        # One worker: the engine owns the cores.
        spectra: NDArray[np.complex64] = self._rfft(windowed, overwrite_x=True, workers=1)
        return spectra[..., : self.n_bins].swapaxes(-1, -2)
