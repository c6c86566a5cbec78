"""A torch network to one ONNX file: `batch` is free, and of some networks the length too."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnx_ir
import torch
from torch import nn

from stemline.engines import TensorSpec
from stemline.engines.base import BATCH
from stemline.errors import OnnxExportError
from stemline.families.common.graph import MAX_FILE_BYTES, OPSET
from stemline.families.family import GraphTarget

from .winograd import winograd_convolutions

# A batch of 1 would be taken for a constant.
_TRACED_BATCH = 2
# The least length of the other free axes: the exporter would take 1 for a constant.
_LEAST_FREE = 2


def export_onnx(
    network: nn.Module,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    path: Path,
    metadata: Mapping[str, str] | None = None,
    *,
    traced: Mapping[str, int] | None = None,
    winograd: bool = True,
) -> int:
    """Write `network` to `path` with its weights inside.

    Parameters
    ----------
    network
        Takes its inputs by position, returns a tensor or a tuple; runs in evaluation mode and is
        left as it was.
    inputs, outputs
        Their names and axes in the file; the first axis is `batch`.
    metadata
        The file's `metadata_props`.
    traced
        Lengths that the free axes besides the batch have while the network is traced.
    winograd
        Whether convolutions are written as Winograd's where a CPU gains by it; never where an axis
        besides the batch is free.

    Returns
    -------
    int
        The number of convolutions written as Winograd's.

    Raises
    ------
    OnnxExportError, OSError
    """
    weights_bytes = sum(value.nbytes for value in network.state_dict().values())
    if weights_bytes >= MAX_FILE_BYTES:
        raise OnnxExportError(f"{weights_bytes} bytes of weights do not fit one ONNX file of 2 GB")
    lengths = {BATCH: _TRACED_BATCH, **(traced or {})}
    names = [tensor.name for tensor in outputs]
    program, n_winograd = _program(network, inputs, names, lengths, winograd and not traced)
    model = program.model
    for given, wanted in (
        *zip(model.graph.inputs, inputs, strict=True),
        *zip(model.graph.outputs, outputs, strict=True),
    ):
        _check_axes(given, wanted)
    _tidy_nodes(model)
    model.metadata_props.clear()
    model.metadata_props.update(metadata or {})
    model.producer_name = "stemline"
    with _quiet():
        program.save(path, external_data=False)
    del program, model
    onnx.checker.check_model(str(path))
    return n_winograd


def _tidy_nodes(model: Any) -> None:
    """Take from the nodes what is of the machine that exported, and names of inputs and outputs.

    What is between two nodes is named for its operator, such as `embedding`.
    """
    taken = {value.name: value for value in (*model.graph.inputs, *model.graph.outputs)}
    for node in model.graph.all_nodes():
        node.metadata_props.clear()  # stack traces
        for value in node.outputs:
            if taken.get(value.name, value) is not value:
                value.name = f"inner_{value.name}"


def _program(
    network: nn.Module,
    inputs: Sequence[TensorSpec],
    output_names: Sequence[str],
    lengths: Mapping[str, int],
    winograd: bool,
) -> tuple[torch.onnx.ONNXProgram, int]:
    """The exporter's program, and the number of its convolutions that are Winograd's."""
    shapes = [_shape(tensor, lengths) for tensor in inputs]
    dims: dict[str, Any] = {
        axis: torch.export.Dim(axis) if axis == BATCH else torch.export.Dim(axis, min=_LEAST_FREE)
        for axis in lengths
    }
    free = [
        {place: dims[axis] for place, axis in enumerate(tensor.shape) if isinstance(axis, str)}
        for tensor in inputs
    ]
    with contextlib.ExitStack() as undo:
        undo.enter_context(evaluating(network))
        undo.enter_context(torch.no_grad())
        n_winograd = 0
        if winograd:
            alone = [shape[1:] for shape in shapes]
            n_winograd = undo.enter_context(winograd_convolutions(network, alone))
        undo.enter_context(_quiet())
        program = torch.onnx.export(
            network,
            tuple(
                torch.zeros(shape, dtype=getattr(torch, tensor.dtype))
                for shape, tensor in zip(shapes, inputs, strict=True)
            ),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=tuple(free),
            input_names=[tensor.name for tensor in inputs],
            output_names=list(output_names),
            verbose=False,
        )
    if program is None:
        raise OnnxExportError("torch.onnx.export gave no graph")
    return program, n_winograd


def trace(network: nn.Module, target: GraphTarget, lengths: Mapping[str, int]) -> int:
    """Call `export_onnx` for a family; see `families.family.Trace`."""
    inputs, outputs = target.tensors.inputs, target.tensors.outputs
    return export_onnx(network, inputs, outputs, target.path, target.metadata, traced=lengths)


def _shape(tensor: TensorSpec, lengths: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(lengths[axis] if isinstance(axis, str) else axis for axis in tensor.shape)


def _check_axes(value: Any, wanted: TensorSpec) -> None:
    """Require numbers where numbers are wanted, and name the free axes.

    An output's length may come out as a formula of the inputs'; it then gets the name that stands
    for it.
    """
    axes = [axis if isinstance(axis, int) else str(axis) for axis in value.shape]
    fits = len(axes) == len(wanted.shape) and axes[0] == BATCH
    for place, (axis, name) in enumerate(zip(axes, wanted.shape, strict=False)):
        if isinstance(name, int):
            fits = fits and axis == name
        elif isinstance(axis, int):
            fits = False
        elif axis != name:
            value.shape[place] = onnx_ir.SymbolicDim(name)
    if not fits:
        raise OnnxExportError(
            f"{value.name} came out with the axes {axes}; wanted {list(wanted.shape)}"
        )


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put every submodule in evaluation mode, and afterwards each back in its own."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress and advice off the terminal; errors are raised as ever."""
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
