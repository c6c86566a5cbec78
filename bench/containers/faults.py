"""What is wrong with files that people have, one thing at a time."""

from collections.abc import Callable
from typing import Final

import numpy as np

from .header_lengths import HEADER_LENGTHS, Length
from .kinds import KINDS
from .making import Samples

JOINED: Final = "joined twice"
NONE: Final = "none"
_HOLE_BYTES: Final = 3000
_TAG: Final = b"ID3\3\0\0\0\0\x17\x38" + bytes(3000)  # 0x17, 0x38: 3000 in seven bits a byte
_HTTP: Final = b"ICY 200 OK\r\nicy-name: radio\r\nContent-Type: audio/mpeg\r\n\r\n"
_CUT: Final = 0.6

Fault = Callable[[str, bytes, Samples], bytes | None]
"""The kind, a good file of it and a second song → the file with the fault, None for no such."""


def _said(share: Length) -> Fault:
    def with_length(kind: str, data: bytes, second: Samples) -> bytes | None:
        change = HEADER_LENGTHS.get(kind)
        return None if change is None else change(data, share)

    return with_length


def _killed(kind: str, data: bytes, second: Samples) -> bytes | None:
    """A header that was not come back to, and an end in the middle of something."""
    change = HEADER_LENGTHS.get(kind)
    return None if change is None else change(data, 0)[: int(len(data) * _CUT)]


def _noise(n_bytes: int) -> bytes:
    return np.random.default_rng(0).bytes(n_bytes)


def _overwritten(data: bytes, hole: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + hole + data[middle + _HOLE_BYTES :]


FAULTS: Final[dict[str, Fault]] = {
    NONE: lambda kind, data, second: data,
    "length not said": _said(None),
    "length 0": _said(0),
    "length half": _said(0.5),
    "length double": _said(2),
    "killed writer": _killed,
    JOINED: lambda kind, data, second: data + KINDS[kind].make(second),
    "tag in front": lambda kind, data, second: _TAG + data,
    "text in front": lambda kind, data, second: _HTTP + data,
    "zeros in front": lambda kind, data, second: bytes(4096) + data,
    "cut at 60 %": lambda kind, data, second: data[: int(len(data) * _CUT)],
    "bytes missing": lambda kind, data, second: _overwritten(data, b""),
    "zeros within": lambda kind, data, second: _overwritten(data, bytes(_HOLE_BYTES)),
    "noise within": lambda kind, data, second: _overwritten(data, _noise(_HOLE_BYTES)),
    "tag behind": lambda kind, data, second: data + b"TAG" + b"x" * 125,
    "noise behind": lambda kind, data, second: data + _noise(5000),
}
