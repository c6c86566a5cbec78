"""What follows the sound of a file whose header says where that ends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

from .byte_window import ByteWindow
from .part import MOST_CHUNKS
from .tags import tag_bytes

_HEAD_BYTES: Final = 32
_BEGINNINGS: Final = (
    b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"caff", b".snd", b"riff", b"fLaC", b"OggS",
)  # fmt: skip

ChunkSize = Callable[[bytes], int]
"""The size of the chunk that begins with these bytes, with its header; 0 where none does."""


@dataclass(frozen=True)
class Behind:
    """What is behind the sound of a file."""

    end: int
    """Of the chunks and tags that belong to it."""
    faults: tuple[str, ...]
    """A sentence without its subject, where more is there than that and padding."""


def what_is_behind(file: BinaryIO, start: int, end: int, chunk_size: ChunkSize) -> Behind:
    """Judge the bytes from `start` on, where the sound ends by the header.

    Chunks, tags and padding are meant to be there. A size that is too small, a second file and
    whatever was written behind the first are not: no decoder reads them, and some fail.
    """
    data = ByteWindow(file, end)
    at = start
    for _ in range(MOST_CHUNKS):
        # A chunk of odd length ends with a zero byte, which some programs leave out.
        if size := _size(data, at, chunk_size):
            at += size
        elif size := _size(data, at + 1, chunk_size):
            at += 1 + size
        else:
            break
    if not data.holds_more_than_blanks(at, end):
        return Behind(at, ())
    n_bytes = end - at
    if data.at(at, 4) in _BEGINNINGS:
        fault = f"holds another file of {n_bytes} bytes behind its sound, which is not read"
    else:
        fault = f"has {n_bytes} bytes behind its sound that are no part of it, which are not read"
    return Behind(at, (fault,))


def _size(data: ByteWindow, at: int, chunk_size: ChunkSize) -> int:
    head, left = data.at(at, _HEAD_BYTES), data.end - at
    if head[:4] in _BEGINNINGS:
        return 0
    if tag := tag_bytes(head, left):
        return tag
    size = chunk_size(head)
    return size if size <= left else 0


def is_name(name: bytes) -> bool:
    """Whether these can be the four letters of a chunk."""
    return len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name)
