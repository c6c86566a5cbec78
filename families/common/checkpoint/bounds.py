"""What a checkpoint asks of memory, looked at before it is taken: no more than the file is long.

A file of a few kilobytes can ask for all the memory there is: by compression, by tensors whose
strides repeat one number, by entries of an archive that lie upon each other.
"""

import io
import mmap
import pickle
import zipfile
from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor, nn

from stemline.errors import CheckpointError

from .pickle_tuples import check_tuples

_HINT = "save it anew with torch.save, or fetch it again"
# What torch makes of it when called with a number: so many zeros, at once.
_BYTEARRAYS = (b"c__builtin__\nbytearray\n", b"cbuiltins\nbytearray\n")
# Objects take up to some fifty times the bytes that describe them; those of the largest official
# checkpoint have 2 MB.
_MOST_PICKLE_BYTES = 64 << 20
_MOST_NAMES = 16  # of one tensor
_N_PICKLES = 5  # before the numbers: what it is, its version, the machine, the objects, their keys


def check_file(path: Path, is_zip: bool) -> None:
    """Raise CheckpointError for a file of torch's that would take more memory than it is long."""
    if is_zip:
        _check_entries(path)
    else:
        _check_pickles(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if any(data.find(call) >= 0 for call in _BYTEARRAYS):
            raise CheckpointError(f"{path} is refused: it makes a bytearray, which no weights need")


def _check_entries(path: Path) -> None:
    """The entries of the archive: as they are written by torch, and not more than the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return  # torch has the words for it
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED:
            raise CheckpointError(
                f"{path} is refused: its entry {entry.filename[:200]} is compressed, which torch "
                f"never writes and does not read right; {_HINT}"
            )
        if entry.filename.endswith(".pkl") and entry.file_size > _MOST_PICKLE_BYTES:
            raise CheckpointError(
                f"{path} is refused: what describes its weights has {entry.file_size} bytes; at "
                f"most {_MOST_PICKLE_BYTES} are read"
            )
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise CheckpointError(f"{path} is refused: its entries lie upon each other; {_HINT}")
    _check_described(path, entries)


def _check_described(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """The pickles of an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            pickled = [archive.read(entry) for entry in entries if entry.filename.endswith(".pkl")]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError):
        return
    for data in pickled:
        _check_tuples(path, io.BytesIO(data))


def _check_pickles(path: Path) -> None:
    """The pickles that a file of torch's before version 1.6 begins with."""
    with path.open("rb") as file:
        data = io.BytesIO(file.read(_MOST_PICKLE_BYTES))
        is_all = not file.read(1)
    for _ in range(_N_PICKLES):
        if not _check_tuples(path, data):
            break
    if not is_all and data.tell() == _MOST_PICKLE_BYTES:
        raise CheckpointError(
            f"{path} is refused: what describes its weights has over {_MOST_PICKLE_BYTES} bytes"
        )


def _check_tuples(path: Path, data: BinaryIO) -> bool:
    """Whether there is a whole pickle. Raises CheckpointError for tuples that kill who reads it."""
    try:
        check_tuples(data)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path} is refused: {error}") from error
    except ValueError:  # torch has the words for it
        return False
    return True


class FileTensors:
    """The tensors of one file, each checked to be plain; together no more than the file is long.

    A pickle can say that one number is a tensor of a terabyte, or name a tensor a million times.
    Weights that are tied stand in a file once, and in the state dict under a few keys: they count
    once, and are one tensor.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._n_bytes_left = path.stat().st_size
        self._made: dict[Hashable, Tensor] = {}
        self._n_names: Counter[Hashable] = Counter()

    def plain(self, key: str, value: object) -> Tensor:
        """A tensor of memory of its own, real numbers as float32.

        What the file was read as must live as long as this. Raises CheckpointError for what is no
        plain tensor of real numbers, and for more numbers than the file holds.
        """
        if type(value) not in (Tensor, nn.Parameter) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"{self._path} holds no state dict: {key!r:.100} is a {type(value).__name__}, not "
                "a tensor"
            )
        if (
            value.layout != torch.strided
            or value.device.type != "cpu"
            or value.is_quantized
            or value.is_complex()
        ):
            raise CheckpointError(f"{self._path}: {key!r:.100} is no plain tensor of real numbers")
        view = (value.data_ptr(), value.dtype, value.shape, value.stride())
        self._n_names[view] += 1
        if view not in self._made:
            self._n_bytes_left -= value.numel() * value.element_size()
        if self._n_bytes_left < 0 or self._n_names[view] > _MOST_NAMES:
            raise CheckpointError(
                f"{self._path} claims more numbers than it holds, at {key!r:.100} of shape "
                f"{tuple(value.shape)}; {_HINT}"
            )
        if view not in self._made:
            own = value.detach().contiguous()
            self._made[view] = own.float() if own.is_floating_point() else own
        return self._made[view]
