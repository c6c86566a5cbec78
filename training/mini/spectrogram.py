"""The STFT and its inverse in torch, to learn through; numpy's twins serve at run time."""

import torch
from torch import Tensor

from stemline.families.mdx23c.config import Mdx23cConfig


class Spectrogram:
    """Samples to the network's input, and its output to samples, both differentiable."""

    def __init__(self, config: Mdx23cConfig, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self._config = config
        self._window = torch.hann_window(config.n_fft, device=device)

    def encode(self, mixture: Tensor) -> Tensor:
        """(batch, C, chunk_samples) -> (batch, 2C, F, T), as families.mdx23c.processing does."""
        config = self._config
        spectra = torch.stft(
            mixture.reshape(-1, config.chunk_samples),
            config.n_fft,
            config.hop_samples,
            window=self._window,
            return_complex=True,
        )[:, : config.n_bins]
        parts = torch.view_as_real(spectra)  # (batch · C, F, T, 2)
        shape = (-1, config.audio_channels, *parts.shape[1:])
        return parts.reshape(shape).permute(0, 1, 4, 2, 3).reshape(-1, *config.input_shape)

    def decode(self, stems: Tensor) -> Tensor:
        """(batch, S, 2C, F, T) -> (batch, S, C, chunk_samples), as families.mdx23c does."""
        config = self._config
        channels, (_, n_bins, n_frames) = config.audio_channels, config.input_shape
        n_stems = len(config.stems)
        parts = stems.reshape(-1, n_stems, channels, 2, n_bins, n_frames).permute(0, 1, 2, 4, 5, 3)
        spectra = torch.view_as_complex(parts.contiguous()).reshape(-1, n_bins, n_frames)
        missing = config.n_fft // 2 + 1 - n_bins
        samples = torch.istft(
            torch.nn.functional.pad(spectra, (0, 0, 0, missing)),
            config.n_fft,
            config.hop_samples,
            window=self._window,
        )
        return samples.reshape(-1, n_stems, channels, config.chunk_samples)
