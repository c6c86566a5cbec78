"""MDX23C: the TFC-TDF v3 U-Net, spectrogram in, one spectrogram a stem out.

After Kim et al., "Sound Demixing Challenge 2023 ... TFC-TDF-UNet v3" (arXiv 2306.09382). The names,
shapes and order of the parameters are those of the published checkpoints (class `TFC_TDF_net`), so
such a file loads as it is. The STFT stays outside.
"""

from collections.abc import Callable, Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import Mdx23cConfig, elu_alpha, norm_groups

Norm = Callable[[int], nn.Module]

# Silence is divided by this, not by zero. A clamp, and no sum: the exporter takes the addition of
# so small a constant for one of zero, and drops it.
_LEAST_LEVEL = 1e-8


class TfcTdf(nn.Module):
    """Blocks of convolutions over time and frequency around a bottleneck over frequency."""

    def __init__(self, config: Mdx23cConfig, channels_in: int, channels: int, n_bins: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            TfcTdfBlock(config, channels if i else channels_in, channels, n_bins)
            for i in range(config.num_blocks_per_scale)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels_in, T, F) -> (batch, channels, T, F)."""
        for block in self.blocks:
            x = block(x)
        return x


class TfcTdfBlock(nn.Module):
    """x -> tfc2(y + tdf(y)) + shortcut(x), where y = tfc1(x)."""

    def __init__(self, config: Mdx23cConfig, channels_in: int, channels: int, n_bins: int) -> None:
        super().__init__()
        norm, act = norm_of(config), act_of(config)
        n_narrow = n_bins // config.bottleneck_factor
        self.tfc1 = nn.Sequential(
            norm(channels_in), act, nn.Conv2d(channels_in, channels, 3, padding=1, bias=False)
        )
        self.tdf = nn.Sequential(
            norm(channels),
            act,
            nn.Linear(n_bins, n_narrow, bias=False),
            norm(channels),
            act,
            nn.Linear(n_narrow, n_bins, bias=False),
        )
        self.tfc2 = nn.Sequential(
            norm(channels), act, nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        )
        self.shortcut = nn.Conv2d(channels_in, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels_in, T, F) -> (batch, channels, T, F)."""
        y = self.tfc1(x)
        y = y + self.tdf(y)
        out: Tensor = self.tfc2(y) + self.shortcut(x)
        return out


class Rescale(nn.Module):
    """Norm, activation and a strided convolution, down or up by `scale`."""

    def __init__(self, config: Mdx23cConfig, convolution: nn.Module, channels_in: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(norm_of(config)(channels_in), act_of(config), convolution)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, c, T, F) -> (batch, c ± growth, T or its fraction, F or its fraction)."""
        out: Tensor = self.conv(x)
        return out


class EncoderBlock(nn.Module):
    """One scale on the way down."""

    def __init__(self, config: Mdx23cConfig, channels: int, n_bins: int) -> None:
        super().__init__()
        scale, wider = config.scale, channels + config.growth
        self.tfc_tdf = TfcTdf(config, channels, channels, n_bins)
        self.downscale = Rescale(
            config, nn.Conv2d(channels, wider, scale, stride=scale, bias=False), channels
        )


class DecoderBlock(nn.Module):
    """One scale on the way up; `channels` come out."""

    def __init__(self, config: Mdx23cConfig, channels: int, n_bins: int) -> None:
        super().__init__()
        scale, wider = config.scale, channels + config.growth
        self.upscale = Rescale(
            config, nn.ConvTranspose2d(wider, channels, scale, stride=scale, bias=False), wider
        )
        self.tfc_tdf = TfcTdf(config, 2 * channels, channels, n_bins)


class Mdx23c(nn.Module):
    """The whole network; with k sub-bands it works on 2C·k channels of F/k bins."""

    def __init__(self, config: Mdx23cConfig) -> None:
        super().__init__()
        self.config = config
        n_scales = config.num_scales
        banded = 2 * config.audio_channels * config.num_subbands
        channels = [config.num_channels + i * config.growth for i in range(n_scales + 1)]
        bins = [
            config.n_bins // config.num_subbands // config.scale[1] ** i
            for i in range(n_scales + 1)
        ]
        self.first_conv = nn.Conv2d(banded, channels[0], 1, bias=False)
        self.encoder_blocks = nn.ModuleList(
            EncoderBlock(config, channels[i], bins[i]) for i in range(n_scales)
        )
        self.bottleneck_block = TfcTdf(config, channels[-1], channels[-1], bins[-1])
        self.decoder_blocks = nn.ModuleList(
            DecoderBlock(config, channels[i], bins[i]) for i in reversed(range(n_scales))
        )
        self.final_conv = nn.Sequential(
            nn.Conv2d(channels[0] + banded, channels[0], 1, bias=False),
            act_of(config),
            nn.Conv2d(channels[0], len(config.stems) * banded, 1, bias=False),
        )

    def forward(self, mixture: Tensor) -> Tensor:
        """Mixture (batch, 2C, F, T) -> stems (batch, S, 2C, F, T)."""
        config, x, scale = self.config, mixture, None
        if config.frequency_gain:
            gain = frequency_gain(config.n_bins, config.frequency_gain, mixture.device)
            x, scale = x * gain, (1 / gain)[None, None]
        if config.level_norm:
            # Each row by its own level: what lies beside it in a batch must not matter.
            level = x.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(_LEAST_LEVEL)
            x = x / level
            scale = level if scale is None else level * scale
        stems = self._stems(x)
        if config.mixture_consistency:
            stems = stems + (x / len(config.stems)).unsqueeze(1)
        # scale: (batch or 1, 1, F or 1, 1)
        return stems if scale is None else stems * scale.unsqueeze(1)

    def _stems(self, mixture: Tensor) -> Tensor:
        """The published network itself."""
        channels, n_bins, n_frames = self.config.input_shape
        k = self.config.num_subbands
        # Channel c's band s, lowest first, becomes channel c·k + s: only the shape changes.
        bands = mixture.reshape(-1, channels * k, n_bins // k, n_frames)
        first = self.first_conv(bands)
        x = first.transpose(-1, -2)  # (batch, c, T, F/k): a Linear works on the last axis
        skips = []
        for encoder in cast("Iterable[EncoderBlock]", self.encoder_blocks):
            x = encoder.tfc_tdf(x)
            skips.append(x)
            x = encoder.downscale(x)
        x = self.bottleneck_block(x)
        for decoder in cast("Iterable[DecoderBlock]", self.decoder_blocks):
            x = decoder.upscale(x)
            x = decoder.tfc_tdf(torch.cat([x, skips.pop()], 1))
        x = x.transpose(-1, -2) * first
        x = torch.cat([bands, x], 1)
        mix, act, _ = self.final_conv
        x = functional.conv2d(act(mix(x)), self._last_weight())  # (batch, S·2C·k, F/k, T)
        return x.reshape(-1, *self.config.output_shape)

    def _last_weight(self) -> Tensor:
        """The weight of the last convolution, (S·2C·k, c, 1, 1).

        Stems that must add up to the mixture are s' = s + (mixture − Σ s) / S. The last layer is
        linear, so − Σ s / S is in its weight, where it costs nothing: W' = W − mean of W over S.
        """
        weight = cast("Tensor", self.final_conv[-1].weight)
        if not self.config.mixture_consistency:
            return weight
        by_stem = weight.reshape(len(self.config.stems), -1, *weight.shape[1:])
        return (by_stem - by_stem.mean(0)).reshape(weight.shape)


def frequency_gain(n_bins: int, exponent: float, device: torch.device) -> Tensor:
    """((bin + 3) / 30)^exponent, (n_bins, 1).

    Music's spectrum falls with frequency; unscaled, the loss would be that of the bass alone.
    """
    bins = torch.arange(n_bins, dtype=torch.float32, device=device)[:, None]
    return ((bins + 3) / 30) ** exponent


def norm_of(config: Mdx23cConfig) -> Norm:
    """The configured normalisation: a number of channels → the layer."""
    groups = norm_groups(config.norm)
    if groups is not None:
        return lambda channels: nn.GroupNorm(groups, channels)
    if config.norm == "InstanceNorm":
        return lambda channels: nn.InstanceNorm2d(channels, affine=True)
    return nn.BatchNorm2d if config.norm == "BatchNorm" else lambda _: nn.Identity()


def act_of(config: Mdx23cConfig) -> nn.Module:
    """The configured activation."""
    alpha = elu_alpha(config.act)
    if alpha is not None:
        return nn.ELU(alpha)
    return nn.GELU() if config.act == "gelu" else nn.ReLU()
