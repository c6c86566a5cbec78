"""All-In-One: beats, downbeats, sections and their labels from the spectrograms of four stems.

Kim and Nam, "All-In-One Metrical and Functional Structure Analysis with Neighborhood Attentions on
Demixed Audio" (WASPAA 2023). The names and shapes of the parameters are those of the published
folds, so such a file loads as it is. Dropout is left out.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..config import INSTRUMENT_KERNEL, OUTPUTS, AllInOneConfig
from .neighbourhood import Band, attend, with_mask

# Queries of a block. In ONNX Runtime 4 and 8 are as fast, 16 is slower by a sixth; torch does not
# mind. With 4, the fewest are there for nothing where the dilation is large.
_BLOCK = 4
# The output of a head's sigmoid before training: beats are rare (Lin et al., "Focal loss for dense
# object detection", ICCV 2017).
_FIRST_CONFIDENCE = {"beat": 0.05, "downbeat": 0.0125, "section": 0.001}


class AllInOne(nn.Module):
    """The whole network."""

    def __init__(self, config: AllInOneConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config)
        self.norm = nn.LayerNorm(config.dim_embed, eps=config.layer_norm_eps)
        for name in OUTPUTS:
            n_classes = len(config.labels) if name == "function" else 1
            self.add_module(f"{name}_classifier", Head(config, n_classes))
        for name, confidence in _FIRST_CONFIDENCE.items():
            bias = cast("Head", self.get_submodule(f"{name}_classifier")).classifier.bias
            nn.init.constant_(bias, math.log(confidence / (1 - confidence)))

    def forward(self, spectrogram: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(batch, stems, frames, bins) -> logits of beat, downbeat, section and function.

        The first three are (batch, frames), the last (batch, labels, frames).
        """
        x = self.embeddings(spectrogram)
        x = self.norm(self.encoder(x))
        x = x.transpose(1, 2).flatten(2)  # (batch, frames, stems · C)
        beat, downbeat, section, function = (
            self.get_submodule(f"{name}_classifier")(x) for name in OUTPUTS
        )
        return beat[..., 0], downbeat[..., 0], section[..., 0], function.transpose(1, 2)


class FoldMean(nn.Module):
    """Networks of one size, trained on different songs: the mean of their logits.

    Their configurations differ in the thresholds alone; the mean's are the means of theirs.
    """

    def __init__(self, folds: Iterable[AllInOne]) -> None:
        super().__init__()
        self.folds = nn.ModuleList(folds)
        self.eval()

    @property
    def networks(self) -> list[AllInOne]:
        """The folds, in order."""
        return [cast("AllInOne", fold) for fold in self.folds]

    @property
    def config(self) -> AllInOneConfig:
        """The folds' configuration, with mean thresholds; None where a fold has none."""
        configs = [fold.config for fold in self.networks]
        return replace(
            configs[0],
            best_threshold_beat=_mean([one.best_threshold_beat for one in configs]),
            best_threshold_downbeat=_mean([one.best_threshold_downbeat for one in configs]),
        )

    def forward(self, spectrogram: Tensor) -> tuple[Tensor, ...]:
        """(batch, stems, frames, bins) -> the folds' mean logits, as of `AllInOne.forward`."""
        logits = zip(*(fold(spectrogram) for fold in self.networks), strict=True)
        return tuple(torch.stack(of_one_output).mean(0) for of_one_output in logits)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


class Embeddings(nn.Module):
    """Three convolutions over frequency, and a frame before and after."""

    def __init__(self, config: AllInOneConfig) -> None:
        super().__init__()
        wide = config.dim_embed
        self.conv0 = nn.Conv2d(1, wide // 2, 3, padding=(1, 0))
        self.conv1 = nn.Conv2d(wide // 2, wide, (1, 12))
        self.conv2 = nn.Conv2d(wide, wide, 3, padding=(1, 0))
        self.norm = nn.LayerNorm(wide)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(batch, stems, frames, bins) -> (batch, stems, frames, C)."""
        x = spectrogram.flatten(0, 1).unsqueeze(1)  # (batch · stems, 1, frames, bins)
        for conv in (self.conv0, self.conv1, self.conv2):
            x = functional.elu(functional.max_pool2d(conv(x), (1, 3)))
        out: Tensor = self.norm(x[..., 0].transpose(1, 2))  # (batch · stems, frames, C)
        return out.reshape(*spectrogram.shape[:2], *out.shape[1:])


class Encoder(nn.Module):
    """Blocks whose neighbours lie ever farther apart."""

    def __init__(self, config: AllInOneConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            Block(config, dilation, window)
            for dilation, window in zip(config.dilations, config.windows, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, stems, frames, C) -> (batch, stems, frames, C)."""
        for block in cast("Iterable[Block]", self.layers):
            x = block.instlayer(block.timelayer(x))
        return x


class Block(nn.Module):
    """Attention over time within each stem, then over stems and near frames."""

    def __init__(self, config: AllInOneConfig, dilation: int, window: int) -> None:
        super().__init__()
        self.timelayer = TimeLayer(config, dilation, window)
        self.instlayer = InstrumentLayer(config)


class TimeLayer(nn.Module):
    """Two attentions of dilation d and 2d side by side: their mean, plus what an MLP adds."""

    def __init__(self, config: AllInOneConfig, dilation: int, window: int) -> None:
        super().__init__()
        wide = config.dim_embed
        self.layernorm_before = nn.LayerNorm(wide, eps=config.layer_norm_eps)
        self.layernorm_after = nn.LayerNorm(2 * wide, eps=config.layer_norm_eps)
        hidden = int(2 * wide * config.mlp_ratio)
        self.intermediate = Dense(2 * wide, hidden)
        self.output = Dense(hidden, wide)
        self.attention = TimeAttention(config, dilation, window)
        self.attention2 = TimeAttention(config, 2 * dilation, window)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, stems, frames, C) -> (batch, stems, frames, C)."""
        y = self.layernorm_before(x)
        near, far = x + self.attention(y), x + self.attention2(y)
        y = self.layernorm_after(torch.cat([near, far], -1))
        y = self.output(functional.gelu(self.intermediate(y)))
        out: Tensor = (near + far) / 2 + y
        return out


class InstrumentLayer(nn.Module):
    """One attention over stems and near frames, then an MLP."""

    def __init__(self, config: AllInOneConfig) -> None:
        super().__init__()
        wide = config.dim_embed
        self.layernorm_before = nn.LayerNorm(wide, eps=config.layer_norm_eps)
        self.layernorm_after = nn.LayerNorm(wide, eps=config.layer_norm_eps)
        hidden = int(wide * config.mlp_ratio)
        self.intermediate = Dense(wide, hidden)
        self.output = Dense(hidden, wide)
        self.attention = InstrumentAttention(config)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, stems, frames, C) -> (batch, stems, frames, C)."""
        x = x + self.attention(self.layernorm_before(x))
        y = self.output(functional.gelu(self.intermediate(self.layernorm_after(x))))
        out: Tensor = x + y
        return out


class Projections(nn.Module):
    """Query, key and value of an attention, and its relative biases."""

    def __init__(self, config: AllInOneConfig, rpb_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.heads = (config.num_heads, config.head_size)
        wide = config.dim_embed
        self.rpb = nn.Parameter(torch.zeros(config.num_heads, *rpb_shape))
        self.query = nn.Linear(wide, wide, bias=config.qkv_bias)
        self.key = nn.Linear(wide, wide, bias=config.qkv_bias)
        self.value = nn.Linear(wide, wide, bias=config.qkv_bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(..., C) -> three times (..., C), the query scaled."""
        return self.query(x) / self.heads[1] ** 0.5, self.key(x), self.value(x)


class Attention(nn.Module):
    """Projections, under the name that the folds have for them, and what comes after."""

    self: Projections
    output: "Dense"

    def __init__(self, config: AllInOneConfig, rpb_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.add_module("self", Projections(config, rpb_shape))
        self.output = Dense(config.dim_embed, config.dim_embed)


class TimeAttention(Attention):
    """Each frame of a stem attends to its K neighbours that lie d frames apart."""

    def __init__(self, config: AllInOneConfig, dilation: int, window: int) -> None:
        super().__init__(config, (2 * config.kernel_size - 1,))
        self.band = Band(config.kernel_size, dilation, window, _BLOCK)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, stems, frames, C) -> (batch, stems, frames, C)."""
        band, n_frames, device = self.band, x.shape[2], x.device
        rows = functional.pad(x, (0, 0, 0, 1))  # the last one is padding
        query, key, value = self.self(rows)
        at_queries, at_keys = band.queries(n_frames, device), band.keys(n_frames, device)
        out = attend(
            self._blocks(query, at_queries),
            self._blocks(key, at_keys),
            self._blocks(value, at_keys),
            self.biases().index_select(0, band.cases(n_frames, device).flatten()),
        )
        out = out.transpose(-2, -3).flatten(-2).flatten(2, 3)
        projected: Tensor = self.output(out.index_select(2, band.places(n_frames, device)))
        return projected

    def _blocks(self, rows: Tensor, index: Tensor) -> Tensor:
        """(batch, stems, rows, C), (N, d, m) -> (batch, stems, N · d, heads, m, C / heads)."""
        shape = (*rows.shape[:2], -1, index.shape[-1], *self.self.heads)
        return rows.index_select(2, index.flatten()).reshape(shape).transpose(-2, -3)

    def biases(self) -> Tensor:
        """Biases of each kind of block, (n_cases, heads, m, m + K − 1)."""
        rpb = self.self.rpb
        return with_mask(rpb)[:, self.band.biases(rpb.device)].transpose(0, 1)


class InstrumentAttention(Attention):
    """Each frame of a stem attends to all stems at its 5 near frames.

    There are fewer stems than the kernel's 5: the missing ones are padding, and their keys and
    values all the same row. So they are one key, whose bias is the logarithm of the sum of the
    exponentials of theirs.
    """

    def __init__(self, config: AllInOneConfig) -> None:
        super().__init__(config, (2 * INSTRUMENT_KERNEL - 1, 2 * INSTRUMENT_KERNEL - 1))
        self.band = Band(INSTRUMENT_KERNEL, 1, INSTRUMENT_KERNEL, _BLOCK)
        self.n_stems = len(config.stems)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, stems, frames, C) -> (batch, stems, frames, C)."""
        band, n_frames, device = self.band, x.shape[2], x.device
        rows = functional.pad(x, (0, 0, 0, 1)).flatten(1, 2)  # (batch, stems · (frames + 1), C)
        query, key, value = self.self(rows)
        stem = torch.arange(self.n_stems, device=device)[:, None] * (n_frames + 1)
        at_queries = (stem + band.queries(n_frames, device)).flatten(1)  # (N, stems · m)
        at_keys = (stem + band.keys(n_frames, device)).flatten(1)
        if self.n_stems < INSTRUMENT_KERNEL:
            padding = at_keys.new_zeros(len(at_keys), 1) + n_frames
            at_keys = torch.cat([at_keys, padding], 1)
        out = attend(
            self._blocks(query, at_queries),
            self._blocks(key, at_keys),
            self._blocks(value, at_keys),
            self.biases().index_select(0, band.cases(n_frames, device)[:, 0]),
        )
        # (batch, N, heads, stems · m, C / heads) -> (batch, stems, N · m, C)
        out = out.transpose(-2, -3).reshape(len(x), -1, self.n_stems, band.block, x.shape[-1])
        projected: Tensor = self.output(out.transpose(1, 2).flatten(2, 3)[:, :, :n_frames])
        return projected

    def _blocks(self, rows: Tensor, index: Tensor) -> Tensor:
        """(batch, rows, C), (N, n) -> (batch, N, heads, n, C / heads)."""
        shape = (len(rows), *index.shape, *self.self.heads)
        return rows.index_select(1, index.flatten()).reshape(shape).transpose(-2, -3)

    def biases(self) -> Tensor:
        """Biases of each kind of block, (n_cases, heads, stems · m, keys)."""
        n_stems, rpb = self.n_stems, self.self.rpb
        near = self.band.biases(rpb.device)  # (n_cases, m, m + K − 1)
        stem = torch.arange(INSTRUMENT_KERNEL, device=rpb.device)
        offset = stem - stem[:n_stems, None] + INSTRUMENT_KERNEL - 1  # (stems, K)
        bias = with_mask(rpb)[:, offset][..., near]
        # (heads, query's stem, key's stem, n_cases, m, m + K − 1)
        bias = bias.permute(3, 0, 1, 4, 2, 5)
        real = bias[..., :n_stems, :].flatten(-2)
        if n_stems < INSTRUMENT_KERNEL:
            padding = bias[..., n_stems:, :].flatten(-2).logsumexp(-1, keepdim=True)
            real = torch.cat([real, padding], -1)
        return real.flatten(2, 3)


class Dense(nn.Module):
    """A linear map, under the name that the folds have for it."""

    def __init__(self, dim_in: int, dim_out: int) -> None:
        super().__init__()
        self.dense = nn.Linear(dim_in, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim_in) -> (..., dim_out)."""
        out: Tensor = self.dense(x)
        return out


class Head(nn.Module):
    """A linear map, under the name that the folds have for it."""

    def __init__(self, config: AllInOneConfig, n_classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(len(config.stems) * config.dim_embed, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, stems · C) -> (batch, frames, n_classes)."""
        out: Tensor = self.classifier(x)
        return out
