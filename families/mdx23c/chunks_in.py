"""MDX23C's front end: chunks of audio to the complex-as-channels spectrogram it takes in."""

import numpy as np
from numpy.typing import NDArray

from stemline.preprocessing.stft import Stft


def network_input(chunks: NDArray[np.float32], stft: Stft) -> NDArray[np.float32]:
    """Chunks (batch, channels, chunk_samples) -> mixture (batch, 2 · channels, n_bins, T).

    Channels in the order L.re, L.im, R.re, R.im; MSST's `TFC_TDF_net.stft`.
    """
    spectra = stft(chunks)  # (batch, channels, n_bins, T)
    batch, channels, n_bins, n_frames = spectra.shape
    mixture = np.empty((batch, channels, 2, n_bins, n_frames), np.float32)
    mixture[:, :, 0] = spectra.real
    mixture[:, :, 1] = spectra.imag
    return mixture.reshape(batch, 2 * channels, n_bins, n_frames)
