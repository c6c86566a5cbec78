"""One layer of Demucs's encoder or decoder, over frequency or over time.

A layer divides (or multiplies) its axis by a stride s with a kernel of 2s, so that without what it
pads n positions become n / s, rounded up, and come back as n.
"""

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import DemucsConfig
from .branch import Branches


@dataclass(frozen=True)
class LayerShape:
    """Where a layer stands and what it does to its axis."""

    index: int
    """Place of the layer among the branch's; 0 is the outermost."""
    channels: int
    """Channels on its outer side: what an encoder layer takes in."""
    width: int
    """Channels on its inner side."""
    kernel_size: int
    stride: int
    padding: int
    """Padding of its convolution on both sides, which its transpose is cropped by."""
    over_frequency: bool
    bare: bool = False
    """Whether it is its convolution alone: the waveform's branch, where it meets the other."""


class EncoderLayer(nn.Module):
    """Convolution, norm, GELU, residual branches; then a gated convolution."""

    def __init__(self, config: DemucsConfig, shape: LayerShape) -> None:
        super().__init__()
        self.shape = shape
        width, context = shape.width, config.context_enc
        if shape.over_frequency:
            self.conv: nn.Module = nn.Conv2d(
                shape.channels,
                width,
                (shape.kernel_size, 1),
                (shape.stride, 1),
                (shape.padding, 0),
            )
        else:
            self.conv = nn.Conv1d(
                shape.channels, width, shape.kernel_size, shape.stride, shape.padding
            )
        if shape.bare:
            return
        convolution = nn.Conv2d if shape.over_frequency else nn.Conv1d
        self.norm1 = _norm(config, shape.index, width)
        self.rewrite = convolution(width, 2 * width, 1 + 2 * context, padding=context)
        self.norm2 = _norm(config, shape.index, 2 * width)
        self.dconv = Branches(config, shape.index, width) if config.dconv_mode & 1 else None

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """(batch, channels, F, T) or (batch, channels, T) -> its axis divided by the stride.

        `other` (batch, width, T) is what the waveform's branch adds after the convolution.
        """
        if not self.shape.over_frequency:
            # Every position is taken in; where there are too many, the stride skips the rest.
            x = F.pad(x, (0, self.shape.stride - 1))
        x = self.conv(x)
        if self.shape.bare:
            return x
        if other is not None:
            x = x + (other.unsqueeze(2) if x.ndim == 4 else other)
        x = F.gelu(self.norm1(x))
        x = _with_branches(x, self.dconv)
        return _gated(x, self.rewrite, self.norm2)


class DecoderLayer(nn.Module):
    """A gated convolution and residual branches; then a transposed convolution, norm, GELU."""

    def __init__(self, config: DemucsConfig, shape: LayerShape) -> None:
        super().__init__()
        self.shape = shape
        width, context = shape.width, config.context
        if shape.over_frequency:
            self.conv_tr: nn.Module = nn.ConvTranspose2d(
                width, shape.channels, (shape.kernel_size, 1), (shape.stride, 1)
            )
        else:
            self.conv_tr = nn.ConvTranspose1d(
                width, shape.channels, shape.kernel_size, shape.stride
            )
        self.norm2 = _norm(config, shape.index, shape.channels)
        if shape.bare:
            return
        convolution = nn.Conv2d if shape.over_frequency else nn.Conv1d
        self.rewrite = convolution(width, 2 * width, 1 + 2 * context, padding=context)
        self.norm1 = _norm(config, shape.index, 2 * width)
        self.dconv = Branches(config, shape.index, width) if config.dconv_mode & 2 else None

    def forward(self, x: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """(batch, width, ...) -> (batch, channels, ...) with its axis multiplied, and what it was.

        Over time, `length` positions come out. The second tensor is what went into the transposed
        convolution, from which the waveform's branch begins.
        """
        if not self.shape.bare:
            x = _with_branches(_gated(x, self.rewrite, self.norm1), self.dconv)
        inner, padding = x, self.shape.padding
        x = self.norm2(self.conv_tr(inner))
        if not self.shape.over_frequency:
            x = piece_of(x, padding, length)
        elif padding:
            x = x[:, :, padding:-padding]
        return (x if self.shape.index == 0 else F.gelu(x)), inner


def piece_of(x: Tensor, start: int, length: int) -> Tensor:
    """`length` frames of x from `start` on, which are known to be there.

    A slice leaves a free length in doubt, an index does not.
    """
    if isinstance(length, int):
        return x[..., start : start + length]
    return x.index_select(-1, start + torch.arange(length, device=x.device))


def _norm(config: DemucsConfig, index: int, channels: int) -> nn.Module:
    if index < config.norm_starts:
        return nn.Identity()
    return nn.GroupNorm(config.norm_groups, channels)


def _gated(x: Tensor, convolution: nn.Module, norm: nn.Module) -> Tensor:
    """GLU(norm(convolution(x))): one half of the channels, times the sigmoid of the other.

    Without a norm each half is a convolution of its own. That is as fast, and the peak of a whole
    run of HTDemucs is 150 MB lower: the halves are never in memory twice.
    """
    if not isinstance(norm, nn.Identity):
        return F.glu(norm(convolution(x)), 1)
    assert isinstance(convolution, nn.Conv1d | nn.Conv2d) and convolution.bias is not None
    convolve = F.conv2d if isinstance(convolution, nn.Conv2d) else F.conv1d
    (weight, gate), (bias, gate_bias) = convolution.weight.chunk(2), convolution.bias.chunk(2)
    # Every such convolution has a stride and a dilation of 1.
    kept = convolve(x, weight, bias, padding=convolution.padding)
    return kept * torch.sigmoid(convolve(x, gate, gate_bias, padding=convolution.padding))


def _with_branches(x: Tensor, branches: nn.Module | None) -> Tensor:
    if branches is None:
        return x
    if x.ndim == 4:
        return cast("Tensor", branches(x))
    return cast("Tensor", branches(x.unsqueeze(2))).squeeze(2)
