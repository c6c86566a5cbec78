"""Read a network of madmom's as data: every class and function it names is replaced by a stand-in.

madmom keeps its networks as pickles, and a pickle calls what it names. Ours may name the few
classes, functions and array types below and none is the real thing, so nothing in the file is
run, and madmom need not be imported.
"""

import io
import math
import pickle
import pickletools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from stemline.errors import CheckpointError

from ...common.checkpoint.pickle_tuples import check_tuples

_MAX_BYTES = 64 << 20
"""The most bytes of a file; madmom's have 0.4 MB."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function that a file names: it can be compared with another, and does nothing."""

    name: str

    def __call__(self, *_: object) -> NoReturn:
        """Raise UnpicklingError: networks name their functions, they never call them."""
        raise pickle.UnpicklingError(f"{self.name} is called")

    def __setstate__(self, _: object) -> NoReturn:
        """Raise UnpicklingError, as above."""
        raise pickle.UnpicklingError(f"{self.name} is changed")


class Part:
    """An object of a class of madmom's: what its fields hold, and nothing of what it does."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}

    def __new__(cls) -> "Part":
        """Take no arguments: madmom's networks are made without."""
        part = super().__new__(cls)
        part.fields = {}
        return part

    def __setstate__(self, state: object) -> None:
        """Take over the fields. Raises UnpicklingError when they are none."""
        if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
            raise pickle.UnpicklingError("an object's state is no mapping of names")
        self.fields = state


class Network(Part):
    """Layers, one after the other."""


class Bidirectional(Part):
    """Two layers, forwards and backwards in time."""


class Lstm(Part):
    """Gates and a cell."""


class Gate(Part):
    """Weights and peepholes."""


class Cell(Part):
    """Weights alone."""


class FeedForward(Part):
    """Weights and a function."""


class ArrayPart:
    """An array of float32 or float64, of which the contents may still be to come."""

    def __init__(self) -> None:
        self.value: NDArray[np.float32] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take over (version, shape, dtype, whether column by column, bytes)."""
        _, shape, dtype, by_column, data = state
        if not isinstance(dtype, _Dtype):
            raise pickle.UnpicklingError("an array is of no dtype")
        if isinstance(data, str):  # Python 2 made no difference between bytes and text
            data = data.encode("latin1")
        if len(data) != math.prod(shape) * dtype.dtype.itemsize:
            raise pickle.UnpicklingError("an array has other bytes than its shape wants")
        flat = np.frombuffer(data, dtype.dtype)
        self.value = flat.reshape(shape, order="F" if by_column else "C").astype(np.float32)


class _Ndarray:
    """`numpy.ndarray`, which the file names and hands on."""

    def __setstate__(self, _: object) -> NoReturn:
        raise pickle.UnpicklingError("numpy.ndarray is changed")


class _Dtype:
    """`numpy.dtype` of a number with a fraction: by name, then by byte order."""

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or not re.fullmatch("f[48]", code):
            raise pickle.UnpicklingError("an array holds no float32 or float64")
        self.dtype: np.dtype[Any] = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("an array's byte order is none")
        self.dtype = self.dtype.newbyteorder(state[1])


class _Reconstruct:
    """`numpy.core.multiarray._reconstruct`: an array whose contents come later."""

    __slots__ = ()

    def __call__(self, kind: object, *_: object) -> ArrayPart:
        if kind is not _Ndarray:
            raise pickle.UnpicklingError("an array is of no known kind")
        return ArrayPart()

    def __setstate__(self, _: object) -> NoReturn:
        raise pickle.UnpicklingError("numpy's _reconstruct is changed")


SIGMOID, TANH, SOFTMAX = (Function(name) for name in ("sigmoid", "tanh", "softmax"))

_NAMES: dict[str, object] = {
    "madmom.ml.nn.NeuralNetwork": Network,
    "madmom.ml.nn.layers.BidirectionalLayer": Bidirectional,
    "madmom.ml.nn.layers.LSTMLayer": Lstm,
    "madmom.ml.nn.layers.Gate": Gate,
    "madmom.ml.nn.layers.Cell": Cell,
    "madmom.ml.nn.layers.FeedForwardLayer": FeedForward,
    "madmom.ml.nn.activations.sigmoid": SIGMOID,
    "madmom.ml.nn.activations.tanh": TANH,
    "madmom.ml.nn.activations.softmax": SOFTMAX,
    "numpy.core.multiarray._reconstruct": _Reconstruct(),
    "numpy._core.multiarray._reconstruct": _Reconstruct(),
    "numpy.ndarray": _Ndarray,
    "numpy.dtype": _Dtype,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        found = _NAMES.get(f"{module_name}.{global_name}")
        if found is None:
            raise pickle.UnpicklingError(
                f"it uses {module_name}.{global_name}, which no network of madmom's needs, and "
                "which could run code"
            )
        return found


def _check_operations(data: bytes) -> None:
    """Refuse what would harm the reader itself.

    That is places of a pickle's memory that it has no objects for, for all up to them are made;
    and tuples within tuples, whose hash would overflow the stack or take years.

    Raises UnpicklingError, and ValueError where the pickle is cut short.
    """
    check_tuples(data)
    for opcode, argument, _ in pickletools.genops(data):
        is_place = opcode.name in ("PUT", "BINPUT", "LONG_BINPUT")
        if is_place and (argument is None or argument > len(data)):
            raise pickle.UnpicklingError("it asks for more memory than it can use")


# What the reader raises for a file that is cut short, damaged or made to do harm.
_DAMAGED = (
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


def load_inert(path: Path) -> object:
    """What a pickle of madmom's holds: Parts, arrays, containers, numbers, text; nothing runs.

    Raises CheckpointError: no such file, empty, cut short, no pickle, or names in it that a
    network of madmom's does not have.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise CheckpointError(f"{path} is refused: no network of madmom's is as large")
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    try:
        _check_operations(data)
        return _Unpickler(io.BytesIO(data), encoding="latin1").load()
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path} is refused: {error}; install madmom again") from error
    except _DAMAGED as error:
        raise CheckpointError(
            f"{path} is no network of madmom's, or is cut short; install madmom again"
        ) from error
