"""MDX23C's back end: the complex-as-channels spectrograms it gives back, to chunks of stems."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stemline.postprocessing.istft import Istft

_BINS_AT_ONCE = 64  # 64 rows of frames stay in the first cache: half the time of one big copy


def stem_chunks(
    output: NDArray[np.float32], istft: Istft, wanted: Sequence[int] | None = None
) -> NDArray[np.float32]:
    """Stems (batch, S, 2 · channels, n_bins, T) -> samples (batch, len(wanted), channels, n).

    n = (T − 1) · hop. `wanted` picks stems by their place in the output, in any order; None
    is all of them. The others are not inverted. MSST's `TFC_TDF_net.istft`.
    """
    batch, n_stems, n_parts, n_bins, n_frames = output.shape
    if n_bins != istft.n_bins or n_parts % 2:
        raise ValueError(
            f"output must be (batch, stems, 2 · channels, {istft.n_bins}, frames); "
            f"got {list(output.shape)}"
        )
    chosen = range(n_stems) if wanted is None else wanted
    channels = n_parts // 2
    chunks = np.empty(
        (batch, len(chosen), channels, (n_frames - 1) * istft.hop_samples), np.float32
    )
    frames = np.zeros((n_frames, istft.n_fft // 2 + 1), np.complex64)
    # One signal at a time: all of its intermediate arrays fit the cache.
    for item in range(batch):
        for place, stem in enumerate(chosen):
            for channel in range(channels):
                real, imaginary = output[item, stem, 2 * channel : 2 * channel + 2]  # (n_bins, T)
                for low in range(0, n_bins, _BINS_AT_ONCE):
                    high = min(low + _BINS_AT_ONCE, n_bins)
                    frames.real[:, low:high] = real[low:high].T
                    frames.imag[:, low:high] = imaginary[low:high].T
                chunks[item, place, channel] = istft.from_frames(frames)
    return chunks
