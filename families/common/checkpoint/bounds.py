"""What a checkpoint asks of memory, looked at before it is taken: no more than the file is long.

A file of a few kilobytes can ask for all the memory there is: by compression, by tensors whose
strides repeat one number, by entries of an archive that lie upon each other.
"""

import mmap
import zipfile
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from stemline.errors import CheckpointError

_HINT = "save it anew with torch.save, or fetch it again"
# What torch makes of it when called with a number: so many zeros, at once.
_BYTEARRAYS = (b"c__builtin__\nbytearray\n", b"cbuiltins\nbytearray\n")
# Objects take up to some fifty times the bytes that describe them; those of the largest official
# checkpoint have 2 MB.
_MOST_PICKLE_BYTES = 64 << 20
# Tied weights stand in a file once and in the state dict several times; float16 becomes float32.
_MOST_TIMES = 4
_SLACK_BYTES = 1 << 20


def check_file(path: Path, is_zip: bool) -> None:
    """Raise CheckpointError for a file of torch's that would take more memory than it is long."""
    if is_zip:
        _check_entries(path)
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


def check_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise CheckpointError for tensors that are many times what the file has in numbers.

    The tensors are those of a file as it was read: nothing of them was copied yet.
    """
    sizes = {key: tensor.numel() * tensor.element_size() for key, tensor in tensors.items()}
    n_bytes, n_file_bytes = sum(sizes.values()), path.stat().st_size
    if n_bytes > _MOST_TIMES * n_file_bytes + _SLACK_BYTES:
        largest = max(sizes, key=lambda key: sizes[key])
        raise CheckpointError(
            f"{path} is refused: its tensors would take {n_bytes} bytes, {largest} of shape "
            f"{tuple(tensors[largest].shape)} the most, and the file has {n_file_bytes}; {_HINT}"
        )
