"""The text tower of CLAP: RoBERTa and a projection, token ids in, an embedding of length 1 out.

After Liu et al., "RoBERTa" (arXiv 1907.11692), and Wu et al., "Large-scale Contrastive
Language-Audio Pretraining" (arXiv 2211.06687). The names, shapes and order of the parameters are
those of the published checkpoints below `text_branch` and `text_projection`.
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..config import PAD, TextEncoderConfig

_EPS = 1e-5
_MASKED = -1e9
"""Added to the score of a place that only fills a row up: no softmax leaves anything of it."""


class Embeddings(nn.Module):
    """Words, positions and the one type of token, added and normed."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.n_tokens, config.n_hidden, padding_idx=PAD)
        self.position_embeddings = nn.Embedding(
            config.n_positions, config.n_hidden, padding_idx=PAD
        )
        self.token_type_embeddings = nn.Embedding(1, config.n_hidden)
        self.LayerNorm = nn.LayerNorm(config.n_hidden, eps=_EPS)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, n) -> (batch, n, hidden)."""
        is_text = (tokens != PAD).to(torch.int64)
        # Positions are counted from behind the pad's: 2, 3, ...; what a pad's is does not matter.
        positions = torch.cumsum(is_text, 1) + PAD
        summed = (
            self.word_embeddings(tokens)
            + self.token_type_embeddings.weight
            + self.position_embeddings(positions)
        )
        out: Tensor = self.LayerNorm(summed)
        return out


class SelfAttention(nn.Module):
    """Queries, keys and values of the heads."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.query = nn.Linear(config.n_hidden, config.n_hidden)
        self.key = nn.Linear(config.n_hidden, config.n_hidden)
        self.value = nn.Linear(config.n_hidden, config.n_hidden)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(batch, n, hidden), mask (batch, 1, 1, n) -> (batch, n, hidden)."""
        query, key, value = (self._heads(layer(x)) for layer in (self.query, self.key, self.value))
        scores = query @ key.transpose(-1, -2) / (query.shape[-1] ** 0.5)
        mixed = torch.softmax(scores + mask, -1) @ value  # (batch, heads, n, hidden / heads)
        return mixed.transpose(1, 2).flatten(2)

    def _heads(self, x: Tensor) -> Tensor:
        batch, n_tokens, n_hidden = x.shape
        heads = x.reshape(batch, n_tokens, self.n_heads, n_hidden // self.n_heads)
        return heads.transpose(1, 2)


class NormedSum(nn.Module):
    """A dense layer, added to what went around it and normed."""

    def __init__(self, n_in: int, n_hidden: int) -> None:
        super().__init__()
        self.dense = nn.Linear(n_in, n_hidden)
        self.LayerNorm = nn.LayerNorm(n_hidden, eps=_EPS)

    def forward(self, x: Tensor, around: Tensor) -> Tensor:
        """(batch, n, n_in) and (batch, n, hidden) -> (batch, n, hidden)."""
        out: Tensor = self.LayerNorm(self.dense(x) + around)
        return out


class Attention(nn.Module):
    """Attention and what follows it."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.self = SelfAttention(config)
        self.output = NormedSum(config.n_hidden, config.n_hidden)


class Dense(nn.Module):
    """One dense layer, below the name that the checkpoints have for it."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.dense = nn.Linear(n_in, n_out)

    def forward(self, x: Tensor) -> Tensor:
        """(..., n_in) -> (..., n_out)."""
        out: Tensor = self.dense(x)
        return out


class Layer(nn.Module):
    """One layer of the transformer."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.intermediate = Dense(config.n_hidden, config.n_intermediate)
        self.output = NormedSum(config.n_intermediate, config.n_hidden)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(batch, n, hidden), mask (batch, 1, 1, n) -> (batch, n, hidden)."""
        x = self.attention.output(self.attention.self(x, mask), x)
        out: Tensor = self.output(functional.gelu(self.intermediate(x)), x)
        return out


class Layers(nn.Module):
    """The layers in their order."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(config) for _ in range(config.n_layers))


class Roberta(nn.Module):
    """Token ids to what stands behind the first of them, `<s>`."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = Layers(config)
        self.pooler = Dense(config.n_hidden, config.n_hidden)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, n) -> (batch, hidden)."""
        mask = ((tokens == PAD).to(torch.float32) * _MASKED)[:, None, None]
        x = self.embeddings(tokens)
        for layer in cast("Iterable[Layer]", self.encoder.layer):
            x = layer(x, mask)
        return torch.tanh(self.pooler(x[:, 0]))


class TextEncoder(nn.Module):
    """The whole text tower."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.text_branch = Roberta(config)
        self.text_projection = nn.Sequential(
            nn.Linear(config.n_hidden, config.n_embedding),
            nn.ReLU(),
            nn.Linear(config.n_embedding, config.n_embedding),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Token ids (batch, n), filled up with 1 at the right -> (batch, n_embedding)."""
        return functional.normalize(self.text_projection(self.text_branch(tokens)), dim=-1)
