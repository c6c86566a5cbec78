"""Lone `.onnx` files that did harm, or could, each named by the attack, made of a good one."""

from collections.abc import Callable
from pathlib import Path

import onnx
from onnx import ModelProto, TensorProto

Change = Callable[[ModelProto], None]


def _text_that_is_none(model: ModelProto) -> bytes:
    """A name of an input that is no UTF-8."""
    name = model.graph.input[0].name.encode()
    return model.SerializeToString().replace(name, b"\xff" * len(name))


def _endless_fields(model: ModelProto) -> bytes:
    """Ten million fields of two bytes before the graph."""
    return b"\x08\x01" * 10_000_000 + model.SerializeToString()


def _much_metadata(model: ModelProto) -> bytes:
    """An entry of a megabyte, 20 times; it could be a million times."""
    data = model.SerializeToString()
    for number in range(20):
        one = onnx.StringStringEntryProto(key=str(number), value="x" * ((1 << 20) - 100))
        body = one.SerializeToString()
        data += b"\x72" + _varint(len(body)) + body
    return data


def _varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _changed(change: Change) -> Callable[[ModelProto], bytes]:
    def make(model: ModelProto) -> bytes:
        change(model)
        return model.SerializeToString()

    return make


def _shape_without_end(model: ModelProto) -> None:
    model.graph.initializer[0].dims[0] = 2**40


def _negative_shape(model: ModelProto) -> None:
    model.graph.initializer[0].dims[0] = -1


def _external(location: str) -> Change:
    def change(model: ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "16")):
            tensor.external_data.add(key=key, value=value)

    return change


def _no_such_operator(model: ModelProto) -> None:
    model.graph.node[0].op_type = "💥"


def _cycle(model: ModelProto) -> None:
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]


def _two_of_one_name(model: ModelProto) -> None:
    model.graph.initializer.append(model.graph.initializer[0])


def _no_outputs(model: ModelProto) -> None:
    del model.graph.output[:]


def _other_input(model: ModelProto) -> None:
    shape = model.graph.input[0].type.tensor_type.shape
    shape.dim[-1].dim_value = 7


def _doubles(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE


HOSTILE: dict[str, Callable[[ModelProto], bytes]] = {
    "text_that_is_none": _text_that_is_none,
    "endless_fields": _endless_fields,
    "much_metadata": _much_metadata,
    "shape_without_end": _changed(_shape_without_end),
    "negative_shape": _changed(_negative_shape),
    "external_above": _changed(_external("../../../../etc/passwd")),
    "external_absolute": _changed(_external("/dev/zero")),
    "no_such_operator": _changed(_no_such_operator),
    "cycle": _changed(_cycle),
    "two_of_one_name": _changed(_two_of_one_name),
    "no_outputs": _changed(_no_outputs),
    "other_input": _changed(_other_input),
    "doubles": _changed(_doubles),
}


def write(path: Path, good: Path, name: str) -> None:
    """One of `HOSTILE`, made of a good file."""
    path.write_bytes(HOSTILE[name](onnx.load(good)))
