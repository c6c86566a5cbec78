"""The front end of Demucs v3 and v4: chunks of audio to the two inputs of the network."""

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from stemline.preprocessing.stft import hann

Spectra = NDArray[np.complex64]


class DemucsStft:
    """`torch.stft(normalized=True)` with a hop of n_fft / 4, framed so that hops are frames.

    n samples make ceil(n / hop) frames, like the strides of the network's time branch:
    frame t covers samples t·hop − 3·hop/2 ... t·hop + 5·hop/2, its middle the middle of hop t.
    The bin at half the sample rate is dropped. `HTDemucs._spec`, `HDemucs._spec`.

    Immutable, so one object serves all threads.
    """

    def __init__(self, n_fft: int, *, zero_ends: bool = False) -> None:
        """Beyond its ends the audio is reflected, with `zero_ends` (`hybrid_old`) it is zero.

        Raises ValueError unless n_fft is a multiple of 8.
        """
        if n_fft < 8 or n_fft % 8:
            raise ValueError(f"n_fft must be a multiple of 8; got {n_fft}")
        from scipy.fft import rfft  # slow to import: when a model is opened, not when listed

        self.n_fft = n_fft
        self.hop_samples = n_fft // 4
        self.n_bins = n_fft // 2
        self._margin = self.hop_samples // 2 * 3
        self._mode = "constant" if zero_ends else "reflect"
        self._rfft = rfft
        self._window = hann(n_fft) / np.float32(n_fft) ** np.float32(0.5)

    def n_frames(self, n_samples: int) -> int:
        """The number of frames of so many samples."""
        return -(-n_samples // self.hop_samples)

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Samples (..., n) -> spectra (..., n_fft / 2, ceil(n / hop)).

        The result is a view whose memory lies frame by frame, like that of `Stft`.
        Raises ValueError for no samples.
        """
        if samples.shape[-1] == 0:
            raise ValueError("no samples have no spectrum")
        n_frames = self.n_frames(samples.shape[-1])
        whole = n_frames * self.hop_samples
        # torch.stft pads by n_fft / 2 once more for its own centring. The frames that reach into
        # that are the two at either end which the original drops; they are not made here.
        padded = self._padded(samples, self._margin, self._margin + whole - samples.shape[-1])
        stride = padded.strides[-1]
        frames = as_strided(  # frame t is padded[t·hop : t·hop + n_fft]
            padded,
            shape=(*samples.shape[:-1], n_frames, self.n_fft),
            strides=(*padded.strides[:-1], self.hop_samples * stride, stride),
            writeable=False,
        )
        windowed = frames * self._window  # (..., T, n_fft)
        # One worker: the engine owns the cores.
        spectra: NDArray[np.complex64] = self._rfft(windowed, overwrite_x=True, workers=1)
        return spectra[..., : self.n_bins].swapaxes(-1, -2)

    def _padded(self, samples: NDArray[np.float32], left: int, right: int) -> NDArray[np.float32]:
        """Samples (..., n) -> (..., left + n + right).

        Too few to reflect, they first get just as many zeros as are missing, at the right as far
        as the right is to be padded, then at the left; the zeros count as padded (`pad1d`).
        """
        margins = [(0, 0)] * (samples.ndim - 1)
        if self._mode == "reflect":
            missing = max(0, max(left, right) + 1 - samples.shape[-1])
            zeros_right = min(right, missing)
            zeros_left = missing - zeros_right
            if missing:
                samples = np.pad(samples, [*margins, (zeros_left, zeros_right)])
                left, right = left - zeros_left, right - zeros_right
        return np.pad(samples, [*margins, (left, right)], mode=self._mode)  # type: ignore[call-overload,no-any-return]


def network_inputs(
    chunks: NDArray[np.float32], spectra: NDArray[np.complex64], *, complex_as_channels: bool
) -> dict[str, NDArray[np.float32]]:
    """Chunks (batch, channels, n) and their spectra (batch, channels, n_bins, T) -> both inputs.

    `waveform` is the chunks. `spectrogram` is (batch, 2 · channels, n_bins, T) with channels in
    the order L.re, L.im, R.re, R.im, or (batch, channels, n_bins, T) magnitudes where the network
    knows no phases (`cac=False`).
    """
    batch, channels, n_bins, n_frames = spectra.shape
    if not complex_as_channels:
        magnitudes = np.empty(spectra.shape, np.float32)
        np.abs(spectra, out=magnitudes)
        return {"waveform": chunks, "spectrogram": magnitudes}
    parts = np.empty((batch, channels, 2, n_bins, n_frames), np.float32)
    parts[:, :, 0] = spectra.real
    parts[:, :, 1] = spectra.imag
    return {
        "waveform": chunks,
        "spectrogram": parts.reshape(batch, 2 * channels, n_bins, n_frames),
    }
