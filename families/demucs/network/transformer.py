"""HTDemucs's cross-transformer: tokens of the spectrogram and of the waveform, layer by layer.

Attention is written out, and torch's own module only holds its parameters where the checkpoints
have them: what that module does inside depends on its version and mode, and exports badly.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemline.arrays import Array

from ..config import CrossTransformerConfig
from .branch import Scale
from .positions import time_code, time_frequency_code

# What one slab of a row's logits may take. All of them together, 231 MB in the largest layer, go
# through memory three times; on one core slabs of 15 to 60 MB took 0.6 of the time, and the peak of
# a whole run fell with them.
MAX_LOGITS_BYTES = 24_000_000


class CrossTransformer(nn.Module):
    """Layers for both kinds of token; every other one lets each kind attend to the other."""

    def __init__(self, config: CrossTransformerConfig, width: int) -> None:
        super().__init__()
        self.config = config
        self.norm_in = nn.LayerNorm(width) if config.norm_in else nn.Identity()
        self.norm_in_t = nn.LayerNorm(width) if config.norm_in else nn.Identity()
        self.layers = nn.ModuleList(_layers(config, width))
        self.layers_t = nn.ModuleList(_layers(config, width))

    def forward(self, x: Tensor, y: Tensor, n_bins: int) -> tuple[Tensor, Tensor]:
        """Tokens (batch, n, width) of the spectrogram and the waveform -> tokens of both.

        Those of the spectrogram come frame by frame, `n_bins` each.
        """
        config, (n_tokens, width) = self.config, x.shape[1:]
        code = time_frequency_code(n_tokens // n_bins, n_bins, width, config.max_period)
        x = self.norm_in(x) + _constant(code * config.position_weight, x)
        code = time_code(y.shape[1], width, config.max_period)
        y = self.norm_in_t(y) + _constant(code * config.position_weight, y)
        for layer_x, layer_y in zip(self.layers, self.layers_t, strict=True):
            # Each attends to what the other was before this layer.
            x, y = layer_x(x, y), layer_y(y, x)
        return x, y


def _layers(config: CrossTransformerConfig, width: int) -> list[nn.Module]:
    kinds = (CrossLayer, SelfLayer) if config.cross_first else (SelfLayer, CrossLayer)
    return [kinds[index % 2](config, width) for index in range(config.layers)]


class SelfLayer(nn.Module):
    """x + γ₁·attention(norm(x)), then x + γ₂·feed_forward(norm(x)), then a norm of it all."""

    def __init__(self, config: CrossTransformerConfig, width: int) -> None:
        super().__init__()
        hidden = int(width * config.hidden_scale)
        self.self_attn = Attention(width, config.heads)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.norm_out = nn.GroupNorm(1, width) if config.norm_out else None
        self.gamma_1 = Scale(width) if config.layer_scale else None
        self.gamma_2 = Scale(width) if config.layer_scale else None
        self.act = F.gelu if config.gelu else F.relu

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """(batch, n, width) -> (batch, n, width); `other` is not used."""
        normed = self.norm1(x)
        x = x + self.self_attn(normed, normed, self.gamma_1)
        x = x + _linear(self.act(self.linear1(self.norm2(x))), self.linear2, self.gamma_2)
        return _normed_out(x, self.norm_out)


class CrossLayer(nn.Module):
    """A SelfLayer that attends to the other kind's tokens, which have their own norm."""

    def __init__(self, config: CrossTransformerConfig, width: int) -> None:
        super().__init__()
        hidden = int(width * config.hidden_scale)
        self.cross_attn = Attention(width, config.heads)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)
        self.norm_out = nn.GroupNorm(1, width) if config.norm_out else None
        self.gamma_1 = Scale(width) if config.layer_scale else None
        self.gamma_2 = Scale(width) if config.layer_scale else None
        self.act = F.gelu if config.gelu else F.relu

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """(batch, n, width), attending to (batch, m, width) -> (batch, n, width)."""
        x = x + self.cross_attn(self.norm1(x), self.norm2(other), self.gamma_1)
        x = x + _linear(self.act(self.linear1(self.norm3(x))), self.linear2, self.gamma_2)
        return _normed_out(x, self.norm_out)


class Attention(nn.Module):
    """Multi-head attention: softmax(q kᵀ / √d) v in each head, and a last projection."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, x: Tensor, other: Tensor, scale: Scale | None) -> Tensor:
        """Queries from x (batch, n, width), keys and values from (batch, m, width)."""
        width = x.shape[2]
        weights = torch.split(self.in_proj_weight, width)
        biases = torch.split(self.in_proj_bias, width)
        # 1/√d goes into the queries' weights, which are constants of a graph.
        shrink = (width // self.n_heads) ** -0.5
        query = self._heads(F.linear(x, weights[0] * shrink, biases[0] * shrink))
        key = self._heads(F.linear(other, weights[1], biases[1]))
        value = self._heads(F.linear(other, weights[2], biases[2]))
        key = key.transpose(2, 3)
        slab = _slab_queries(x.shape[1], other.shape[1], self.n_heads)
        y = torch.cat(
            [
                torch.matmul(torch.softmax(torch.matmul(some, key), 3), value)
                for some in torch.split(query, slab, 2)
            ],
            2,
        )  # (batch, heads, n, d)
        y = y.transpose(1, 2).reshape(-1, x.shape[1], width)
        return _linear(y, self.out_proj, scale)

    def _heads(self, x: Tensor) -> Tensor:
        """(batch, n, width) -> (batch, heads, n, width / heads)."""
        n_tokens, width = x.shape[1:]
        return x.reshape(-1, n_tokens, self.n_heads, width // self.n_heads).transpose(1, 2)


def _slab_queries(n_queries: int, n_keys: int, n_heads: int) -> int:
    """How many queries attend at once: as even slabs as MAX_LOGITS_BYTES asks for."""
    n_slabs = -(-4 * n_heads * n_queries * n_keys // MAX_LOGITS_BYTES)
    return -(-n_queries // n_slabs)


def _linear(x: Tensor, linear: nn.Linear, scale: Scale | None) -> Tensor:
    """The product scale ⊙ linear(x), the scale taken into the weights."""
    if scale is None:
        return cast("Tensor", linear(x))
    return F.linear(x, linear.weight * scale.scale[:, None], linear.bias * scale.scale)


def _normed_out(x: Tensor, norm: nn.GroupNorm | None) -> Tensor:
    """Normed over all tokens and channels of each row, (batch, n, width); a gain a channel."""
    if norm is None:
        return x
    # One axis at a time, as elsewhere: fast, and float32 loses nothing in long sums.
    centred = x - x.mean(2, keepdim=True).mean(1, keepdim=True)
    power = (centred * centred).mean(2, keepdim=True).mean(1, keepdim=True)
    return centred * ((power + norm.eps).rsqrt() * norm.weight) + norm.bias


def _constant(code: Array, like: Tensor) -> Tensor:
    return torch.tensor(code, dtype=like.dtype, device=like.device)
