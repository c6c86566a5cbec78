"""A torch network to one ONNX file, with `batch` its only free axis."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from stemline.engines.base import BATCH

from .config import INPUT, OUTPUT
from .networks.winograd import winograd_convolutions

# Not 18: from 20 on Gelu is one node. Before, it is several, which ONNX Runtime does not fuse here:
# profiled on one core, 4.8 s of a chunk of MDX23C in place of 2.8 s.
OPSET = 20
MAX_FILE_BYTES = 2**31 - 1
"""What one protobuf message can hold."""
# A batch of 1 would be taken for a constant.
_TRACED_BATCH = 2


class OnnxExportError(RuntimeError):
    """The exporter's graph is not what an artifact must be."""


def export_onnx(
    network: nn.Module,
    input_shape: tuple[int, ...],
    path: Path,
    metadata: Mapping[str, str] | None = None,
    *,
    input_name: str = INPUT,
    output_name: str = OUTPUT,
    winograd: bool = True,
) -> int:
    """Write `network`, of one input and one output, to `path` with its weights inside.

    `input_shape` is without the batch. Where a CPU gains by it, convolutions are written as
    Winograd's, unless `winograd` is False; gives back how many. The network runs in evaluation
    mode and is left as it was. Raises OnnxExportError or OSError.
    """
    weights_bytes = sum(value.nbytes for value in network.state_dict().values())
    if weights_bytes >= MAX_FILE_BYTES:
        raise OnnxExportError(f"{weights_bytes} bytes of weights do not fit one ONNX file of 2 GB")
    example = torch.zeros(_TRACED_BATCH, *input_shape)
    with contextlib.ExitStack() as undo:
        undo.enter_context(evaluating(network))
        undo.enter_context(torch.no_grad())
        n_winograd = (
            undo.enter_context(winograd_convolutions(network, input_shape)) if winograd else 0
        )
        undo.enter_context(_quiet())
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=({0: torch.export.Dim(BATCH)},),
            input_names=[input_name],
            output_names=[output_name],
            verbose=False,
        )
    if program is None:
        raise OnnxExportError("torch.onnx.export gave no graph")
    model = program.model
    for value in (*model.graph.inputs, *model.graph.outputs):
        _check_axes(value)
    for node in model.graph.all_nodes():
        node.metadata_props.clear()  # stack traces of the machine that exported
    model.metadata_props.clear()
    model.metadata_props.update(metadata or {})
    model.producer_name = "stemline"
    with _quiet():
        program.save(path, external_data=False)
    del program, model
    onnx.checker.check_model(str(path))
    return n_winograd


def _check_axes(value: Any) -> None:
    axes = [axis if isinstance(axis, int) else str(axis) for axis in value.shape]
    if axes[0] != BATCH or not all(isinstance(axis, int) for axis in axes[1:]):
        raise OnnxExportError(
            f"{value.name} came out with the axes {axes}; only the first may be free, as {BATCH!r}"
        )


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Every submodule in evaluation mode, and afterwards each in the mode it was in."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's progress and advice kept off the terminal; what fails is raised."""
    levels = {name: logging.getLogger(name).level for name in ("torch.onnx", "onnxscript")}
    try:
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
