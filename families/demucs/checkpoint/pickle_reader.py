"""Load a Demucs `.th` as data: every class and function it names is replaced by a stand-in.

A `.th` is a pickle, and a pickle calls what it names. torch's reader for files of unknown origin
(`weights_only`) makes tensors and plain containers and refuses all other names. The few more that
a Demucs package has are given to it here, and none is the real thing: a class becomes its own
name, numbers of numpy and fractions become Python's.
"""

import pickle
import re
import struct
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch

from stemline.errors import CheckpointError

_ZIP_MAGIC = b"PK\x03\x04"
# torch keeps its list of names for the whole process: two readers would empty it for each other.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class ClassName:
    """A class that a file names: it can be compared with another, and does nothing."""

    dotted: str

    def __call__(self, *_: object) -> NoReturn:
        """Raise UnpicklingError: packages name classes, they never make objects of them."""
        raise pickle.UnpicklingError(f"GLOBAL {self.dotted} is called")


def load_inert(path: Path) -> object:
    """What a `.th` holds: tensors, containers, numbers, text and ClassNames; nothing in it runs.

    Raises CheckpointError: no such file, empty, cut short, no pickle of torch's, or names in it
    that a Demucs package does not have.
    """
    is_zip = first_bytes(path) == _ZIP_MAGIC
    try:
        with _ONE_AT_A_TIME, torch.serialization.safe_globals(_NAMES), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of storages that will be gone one day
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path} is refused: {_refusal(str(error))}") from error
    except _DAMAGED as error:
        raise CheckpointError(f"{path} is {_NO_PACKAGE}") from error


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


_NO_PACKAGE = "no package torch can read, or is cut short; fetch it again"
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


def _refusal(message: str) -> str:
    """The short form of torch's long message."""
    named = re.search(r"GLOBAL ([\w.]{1,100})", message)
    if named:
        return f"it uses {named[1]}, which no Demucs package needs, and which could run code"
    if any(words in message for words in ("reduce for", "create new object", "only build")):
        return "it makes objects that no Demucs package needs, and which could run code"
    return f"it is {_NO_PACKAGE}"


def fraction(*parts: object) -> Fraction:
    """`fractions.Fraction` as it pickles itself: "39/5", or since Python 3.11 (39, 5).

    Nothing else: Fraction("1e999999999") would fill the memory.
    """
    match parts:
        case (str() as text,) if re.fullmatch(r"-?[0-9]{1,18}(/[1-9][0-9]{0,17})?", text):
            return Fraction(text)
        case (int() as over, int() as under) if under > 0 and max(abs(over), under) < 1 << 64:
            return Fraction(over, under)
    raise ValueError("no fraction")


class _Dtype:
    """`numpy.dtype` of a number, made as its pickle does: by name, then by byte order."""

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or not re.fullmatch("b1|f[248]|[iu][1248]", code):
            raise ValueError("no number's dtype")
        self.dtype: np.dtype[Any] = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|", "="):
            raise ValueError("no byte order")
        self.dtype = self.dtype.newbyteorder(state[1])


def _scalar(dtype: _Dtype, data: bytes) -> bool | int | float:
    """A number of numpy's, as Python's."""
    if not isinstance(dtype, _Dtype) or len(data) != dtype.dtype.itemsize:
        raise ValueError("no number")
    number: bool | int | float = np.frombuffer(data, dtype.dtype)[0].item()
    return number


def _class_names() -> list[tuple[Callable[..., Any], str]]:
    names = (
        "demucs.htdemucs.HTDemucs",
        "demucs.hdemucs.HDemucs",
        "demucs.demucs.Demucs",
        "diffq.diffq.DiffQuantizer",
    )
    return [(ClassName(name), name) for name in names]


# What the official packages name, beside tensors and containers, and what they get instead.
_NAMES: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    *_class_names(),
    (fraction, "fractions.Fraction"),
    (_Dtype, "numpy.dtype"),
    (_scalar, "numpy.core.multiarray.scalar"),
    (_scalar, "numpy._core.multiarray.scalar"),
]
