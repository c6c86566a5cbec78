"""ResUNet30: magnitudes and an embedding in, a complex mask out.

After Liu et al., "Separate Anything You Describe" (arXiv 2308.05037). The names, shapes and order
of the parameters are those of the published checkpoint (class `ResUNet30`), so that it loads as it
is, but for the constants of its Fourier transforms: the STFT stays outside.

An embedding adds to each channel in front of each activation (FiLM without its scales):

    conv(leaky_relu(bn(x) + β)),    β = W · embedding + b
"""

from collections.abc import Iterable, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..config import FRAMES_STEP, SeparatorConfig

Shifts = Mapping[str, Tensor]
"""Name of a layer → β, (batch, channels, 1, 1)."""
_SLOPE = 0.01
_LEAST_SQUARE = 1e-20
"""Of the length that a direction is divided by; the original clamps the length at 1e-10."""


class ResidualBlock(nn.Module):
    """Two convolutions of 3×3 beside a shortcut."""

    def __init__(self, channels_in: int, channels: int, name: str) -> None:
        super().__init__()
        self.name = name
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        if channels_in != channels:
            self.shortcut = nn.Conv2d(channels_in, channels, 1)

    def forward(self, x: Tensor, shifts: Shifts) -> Tensor:
        """(batch, channels_in, T, F) -> (batch, channels, T, F)."""
        y = self.conv1(_activated(self.bn1(x) + shifts[f"{self.name}->beta1"]))
        y = self.conv2(_activated(self.bn2(y) + shifts[f"{self.name}->beta2"]))
        out: Tensor = y + (self.shortcut(x) if hasattr(self, "shortcut") else x)
        return out


class EncoderBlock(nn.Module):
    """One scale on the way down."""

    def __init__(self, channels_in: int, channels: int, pool: tuple[int, int], name: str) -> None:
        super().__init__()
        self.conv_block1 = ResidualBlock(channels_in, channels, f"{name}->conv_block1")
        self.pool = pool

    def forward(self, x: Tensor, shifts: Shifts) -> tuple[Tensor, Tensor]:
        """(batch, channels_in, T, F) -> means over `pool`, and what they are the means of."""
        y = self.conv_block1(x, shifts)
        return (y if self.pool == (1, 1) else functional.avg_pool2d(y, self.pool)), y


class DecoderBlock(nn.Module):
    """One scale on the way up."""

    def __init__(self, channels_in: int, channels: int, scale: tuple[int, int], name: str) -> None:
        super().__init__()
        self.name = name
        self.conv1 = nn.ConvTranspose2d(channels_in, channels, scale, stride=scale, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv_block2 = ResidualBlock(2 * channels, channels, f"{name}->conv_block2")
        self.bn2 = nn.BatchNorm2d(channels_in)  # of no use, but in every checkpoint

    def forward(self, x: Tensor, skip: Tensor, shifts: Shifts) -> Tensor:
        """(batch, channels_in, T', F') and (batch, channels, T, F) -> (batch, channels, T, F)."""
        y = self.conv1(_activated(self.bn1(x) + shifts[f"{self.name}->beta1"]))
        out: Tensor = self.conv_block2(torch.cat([y, skip], 1), shifts)
        return out


class UNet(nn.Module):
    """The U-Net, with the modules of the original's `ResUNet30_Base` that have parameters."""

    def __init__(self, config: SeparatorConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.bn0 = nn.BatchNorm2d(config.n_fft // 2 + 1)
        self.pre_conv = nn.Conv2d(1, widths[0], 1)
        self.encoder_names = [f"encoder_block{i}" for i in range(1, 7)]
        self.decoder_names = [f"decoder_block{i}" for i in range(1, 7)]
        scales = [*[(2, 2)] * 5, (1, 2)]
        for i, name in enumerate(self.encoder_names):
            block = EncoderBlock(widths[max(0, i - 1)], widths[i], scales[i], name)
            self.add_module(name, block)
        self.conv_block7a = EncoderBlock(widths[-1], widths[-1], (1, 1), "conv_block7a")
        for i, name in enumerate(self.decoder_names):
            below, own = widths[min(5, 6 - i)], widths[5 - i]
            self.add_module(name, DecoderBlock(below, own, scales[5 - i], name))
        self.after_conv = nn.Conv2d(widths[0], 3, 1)

    def forward(self, magnitude: Tensor, shifts: Shifts) -> Tensor:
        """(batch, T, F) -> logits (batch, 3, T, F), of any T."""
        n_frames = magnitude.shape[1]
        # Frames are filled up behind the norm, as in the original: zeros of it are no silence.
        x = functional.pad(self._levelled(magnitude), (0, 0, 0, -n_frames % FRAMES_STEP))
        x = self.pre_conv(x.unsqueeze(1))
        skips = []
        for name in self.encoder_names:
            x, skip = getattr(self, name)(x, shifts)
            skips.append(skip)
        x, _ = self.conv_block7a(x, shifts)
        for name in self.decoder_names:
            x = getattr(self, name)(x, skips.pop(), shifts)
        logits: Tensor = self.after_conv(x)
        return logits[:, :, :n_frames]

    def _levelled(self, magnitude: Tensor) -> Tensor:
        """`bn0`, each bin a channel of its own; the highest bin is not among them."""
        bn, n_bins = self.bn0, self.config.n_bins
        assert bn.running_mean is not None and bn.running_var is not None
        scale = (bn.weight / torch.sqrt(bn.running_var + bn.eps))[:n_bins]
        return magnitude * scale + (bn.bias[:n_bins] - bn.running_mean[:n_bins] * scale)


class ResUNet30(nn.Module):
    """The whole network."""

    def __init__(self, config: SeparatorConfig) -> None:
        super().__init__()
        self.config = config
        self.base = UNet(config)
        self.film = nn.ModuleDict(
            {
                name: nn.Linear(config.n_embedding, channels)
                for name, channels in _shifted_channels(self.base)
            }
        )

    def forward(self, magnitude: Tensor, embedding: Tensor) -> Tensor:
        """Magnitude (batch, T, F) and embedding (batch, E) -> mask (batch, 2, T, F).

        The mask's parts are real and imaginary: the target's spectrum is the mixture's times it.
        """
        shifts = {
            name: cast("Tensor", layer(embedding))[:, :, None, None]
            for name, layer in self.film.items()
            if name not in self._unused
        }
        logits = self.base(magnitude, shifts)
        gain = torch.sigmoid(logits[:, :1])
        direction = torch.tanh(logits[:, 1:])
        length = direction.square().sum(1, keepdim=True).clamp_min(_LEAST_SQUARE).sqrt()
        return gain * direction / length

    @property
    def _unused(self) -> set[str]:
        return {f"{name}->beta2" for name in self.base.decoder_names}


def _activated(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, _SLOPE)


def _shifted_channels(base: UNet) -> Iterable[tuple[str, int]]:
    """The layers that an embedding shifts, in the checkpoint's order, and their channels."""
    for name, block in base.named_children():
        if isinstance(block, DecoderBlock):
            yield f"{name}->beta1", block.bn1.num_features
            yield f"{name}->beta2", block.bn2.num_features
            inner, path = block.conv_block2, f"{name}->conv_block2"
        elif isinstance(block, EncoderBlock):
            inner, path = block.conv_block1, f"{name}->conv_block1"
        else:
            continue
        yield f"{path}->beta1", inner.bn1.num_features
        yield f"{path}->beta2", inner.bn2.num_features
