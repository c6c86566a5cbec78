"""Messages that no client of good will sends, for every method of the server."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection_pb2  # type: ignore[import-untyped]

from stemline.v1 import stemline_pb2 as pb

_SERVICE = "/stemline.v1.StemlineService"
_REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
REQUESTS: dict[str, type[Message]] = {
    f"{_SERVICE}/Separate": pb.SeparateRequest,
    f"{_SERVICE}/Beats": pb.BeatsRequest,
    f"{_SERVICE}/Analyze": pb.AnalyzeRequest,
    f"{_SERVICE}/ListModels": pb.ListModelsRequest,
    "/grpc.health.v1.Health/Check": health_pb2.HealthCheckRequest,
    "/grpc.health.v1.Health/Watch": health_pb2.HealthCheckRequest,
    _REFLECTION: reflection_pb2.ServerReflectionRequest,
}
"""Every method, and the message that it takes."""

_INTEGERS = (0, 1, -1, 2, 7, 44100, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 2**64 - 1)
_FLOATS = (0.0, -0.0, 1.0, 0.5, -1.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"))
_TEXTS = ("", "mini", "x", "../../etc/passwd", "/", "\0", "vocals", "💥" * 40, "a" * 5000, "%s%n")
_MOST_DEPTH = 6


@dataclass(frozen=True)
class HostileCall:
    """One call: what is sent, and when the client leaves."""

    method: str
    messages: tuple[bytes, ...]
    leaves_after: int | None
    """The client cancels after so many responses; None where it waits for the end."""


def hostile_calls(n_messages: int, seed: int) -> Iterator[HostileCall]:
    """Calls with so many messages in all."""
    dice = random.Random(seed)
    while n_messages > 0:
        method = dice.choice(list(REQUESTS))
        count = min(dice.choice((0, 1, 1, 2, 5, 30)), n_messages)
        messages = tuple(_message(method, dice) for _ in range(count))
        leaves = dice.choice((None, None, None, 0, 1))
        yield HostileCall(method, messages, leaves)
        n_messages -= max(count, 1)


def _message(method: str, dice: random.Random) -> bytes:
    """Bytes at random, or a message with anything in its fields, whole or damaged."""
    kind = dice.random()
    if kind < 0.15:
        return dice.randbytes(dice.choice((0, 1, 2, 10, 300)))
    data = filled(REQUESTS[method], dice).SerializeToString()
    if kind < 0.5 or not data:
        return data
    return _damaged(data, dice)


def _damaged(data: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(data))
    match dice.randrange(4):
        case 0:
            return data[:place]
        case 1:
            return data[:place] + dice.randbytes(4) + data[place:]
        case 2:
            return data + data[place:]
        case _:
            changed = bytearray(data)
            for _ in range(3):
                changed[dice.randrange(len(data))] = dice.randrange(256)
            return bytes(changed)


def filled(kind: type[Message], dice: random.Random, depth: int = 0) -> Message:
    """A message with some of its fields set, to anything that they can hold."""
    message = kind()
    for field in message.DESCRIPTOR.fields:
        if dice.random() < 0.4 or depth > _MOST_DEPTH:
            continue
        for _ in range(dice.choice((1, 1, 2, 20)) if field.is_repeated else 1):
            _fill(message, field, dice, depth)
    return message


def _fill(message: Any, field: Any, dice: random.Random, depth: int) -> None:
    if field.message_type is not None:
        target = getattr(message, field.name)
        inner = target.add() if field.is_repeated else target
        inner.CopyFrom(filled(type(inner), dice, depth + 1))
        if not field.is_repeated:
            inner.SetInParent()
        return
    try:
        if field.is_repeated:
            getattr(message, field.name).append(_value(field, dice))
        else:
            setattr(message, field.name, _value(field, dice))
    except ValueError:
        pass  # beyond what its width holds, or no text: another field will do


def _value(field: FieldDescriptor, dice: random.Random) -> object:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            is_bytes = field.type == FieldDescriptor.TYPE_BYTES
            return dice.randbytes(dice.choice((0, 1, 8, 800))) if is_bytes else dice.choice(_TEXTS)
        case FieldDescriptor.CPPTYPE_BOOL:
            return dice.random() < 0.5
        case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
            return dice.choice(_FLOATS)
        case _:
            return dice.choice(_INTEGERS)
