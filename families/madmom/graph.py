"""madmom's networks of beats and downbeats to one ONNX file whose batch and frames are free.

The graph is written node by node: ONNX has LSTM units with peepholes and torch has not, so that
torch's exporter could only write one frame after the other.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from stemline.engines.base import BATCH
from stemline.engines.beat_info import FEATURES

from ..common.graph import OnnxGraph, Value
from .config import CLASSES, OUTPUTS
from .network import CELL, FORGET_GATE, INPUT_GATE, OUTPUT_GATE, BlstmLayer, MadmomBlstm

# ONNX's order of gates: of weights and biases, and of peepholes.
_GATES = [INPUT_GATE, OUTPUT_GATE, FORGET_GATE, CELL]
_PEEPHOLES = [0, 2, 1]


def export_madmom(
    network: MadmomBlstm, path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write the networks to `path`; the outputs are the means of their probabilities.

    The input is `features` (batch, frames, features), the outputs `beat` and `downbeat` (batch,
    frames), for any frames from 1 on. Raises OnnxExportError or OSError.
    """
    config = network.config
    graph = OnnxGraph()
    frames_first = graph("Transpose", FEATURES, perm=[1, 0, 2])
    layers = list(cast("Iterable[BlstmLayer]", network.layers))
    probabilities = []
    for member in range(config.n_networks):
        x = frames_first
        for layer in layers:
            x = _lstm(graph, x, layer, member)
        logits = graph("MatMul", x, _array(network.weight[member]))
        logits = graph("Add", logits, _array(network.bias[member]))
        probabilities.append(graph("Softmax", logits, axis=-1))
    mean = graph("Mean", *probabilities) if len(probabilities) > 1 else probabilities[0]
    mean = graph("Transpose", mean, perm=[2, 1, 0])  # (classes, batch, frames)
    values = {name: graph("Gather", mean, CLASSES.index(name), axis=0) for name in OUTPUTS}
    graph.save(
        path,
        {name: (BATCH, *axes) for name, axes in config.inputs.items()},
        {name: (values[name], (BATCH, *axes)) for name, axes in config.outputs.items()},
        metadata,
    )


def _lstm(graph: OnnxGraph, x: Value, layer: BlstmLayer, member: int) -> Value:
    """(frames, batch, inputs) -> (frames, batch, 2 · units)."""
    n_gates, units = len(_GATES), layer.bias.shape[-1]

    def rows(weights: Tensor) -> NDArray[np.float32]:
        """(directions, gates, inputs, units) -> (directions, gates · units, inputs)."""
        ordered = _array(weights)[:, _GATES].swapaxes(2, 3)
        return np.ascontiguousarray(ordered.reshape(2, n_gates * units, -1))

    # A second bias, of the recurrent part, is nothing.
    bias = np.zeros((2, 2 * n_gates * units), np.float32)
    bias[:, : n_gates * units] = _array(layer.bias[member])[:, _GATES].reshape(2, -1)
    outputs = graph(
        "LSTM",
        x,
        rows(layer.input_weights[member]),
        rows(layer.recurrent_weights[member]),
        bias,
        "",  # all sequences are of one length,
        "",  # and begin with no output
        "",  # and no state
        _array(layer.peepholes[member])[:, _PEEPHOLES].reshape(2, -1),
        direction="bidirectional",
        hidden_size=units,
    )  # (frames, directions, batch, units)
    return graph("Reshape", graph("Transpose", outputs, perm=[0, 2, 1, 3]), [0, 0, 2 * units])


def _array(tensor: Tensor) -> NDArray[np.float32]:
    found: NDArray[Any] = tensor.detach().cpu().numpy()
    return np.ascontiguousarray(found.astype(np.float32, copy=False))
