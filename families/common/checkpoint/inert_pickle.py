"""Load a file of torch's as data: nothing that it names is run.

Such a file is a pickle, and a pickle calls what it names. torch's reader for files of unknown
origin (`weights_only`) makes tensors and plain containers and refuses all other names. The few more
that checkpoints have are given to it here, and none is the real thing: numbers of numpy, such as
training loops keep beside the weights, become Python's, and numpy's arrays nothing at all.
"""

import pickle
import re
import struct
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stemline.errors import CheckpointError

from .bounds import check_file

Names = Sequence[Callable[..., Any] | tuple[Callable[..., Any], str]]
"""What stands in for a name in a file, and that name where it is not its own."""

_ZIP_MAGIC = b"PK\x03\x04"
# torch keeps its list of names for the whole process: two readers would empty it for each other.
_ONE_AT_A_TIME = threading.Lock()


def _no_other(_: str) -> None:
    """No other names than those that are listed."""


def load_inert(
    path: Path,
    kind: str = "checkpoint",
    names: Names = (),
    other: Callable[[str], Callable[..., Any] | None] = _no_other,
) -> object:
    """What a file holds: tensors, containers, numbers, text, and what `names` makes; nothing runs.

    `kind` is what the file should be, for errors; `names` are those it may use besides numpy's, and
    `other` has what stands in for one name more, None where it is to be refused.

    Raises CheckpointError: no such file, empty, cut short, no file of torch's, or with other names.
    """
    is_zip = first_bytes(path) == _ZIP_MAGIC
    check_file(path, is_zip)
    known = [*_NUMPY, *names]
    unreadable = f"no {kind.split()[-1]} torch can read, or is cut short; fetch it again"
    try:
        with _ONE_AT_A_TIME, torch.serialization.safe_globals(known), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of storages that will be gone one day
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        name = _unknown_name(str(error))
        stand_in = other(name) if name else None
        if stand_in is not None:
            return load_inert(path, kind, (*names, (stand_in, name)))
        reason = _refusal(str(error), kind) or f"it is {unreadable}"
        raise CheckpointError(f"{path} is refused: {reason}") from error
    except _DAMAGED as error:
        raise CheckpointError(f"{path} is {unreadable}") from error


def first_bytes(path: Path) -> bytes:
    """The first bytes of a file. Raises CheckpointError when it cannot be read, or is empty."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_ZIP_MAGIC))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    if not start:
        raise CheckpointError(f"{path} is empty; fetch it again")
    return start


# What torch's reader, and what it calls, raise for a file that is cut short, damaged or something
# else altogether.
_DAMAGED = (
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


def _unknown_name(message: str) -> str:
    """The name that torch's message refuses; empty where it is about something else."""
    named = re.search(r"GLOBAL ([\w.]{1,100})", message)
    return named[1] if named else ""


def _refusal(message: str, kind: str) -> str:
    """The short form of torch's long message; empty where the file is merely damaged."""
    if name := _unknown_name(message):
        return f"it uses {name}, which no {kind} needs, and which could run code"
    if any(words in message for words in ("reduce for", "create new object", "only build")):
        return f"it makes objects that no {kind} needs, and which could run code"
    if any(words in message for words in ("Unsupported global", "Unsupported class")):
        return "it holds more than tensors, and what else it holds could run code"
    return ""


_CODES = "b1|f[248]|c(8|16)|[iu][1248]|[SU][0-9]{1,6}"


class _Dtype:
    """`numpy.dtype` of numbers or text, made as its pickle does: by name, then by byte order."""

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or not re.fullmatch(_CODES, code):
            raise ValueError("no dtype of numbers or text")
        self.dtype: np.dtype[Any] = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|", "="):
            raise ValueError("no byte order")
        self.dtype = self.dtype.newbyteorder(state[1])


def _scalar(dtype: _Dtype, data: bytes) -> bool | int | float | complex | str | bytes:
    """A number or a text of numpy's, as Python's."""
    if not isinstance(dtype, _Dtype) or len(data) != dtype.dtype.itemsize:
        raise ValueError("neither a number nor a text")
    value: bool | int | float | complex | str | bytes = np.frombuffer(data, dtype.dtype)[0].item()
    return value


class NumpyArray:
    """An array of numpy's in a file, of which nothing is kept: metrics, never weights."""

    def __init__(self, *_: object) -> None:
        """Take what `numpy.ndarray` is made with."""

    def __setstate__(self, _: object) -> None:
        """Drop the contents."""


def _reconstruct(kind: object, *_: object) -> NumpyArray:
    """`numpy.core.multiarray._reconstruct`: an array whose contents come later."""
    if kind is not NumpyArray:
        raise ValueError("no array of numpy's")
    return NumpyArray()


_NUMPY: Names = (
    (_Dtype, "numpy.dtype"),
    (NumpyArray, "numpy.ndarray"),
    *(
        (stand_in, f"numpy.{module}.multiarray.{name}")
        for module in ("core", "_core")
        for stand_in, name in ((_scalar, "scalar"), (_reconstruct, "_reconstruct"))
    ),
)
