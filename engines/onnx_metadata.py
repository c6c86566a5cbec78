"""Read an ONNX file's `metadata_props` without loading its weights, and without the onnx package.

An ONNX file is one protobuf message, ModelProto. Field 14 holds repeated
StringStringEntryProto {1: key, 2: value}; field 7 holds the graph with its weights, which is
skipped by its length. Source: onnx.proto3 of the ONNX specification.
"""

import os
from pathlib import Path
from typing import BinaryIO

from stemline.errors import ArtifactError

_GRAPH_FIELD = 7
_METADATA_FIELD = 14
_MAX_ENTRY_BYTES = 1 << 20
_MAX_METADATA_BYTES = 16 << 20
_MAX_FIELDS = 100_000  # a field may be two bytes long, and the file some gigabytes
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def read_onnx_metadata(path: Path) -> dict[str, str]:
    """The `metadata_props` of an ONNX file.

    Raises ArtifactError when the file is missing, is no ONNX file, or is truncated.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            metadata, has_graph = _scan(file, size)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error
    except (EOFError, ValueError) as error:
        raise ArtifactError(f"{path} is no ONNX file, or is damaged: {error}") from error
    if not has_graph:
        raise ArtifactError(f"{path} is no ONNX file: it holds no graph")
    return metadata


def _scan(file: BinaryIO, size: int) -> tuple[dict[str, str], bool]:
    metadata: dict[str, str] = {}
    has_graph = False
    n_fields = n_bytes = 0
    while file.tell() < size:
        n_fields += 1
        if n_fields > _MAX_FIELDS:
            raise ValueError(f"it has more than {_MAX_FIELDS} fields")
        tag = _varint(file)
        field, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            _varint(file)
        elif wire == _FIXED64:
            file.seek(8, os.SEEK_CUR)
        elif wire == _FIXED32:
            file.seek(4, os.SEEK_CUR)
        elif wire == _LENGTH:
            length = _varint(file)
            if file.tell() + length > size:
                raise EOFError("it is cut short")
            if field == _METADATA_FIELD:
                n_bytes += length
                if n_bytes > _MAX_METADATA_BYTES:
                    raise ValueError(f"it has more than {_MAX_METADATA_BYTES} bytes of metadata")
                key, value = _entry(_exactly(file, length))
                metadata[key] = value
            else:
                has_graph = has_graph or field == _GRAPH_FIELD
                file.seek(length, os.SEEK_CUR)
        else:
            raise ValueError(f"unknown wire type {wire}")
    return metadata, has_graph


def _entry(data: bytes) -> tuple[str, str]:
    """A StringStringEntryProto: field 1 is the key, field 2 the value."""
    parts = {1: "", 2: ""}
    position = 0
    while position < len(data):
        tag, position = _varint_at(data, position)
        if tag & 7 != _LENGTH:
            raise ValueError("a metadata entry is malformed")
        length, position = _varint_at(data, position)
        parts[tag >> 3] = data[position : position + length].decode()
        position += length
    return parts[1], parts[2]


def _exactly(file: BinaryIO, n_bytes: int) -> bytes:
    if n_bytes > _MAX_ENTRY_BYTES:
        raise ValueError(f"a metadata entry of {n_bytes} bytes")
    data = file.read(n_bytes)
    if len(data) != n_bytes:
        raise EOFError("it is cut short")
    return data


def _varint(file: BinaryIO) -> int:
    value = shift = 0
    while shift < 64:
        (byte,) = file.read(1) or (None,)
        if byte is None:
            raise EOFError("it is cut short")
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7
    raise ValueError("a number runs over 64 bits")


def _varint_at(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data) and shift < 64:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("a metadata entry is malformed")
