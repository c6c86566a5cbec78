"""The processing of MDX23C networks: chunks ↔ complex spectrograms."""

from collections.abc import Mapping, Sequence

import numpy as np

from stemline.arrays import Array
from stemline.engines import ModelInfo, StftInfo
from stemline.errors import ArtifactError
from stemline.postprocessing.istft import Istft
from stemline.preprocessing.stft import Stft

from ..common.chunked import ChunkedProcessing
from .config import INPUT, OUTPUT

_BINS_AT_ONCE = 64  # 64 rows of frames stay in the first cache: half the time of one big copy


def stft_info(info: ModelInfo) -> StftInfo:
    """The STFT of a model. Raises ArtifactError where its artifact has none."""
    if info.stft is None:
        raise ArtifactError(f"{info.model}: the artifact has no STFT; export it again")
    return info.stft


def processing(info: ModelInfo) -> ChunkedProcessing:
    """A model's processing. Raises ArtifactError."""
    params = stft_info(info)
    stft = Stft(params.n_fft, params.hop_samples, params.n_bins)
    istft = Istft(params.n_fft, params.hop_samples, params.n_bins)

    def encode(chunks: Array) -> dict[str, Array]:
        return {INPUT: network_input(chunks, stft)}

    def decode(outputs: Mapping[str, Array], wanted: Sequence[int]) -> Array:
        return stem_chunks(outputs[OUTPUT], istft, wanted)

    return ChunkedProcessing(info, encode, decode)


def network_input(chunks: Array, stft: Stft) -> Array:
    """Chunks (batch, channels, chunk_samples) -> mixture (batch, 2 · channels, n_bins, T).

    Channels in the order L.re, L.im, R.re, R.im; MSST's `TFC_TDF_net.stft`.
    """
    spectra = stft(chunks)  # (batch, channels, n_bins, T)
    batch, channels, n_bins, n_frames = spectra.shape
    mixture = np.empty((batch, channels, 2, n_bins, n_frames), np.float32)
    mixture[:, :, 0] = spectra.real
    mixture[:, :, 1] = spectra.imag
    return mixture.reshape(batch, 2 * channels, n_bins, n_frames)


def stem_chunks(output: Array, istft: Istft, wanted: Sequence[int] | None = None) -> Array:
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
