"""The residual branches inside Demucs's layers (`DConv`): narrow convolutions over time.

A branch narrows C channels to h, convolves over time, and comes back through a convolution to 2C
channels, a norm, a gate and a scale. The wide half is rearranged here so that its 2C channels are
written once, which is what a CPU's time goes into; see `Branch`.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import DemucsConfig
from .recurrent import FramedLstm, LocalAttention


class Scale(nn.Module):
    """A learnt factor a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # Demucs starts them near zero; a random network shows its branches better with these.
        self.scale = nn.Parameter(torch.full((channels,), 0.1))


class Branches(nn.Module):
    """`depth` residual branches in a row; the i-th looks 2^i frames back and ahead."""

    def __init__(self, config: DemucsConfig, index: int, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            Branch(config, index, channels, dilation=2**i) for i in range(config.dconv_depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, C, F, T) -> (batch, C, F, T); every row and frequency is computed alone."""
        for layer in self.layers:
            x = layer(x)
        return x


class Branch(nn.Sequential):
    """x -> x + scale ⊙ GLU(norm(expand(u))), with u = inner(GELU(norm(narrow(x)))).

    Both norms are over all channels and frames of one row and one frequency. The second is taken
    from the h narrow channels u, so that the 2C wide ones need not be read again. With expand's
    weights w_c and biases b_c, v_c = w_c·u + b_c, ū the mean of u over time and p_c = w_c·ū + b_c,

        mean of v = mean over c of p_c
        variance of v = mean over time of (u − ū)ᵀ G (u − ū) + mean over c of (p_c − mean of v)²

    where G = Σ w_c w_cᵀ / 2C: sums of squares both, so nothing cancels. Then, with r one over the
    standard deviation and m the mean,

        norm(v)_c = γ_c (w_c·(r u) + b_c r − m r) + β_c

    is one convolution of the h + 2 channels (r u, r, −m r), its weights [γ_c w_c, γ_c b_c, γ_c].
    """

    def __init__(self, config: DemucsConfig, index: int, channels: int, dilation: int) -> None:
        narrow = int(channels / config.dconv_comp)
        inner: list[nn.Module] = []
        if config.architecture == "hdemucs" and index >= config.dconv_lstm:
            inner.append(FramedLstm(narrow))
        if config.architecture == "hdemucs" and index >= config.dconv_attn:
            inner.append(LocalAttention(narrow))
        # The places in this row are those of the checkpoints' keys.
        super().__init__(
            nn.Conv1d(channels, narrow, 3, dilation=dilation, padding=dilation),
            nn.GroupNorm(1, narrow),
            nn.GELU(),
            *inner,
            nn.Conv1d(narrow, 2 * channels, 1),
            nn.GroupNorm(1, 2 * channels),
            nn.GLU(1),
            Scale(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, C, F, T) -> (batch, C, F, T)."""
        convolution = cast("nn.Conv1d", self[0])
        (dilation,) = convolution.dilation
        narrow = F.conv2d(
            x,
            convolution.weight.unsqueeze(2),
            convolution.bias,
            padding=(0, dilation),
            dilation=(1, dilation),
        )
        u = F.gelu(_normed(narrow, cast("nn.GroupNorm", self[1])))
        for inner in list(self)[3:-4]:  # a slice would be another Branch
            u = _over_time(inner, u)
        return x + self._gated(u)

    def _gated(self, u: Tensor) -> Tensor:
        """The gated rest, scale ⊙ GLU(norm(expand(u))): (batch, h, F, T) -> (batch, C, F, T)."""
        expand, norm = cast("nn.Conv1d", self[-4]), cast("nn.GroupNorm", self[-3])
        weight, bias = expand.weight, cast("Tensor", expand.bias)  # (2C, h, 1), (2C,)
        # r and −m r, (batch, 1, F, 1)
        mean_u = u.mean(3, keepdim=True)
        centred = u - mean_u
        gram = torch.matmul(weight[:, :, 0].T, weight[:, :, 0]) / len(weight)
        within = centred * F.conv2d(centred, gram[:, :, None, None])
        within = within.mean(3, keepdim=True).sum(1, keepdim=True)
        p = F.conv2d(mean_u, weight.unsqueeze(3), bias)
        mean = p.mean(1, keepdim=True)
        between = ((p - mean) * (p - mean)).mean(1, keepdim=True)
        r = (within + between + norm.eps).rsqrt()
        offsets = torch.cat([r, -mean * r], 1)  # (batch, 2, F, 1)
        inputs = torch.cat([u * r, offsets.expand(-1, -1, -1, u.shape[3])], 1)
        weight = torch.cat([weight[:, :, 0], bias[:, None], torch.ones_like(bias)[:, None]], 1)
        weight = (weight * norm.weight[:, None])[:, :, None, None]
        # The gate's second half weighs the first; the first takes the scale.
        n_channels = len(weight) // 2
        scale = cast("Scale", self[-1]).scale
        kept = F.conv2d(
            inputs,
            weight[:n_channels] * scale[:, None, None, None],
            norm.bias[:n_channels] * scale,
        )
        gate = F.conv2d(inputs, weight[n_channels:], norm.bias[n_channels:])
        return kept * torch.sigmoid(gate)


def _normed(x: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Norm over channels and frames of each row and frequency, (batch, h, F, T).

    Means are taken over one axis at a time: a runtime has fast paths for that.
    """
    x = x - x.mean(3, keepdim=True).mean(1, keepdim=True)
    power = (x * x).mean(3, keepdim=True).mean(1, keepdim=True)
    gain = (power + norm.eps).rsqrt() * norm.weight[:, None, None]
    return x * gain + norm.bias[:, None, None]


def _over_time(module: nn.Module, x: Tensor) -> Tensor:
    """Apply a module of (rows, h, T) to (batch, h, F, T), a row each frequency."""
    _, n_channels, n_bins, n_frames = x.shape
    rows = x.transpose(1, 2).reshape(-1, n_channels, n_frames)
    out: Tensor = module(rows)
    return out.reshape(-1, n_bins, n_channels, n_frames).transpose(1, 2)
