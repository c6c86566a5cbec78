"""HTDemucs: Hybrid Transformer Demucs, two U-Nets with a cross-transformer where they are deepest.

After Rouard, Massa and Défossez, "Hybrid Transformers for Music Source Separation" (arXiv
2211.08553). The names, shapes and order of the parameters are those of the published checkpoints
(class `HTDemucs`), so such a file loads as it is. The STFT stays outside.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ..config import DemucsConfig
from .hybrid import HybridNetwork, of_stems, standardized
from .transformer import CrossTransformer


class Htdemucs(HybridNetwork):
    """The whole network; it was trained on one length, and is run on no other."""

    def __init__(self, config: DemucsConfig) -> None:
        super().__init__(config)
        assert config.transformer is not None
        deepest, width = config.widths[-1], config.transformer_width
        is_apart = config.transformer.bottom_channels > 0

        def convolution(n_in: int, n_out: int) -> nn.Conv1d | None:
            return nn.Conv1d(n_in, n_out, 1) if is_apart else None

        self.channel_upsampler = convolution(deepest, width)
        self.channel_downsampler = convolution(width, deepest)
        self.channel_upsampler_t = convolution(deepest, width)
        self.channel_downsampler_t = convolution(width, deepest)
        self.crosstransformer = CrossTransformer(config.transformer, width)

    def forward(self, waveform: Tensor, spectrogram: Tensor) -> tuple[Tensor, Tensor]:
        """Mixture (batch, C, L) and (batch, 2C or C, F, T) -> both of every stem.

        They are (batch, S, C, L) and (batch, S, 2C or C, F, T); a stem is the sum of its waveform
        and what the inverse STFT makes of its spectrogram.
        """
        y, *waveform_level = standardized(waveform)
        x, *spectrogram_level = standardized(spectrogram)
        encoded = self.encode(x, y)
        x, y = self.decode(encoded, *self._transformed(encoded.spectrogram, encoded.waveform))
        n_stems = len(self.config.stems)
        return of_stems(y, n_stems, *waveform_level), of_stems(x, n_stems, *spectrogram_level)

    def _transformed(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (batch, C, F, T) and (batch, C, n) through the transformer and back."""
        _, n_channels, n_bins, n_frames = x.shape
        tokens = x.permute(0, 3, 2, 1).reshape(-1, n_frames * n_bins, n_channels)
        tokens = _pointwise(tokens, self.channel_upsampler)
        tokens_y = _pointwise(y.transpose(1, 2), self.channel_upsampler_t)
        tokens, tokens_y = self.crosstransformer(tokens, tokens_y, n_bins)
        tokens = _pointwise(tokens, self.channel_downsampler)
        tokens_y = _pointwise(tokens_y, self.channel_downsampler_t)
        x = tokens.reshape(-1, n_frames, n_bins, n_channels).permute(0, 3, 2, 1)
        return x, tokens_y.transpose(1, 2)


def _pointwise(tokens: Tensor, convolution: nn.Conv1d | None) -> Tensor:
    """A convolution of one position on (batch, n, channels), which is a matrix product."""
    if convolution is None:
        return tokens
    return F.linear(tokens, convolution.weight[:, :, 0], convolution.bias)
