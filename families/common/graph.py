"""An ONNX graph written node by node, where what torch's exporter writes is too slow or not free.

Equal nodes and equal constants get one name, so that callers may write what does not depend on
weights again wherever they need it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from stemline.errors import OnnxExportError

# Not 18: from 20 on Gelu is one node. Before, it is several, which ONNX Runtime does not fuse here:
# profiled on one core, 4.8 s of a chunk of MDX23C in place of 2.8 s.
OPSET = 20
MAX_FILE_BYTES = 2**31 - 1
"""The most bytes that one protobuf message can hold."""
Value = str
"""The name of a node's output, or of a constant."""
Axes = tuple[int | str, ...]
"""The axes of an input or output; a free one has a name."""

# That of ONNX 1.15, which brought opset 20: runtimes of that time refuse newer ones.
_IR_VERSION = 9


class OnnxGraph:
    """A graph under construction: the nodes and constants written so far."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._known: dict[tuple[object, ...], Value] = {}
        self._axes: dict[Value, Axes] = {}

    def constant(self, value: NDArray[Any] | Sequence[int] | int) -> Value:
        """A constant: an array in its own dtype, or whole numbers as int64."""
        array = value if isinstance(value, np.ndarray) else np.array(value, np.int64)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            name = self._known[key] = f"constant_{len(self._constants)}"
            self._constants.append(numpy_helper.from_array(array, name))
        return self._known[key]

    def __call__(
        self, op: str, *inputs: Value | NDArray[Any] | Sequence[int] | int, **attributes: Any
    ) -> Value:
        """Add a node -> its output; inputs that are not values become constants."""
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        key = (op, *names, *sorted((key, repr(value)) for key, value in attributes.items()))
        if key not in self._known:
            name = self._known[key] = f"{op}_{len(self._nodes)}"
            self._nodes.append(helper.make_node(op, names, [name], name, **attributes))
        return self._known[key]

    def shape(self, *axes: Value | int) -> Value:
        """Scalars and numbers joined to the one vector that Reshape and Expand take."""
        return self(
            "Concat",
            *(self("Unsqueeze", axis, [0]) if isinstance(axis, str) else [axis] for axis in axes),
            axis=0,
        )

    def named(self, value: Value, *axes: int | str) -> Value:
        """The float32 `value`, with its axes stated where shape inference cannot find them.

        ONNX Runtime compares each tensor with all that are free, to take the memory of one of its
        shape. Where all shapes are unknown it never finds one, and takes minutes over a large
        graph before it runs.
        """
        self._axes[value] = axes
        return value

    def save(
        self,
        path: Path,
        inputs: Mapping[str, Axes],
        outputs: Mapping[str, tuple[Value, Axes]],
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write the model to `path` with its weights inside; inputs and outputs are float32.

        Raises OnnxExportError when it does not fit one file, or OSError.
        """
        n_bytes = sum(len(constant.raw_data) for constant in self._constants)
        if n_bytes >= MAX_FILE_BYTES:
            raise OnnxExportError(f"{n_bytes} bytes of weights do not fit one ONNX file of 2 GB")
        last = [
            helper.make_node("Identity", [value], [name], name)
            for name, (value, _) in outputs.items()
        ]
        float32 = TensorProto.FLOAT
        graph = helper.make_graph(
            [*self._nodes, *last],
            "network",
            [helper.make_tensor_value_info(name, float32, axes) for name, axes in inputs.items()],
            [
                helper.make_tensor_value_info(name, float32, axes)
                for name, (_, axes) in outputs.items()
            ],
            self._constants,
            value_info=[
                helper.make_tensor_value_info(name, float32, axes)
                for name, axes in self._axes.items()
            ],
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=_IR_VERSION,
            producer_name="stemline",
        )
        helper.set_model_props(model, dict(metadata or {}))
        onnx.save(model, str(path))
        onnx.checker.check_model(str(path))
