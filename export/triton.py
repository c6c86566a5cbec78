"""The `config.pbtxt` that makes an artifact's folder a model of a Triton server.

Field names: `ModelConfig` in Triton's model_config.proto.
"""

from collections.abc import Sequence

from stemline.engines import TensorSpec

MAX_BATCH_SIZE = 8
_TRITON_DTYPES = {"float32": "TYPE_FP32", "float16": "TYPE_FP16", "int64": "TYPE_INT64"}


def config_pbtxt(
    name: str,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    platform: str = "onnxruntime_onnx",
) -> str:
    """The configuration of the model `name`, which must also be its folder's name.

    With a `max_batch_size` Triton adds the batch axis itself: `dims` are those after it.
    """
    lines = [
        f'name: "{name}"',
        f'platform: "{platform}"',
        f"max_batch_size: {MAX_BATCH_SIZE}",
        *_tensors("input", inputs),
        *_tensors("output", outputs),
        # Chunks that wait together run together; none waits for others to come.
        "dynamic_batching { }",
    ]
    return "\n".join(lines) + "\n"


def _tensors(field: str, tensors: Sequence[TensorSpec]) -> list[str]:
    rows = []
    for tensor in tensors:
        dims = ", ".join(str(axis) if isinstance(axis, int) else "-1" for axis in tensor.shape[1:])
        dtype = _TRITON_DTYPES[tensor.dtype]
        rows.append(f'  {{ name: "{tensor.name}" data_type: {dtype} dims: [ {dims} ] }}')
    return [f"{field} [", ",\n".join(rows), "]"]
