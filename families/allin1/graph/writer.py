"""All-In-One, one fold or several averaged, to one ONNX file whose batch and frames are free.

The graph is written node by node. torch's exporter takes minutes for a fold and makes a graph of
one number of frames; and two things are better for a CPU otherwise than they stand in the network:

- Everything between the convolutions and the end is rows of C numbers, one a frame of a stem, so
  that every linear map is one Gemm with its bias inside.
- Heads are no axis. A query is one row for each head, zero but for that head's part, so that it
  meets only that part of a key; of what it brings back, only that part goes on to the output. The
  zeros are in the weights, so nothing is ever transposed.

Folds in one graph run one after the other in the same memory, and share all indices.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from stemline.arrays import Array
from stemline.engines.base import BATCH, FRAMES
from stemline.engines.beat_info import FUNCTION, SPECTROGRAM
from stemline.errors import OnnxExportError

from ...common.graph import OnnxGraph, Value
from ..config import INSTRUMENT_KERNEL, OUTPUTS, AllInOneConfig
from ..network.all_in_one import (
    AllInOne,
    Block,
    Head,
    InstrumentAttention,
    InstrumentLayer,
    TimeAttention,
    TimeLayer,
)
from .neighbourhood import BlockIndices, block_indices

# The axis of all frames of all stems of the batch.
_ROWS = "rows"


def export_allin1(
    networks: Sequence[AllInOne], path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write folds to `path`; the outputs are the means of their logits.

    The input is `spectrogram` (batch, stems, frames, bins), the outputs `beat`, `downbeat` and
    `section` (batch, frames) and `function` (batch, labels, frames), for any frames from 1 on.
    Raises OnnxExportError when the folds are of different networks, or OSError.
    """
    config = _common_config(networks)
    graph = OnnxGraph()
    writer = _Writer(graph, config)
    logits = [writer.fold(network) for network in networks]
    mean = graph("Mean", *logits) if len(logits) > 1 else logits[0]
    values = writer.split(mean)
    graph.save(
        path,
        {name: (BATCH, *axes) for name, axes in config.inputs.items()},
        {name: (values[name], (BATCH, *axes)) for name, axes in config.outputs.items()},
        metadata,
    )


def _common_config(networks: Sequence[AllInOne]) -> AllInOneConfig:
    if not networks:
        raise OnnxExportError("no fold to export")
    configs = [
        replace(network.config, best_threshold_beat=None, best_threshold_downbeat=None)
        for network in networks
    ]
    for config in configs[1:]:
        if config != configs[0]:
            values, others = configs[0].to_json(), config.to_json()
            name = next(name for name in values if values[name] != others[name])
            raise OnnxExportError(
                f"folds that cannot be averaged: {name} is {values[name]} in one and "
                f"{others[name]} in another"
            )
    return configs[0]


class _Writer:
    """Writes folds of one configuration. Rows lie by item of the batch, then stem, then frame."""

    def __init__(self, graph: OnnxGraph, config: AllInOneConfig) -> None:
        self._graph, self._config = graph, config
        shape = graph("Shape", SPECTROGRAM)
        self._batch = graph("Gather", shape, 0)
        self._n_frames = graph("Gather", shape, 2)
        self._n_tracks = graph("Mul", self._batch, len(config.stems))
        # One more row, the last, is what padding looks like.
        self._padding = graph("Mul", self._n_tracks, self._n_frames)

    def fold(self, network: AllInOne) -> Value:
        """Logits of all classes, (batch · frames, 3 + labels)."""
        graph, config = self._graph, self._config
        x = self._embeddings(network)
        for block in cast("Iterable[Block]", network.encoder.layers):
            x = self._time_layer(x, block.timelayer)
            x = self._instrument_layer(x, block.instlayer)
        x = self._norm(x, network.norm)
        n_stems, wide = len(config.stems), config.dim_embed
        x = graph("Reshape", x, graph.shape(self._batch, n_stems, self._n_frames, wide))
        x = graph("Reshape", graph("Transpose", x, perm=[0, 2, 1, 3]), [-1, n_stems * wide])
        graph.named(x, f"{BATCH}_{FRAMES}", n_stems * wide)
        heads = [cast("Head", network.get_submodule(f"{name}_classifier")) for name in OUTPUTS]
        return self._gemm(
            x,
            np.concatenate([_array(head.classifier.weight) for head in heads]),
            np.concatenate([_array(head.classifier.bias) for head in heads]),
        )

    def split(self, logits: Value) -> dict[str, Value]:
        """The outputs by name."""
        graph, n_labels = self._graph, len(self._config.labels)
        n_classes = len(OUTPUTS) - 1 + n_labels
        x = graph("Reshape", logits, graph.shape(self._batch, self._n_frames, n_classes))
        x = graph("Transpose", x, perm=[0, 2, 1])
        values = {name: graph("Gather", x, i, axis=1) for i, name in enumerate(OUTPUTS[:-1])}
        values[FUNCTION] = graph("Slice", x, [len(OUTPUTS) - 1], [n_classes], [1])
        return values

    def _embeddings(self, network: AllInOne) -> Value:
        graph, config, embeddings = self._graph, self._config, network.embeddings
        shape = graph.shape(self._n_tracks, 1, self._n_frames, config.n_bins)
        x = graph("Reshape", SPECTROGRAM, shape)
        for conv in (embeddings.conv0, embeddings.conv1, embeddings.conv2):
            before = cast("tuple[int, int]", conv.padding)
            x = graph("Conv", x, _array(conv.weight), _bias(conv), pads=[*before, *before])
            x = graph("Elu", graph("MaxPool", x, kernel_shape=[1, 3], strides=[1, 3]))
        x = graph("Transpose", graph("Squeeze", x, [3]), perm=[0, 2, 1])
        x = graph.named(graph("Reshape", x, [-1, config.dim_embed]), _ROWS, config.dim_embed)
        return self._norm(x, embeddings.norm)

    def _time_layer(self, x: Value, layer: TimeLayer) -> Value:
        graph = self._graph
        y = self._norm(x, layer.layernorm_before)
        branches = []
        for attention in (layer.attention, layer.attention2):
            at = block_indices(graph, attention.band, self._n_frames)
            track = self._offsets(graph.shape(self._n_tracks, 1, 1, 1))
            keys = self._rows_of_keys(track, at)
            # (tracks, N · d, m) and (tracks, N · d, m + K − 1)
            queries = graph(
                "Reshape", graph("Add", track, at.queries), [0, -1, attention.band.block]
            )
            keys = graph("Reshape", keys, [0, -1, attention.band.n_keys])
            out = self._attend(y, attention, at, queries, keys)
            per_track = graph("Mul", at.n_blocks, attention.band.block * attention.band.dilation)
            begin = graph("Mul", graph("Range", 0, self._n_tracks, 1), per_track)
            back = graph("Add", graph("Reshape", begin, [-1, 1]), at.places)
            branches.append(graph("Add", x, self._project(out, back, attention)))
        y = self._norm(graph("Concat", *branches, axis=1), layer.layernorm_after)
        y = self._mlp(y, layer)
        half = graph("Mul", graph("Add", *branches), np.array(0.5, np.float32))
        return graph("Add", half, y)

    def _instrument_layer(self, x: Value, layer: InstrumentLayer) -> Value:
        graph, attention, n_stems = self._graph, layer.attention, len(self._config.stems)
        band = attention.band
        y = self._norm(x, layer.layernorm_before)
        at = block_indices(graph, band, self._n_frames)
        # Keys and queries of one block are those of all stems: (batch, N, stems · …).
        track = self._offsets(graph.shape(self._batch, 1, n_stems, 1))
        blocks = (self._batch, at.n_blocks)
        queries = graph("Reshape", graph("Add", track, at.queries), graph.shape(*blocks, -1))
        keys = graph("Reshape", self._rows_of_keys(track, at), graph.shape(*blocks, -1))
        if n_stems < INSTRUMENT_KERNEL:  # one more key, that of the stems that are missing
            padding = graph("Expand", self._padding, graph.shape(*blocks, 1))
            keys = graph("Concat", keys, padding, axis=2)
        out = self._attend(y, attention, at, queries, keys)
        # Frame t of stem i is query i · m + t mod m of block ⌊t / m⌋.
        per_block = n_stems * band.block
        item = graph("Mul", graph("Range", 0, self._batch, 1), graph("Mul", at.n_blocks, per_block))
        frame = graph("Range", 0, self._n_frames, 1)
        block = graph("Div", frame, band.block)
        # t mod m + ⌊t / m⌋ · stems · m = t + ⌊t / m⌋ · (stems · m − m)
        place = graph("Add", frame, graph("Mul", block, per_block - band.block))
        place = graph("Add", place, np.arange(n_stems)[:, None] * band.block)
        back = graph("Add", graph("Reshape", item, [-1, 1, 1]), place)
        x = graph("Add", x, self._project(out, back, attention))
        return graph("Add", x, self._mlp(self._norm(x, layer.layernorm_after), layer))

    def _offsets(self, shape: Value) -> Value:
        """The row of each track's first frame."""
        graph = self._graph
        track = graph("Reshape", graph("Range", 0, self._n_tracks, 1), shape)
        return graph("Mul", track, self._n_frames)

    def _rows_of_keys(self, track: Value, at: BlockIndices) -> Value:
        graph = self._graph
        real = graph("Less", at.keys, self._n_frames)
        return graph("Where", real, graph("Add", track, at.keys), self._padding)

    def _attend(
        self,
        y: Value,
        attention: TimeAttention | InstrumentAttention,
        at: BlockIndices,
        queries: Value,
        keys: Value,
    ) -> Value:
        """Rows y and the rows of queries (…, m) and keys (…, n) -> (… · m, heads · C)."""
        graph, config = self._graph, self._config
        projections, wide = attention.self, config.dim_embed
        padded = graph("Concat", y, np.zeros((1, wide), np.float32), axis=0)
        graph.named(padded, f"{_ROWS}_padded", wide)
        scale = np.float32(config.head_size**-0.5)
        query = self._gemm(
            y,
            _by_head(scale * _array(projections.query.weight), config.num_heads),
            _by_head(scale * _bias(projections.query), config.num_heads),
        )
        # (n_cases, heads, m, n) -> (n_cases, m · heads, n), as the queries lie
        biases = _array(attention.biases().transpose(1, 2).flatten(1, 2))
        n_queries, n_keys = biases.shape[1:]
        tracks = "tracks" if isinstance(attention, TimeAttention) else BATCH
        blocks = f"blocks_{attention.band.dilation}"
        query = graph("Reshape", graph("Gather", query, queries), [0, 0, -1, wide])
        graph.named(query, tracks, blocks, n_queries, wide)
        key = graph("Gather", self._linear(padded, projections.key), keys)
        value = graph("Gather", self._linear(padded, projections.value), keys)
        graph.named(key, tracks, blocks, n_keys, wide)
        graph.named(value, tracks, blocks, n_keys, wide)
        bias = graph.named(graph("Gather", biases, at.cases), blocks, n_queries, n_keys)
        logits = graph("MatMul", query, graph("Transpose", key, perm=[0, 1, 3, 2]))
        out = graph("MatMul", graph("Softmax", graph("Add", logits, bias), axis=-1), value)
        out = graph("Reshape", out, [-1, config.num_heads * wide])
        return graph.named(out, f"{tracks}_{blocks}", config.num_heads * wide)

    def _project(
        self, out: Value, rows: Value, attention: TimeAttention | InstrumentAttention
    ) -> Value:
        graph, dense = self._graph, attention.output.dense
        out = graph("Gather", out, graph("Reshape", rows, [-1]))
        graph.named(out, _ROWS, self._config.num_heads * self._config.dim_embed)
        weight = _by_head(_array(dense.weight).T, self._config.num_heads).T
        return self._gemm(out, weight, _bias(dense))

    def _mlp(self, x: Value, layer: TimeLayer | InstrumentLayer) -> Value:
        hidden = self._graph("Gelu", self._linear(x, layer.intermediate.dense))
        return self._linear(hidden, layer.output.dense)

    def _norm(self, x: Value, norm: nn.LayerNorm) -> Value:
        weight, bias = _array(norm.weight), _array(norm.bias)
        return self._graph("LayerNormalization", x, weight, bias, epsilon=norm.eps)

    def _linear(self, x: Value, linear: nn.Linear) -> Value:
        return self._gemm(x, _array(linear.weight), _bias(linear))

    def _gemm(self, x: Value, weight: Array, bias: Array) -> Value:
        """X · weightᵀ + bias for rows X."""
        return self._graph("Gemm", x, np.ascontiguousarray(weight.T), bias)


def _by_head(values: Array, n_heads: int) -> Array:
    """(C, …) -> (heads · C, …): once for each head, zero but for that head's rows."""
    parts = np.zeros((n_heads, *values.shape), np.float32)
    size = len(values) // n_heads
    for head in range(n_heads):
        own = slice(head * size, (head + 1) * size)
        parts[head, own] = values[own]
    return parts.reshape(-1, *values.shape[1:])


def _array(values: Tensor) -> Array:
    array: NDArray[Any] = values.detach().cpu().numpy()
    return array.astype(np.float32)


def _bias(layer: nn.Linear | nn.Conv2d) -> Array:
    """The bias of a layer; zeros where it has none."""
    if layer.bias is None:
        return np.zeros(len(layer.weight), np.float32)
    return _array(layer.bias)
