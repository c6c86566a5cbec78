"""AIFF, CAF, W64 and AU: what their headers announce, and whose channels are whose.

Sources: Apple's AIFF-C draft and Core Audio Format specification, Sony's Wave64, Sun's audio(5).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from stemline.preprocessing.speakers import Speakers, of_mask

from .apple_layout import apple_layout
from .behind import Behind, ChunkSize, is_name, what_is_behind
from .byte_ranges import Range
from .libsndfile import part_of
from .part import MOST_CHUNKS, UNFINISHED, Contents, EndlessError

_W64_DATA: Final = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
_W64_FMT: Final = b"fmt \xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
# What programs write for the size of what goes into a pipe: sox 0x7F000000, others near 2^32.
_LEAST_OPEN_SIZES: Final = {b"FORM": 0x7EFFFFFF}
_Chunk = tuple[bytes, int, int]
"""A name, the first byte of the body and the size in the header."""


@dataclass
class _Header:
    """What the chunks say."""

    layout: Speakers | None = None
    mask: int = 0
    n_announced: int | None = None
    """Samples, where a field says so."""
    frame_bytes: int = 0
    """Of a sample of every channel, where the format says so in whole bytes."""
    data_bytes: int = 0
    there_bytes: int = 0
    """Of the data, how many are in the file."""
    data_start: int = 0
    data_end: int = 0
    """By the header; 0 where it has no data."""
    is_empty: bool = False
    """Whether it says that there is data, and none of it."""

    def speakers(self, channels: int) -> Speakers | None:
        if self.layout is not None:
            return self.layout if len(self.layout) == channels else None
        return of_mask(self.mask, channels)


def chunked_contents(file: BinaryIO, start: int, end: int, magic: bytes) -> Contents:
    """The one part of a file of these formats. Raises DecodeError."""
    header = _read_header(file, start, end, magic)
    is_open = header.data_bytes > max(header.there_bytes, _LEAST_OPEN_SIZES.get(magic, 1 << 62))
    is_short = not is_open and header.data_bytes > header.there_bytes > 0
    behind = Behind(end, ())
    if 0 < header.data_end < end:
        behind = what_is_behind(file, header.data_end, end, _CHUNK_SIZES[magic])
    is_unfinished = header.is_empty and bool(behind.faults)
    faults = (UNFINISHED,) if is_unfinished else behind.faults
    # Libsndfile takes what follows the data of W64 for more of it.
    last = header.data_end if magic == b"riff" and header.data_end else behind.end
    pieces: list[Range | bytes] = [(start, min(last, end))]
    # A negative size of CAF means all that is there; libsndfile refuses it as it does a great one.
    if is_unfinished or (magic == b"caff" and header.data_end >= end):
        pieces = _with_all_that_is_there(header.data_start, start, end, magic)
    _, part = part_of(file, pieces, header.speakers)
    if is_short:
        n_there = part.n_samples
        if n_there is None and header.frame_bytes:
            n_there = header.there_bytes // header.frame_bytes
        if n_there is not None:
            announced = -(-n_there * header.data_bytes // header.there_bytes)
            announced = header.n_announced or announced
            part = replace(part, n_samples=n_there, announced_samples=announced)
    elif not is_open and part.n_samples is not None and (header.n_announced or 0) > part.n_samples:
        part = replace(part, announced_samples=header.n_announced)
    return Contents((part,), faults)


def _with_all_that_is_there(at: int, start: int, end: int, magic: bytes) -> list[Range | bytes]:
    """The file with the size of its data, which begins at `at`, up to its end."""
    if magic == b".snd":
        return [(start, start + 8), b"\xff\xff\xff\xff", (start + 12, end)]
    if magic == b"FORM":
        return [(start, at - 4), min(end - at, 0xFFFFFFFF).to_bytes(4, "big"), (at, end)]
    size = (
        (end - at).to_bytes(8, "big") if magic == b"caff" else (end - at + 24).to_bytes(8, "little")
    )
    return [(start, at - 8), size, (at, end)]


def _read_header(file: BinaryIO, start: int, end: int, magic: bytes) -> _Header:
    chunks = {b"FORM": _aiff_chunks, b"caff": _caf_chunks, b"riff": _w64_chunks}
    header = _Header()
    found = chunks.get(magic, _au_chunks)(file, start, end)
    for n_before, (name, body, size) in enumerate(found):
        if n_before == MOST_CHUNKS:
            raise EndlessError(f"it has more than {MOST_CHUNKS} chunks")
        file.seek(body)
        if name in (b"CHAN", b"chan"):
            described = apple_layout(file.read(min(size, 4096)))
            header.layout = None if described is None else described.speakers
        elif name == b"COMM":
            head = file.read(6)
            header.n_announced = int.from_bytes(head[2:6], "big") or None
        elif name == b"desc":
            # Bytes and frames of a packet: only where each is one frame do bytes say a length.
            head = file.read(24)
            if head[20:24] == b"\x00\x00\x00\x01":
                header.frame_bytes = int.from_bytes(head[16:20], "big")
        elif name == _W64_FMT:
            fmt = file.read(24)
            header.mask = int.from_bytes(fmt[20:24], "little") if fmt[:2] == b"\xfe\xff" else 0
        elif name in (b"SSND", b"data", _W64_DATA):
            edits = 4 if name == b"data" and magic == b"caff" else 0  # a count of edits before it
            header.data_start, header.data_end = body, body + size
            header.is_empty = size <= {b"SSND": 8}.get(name, edits)
            header.data_bytes, header.there_bytes = size - edits, min(size, end - body) - edits
    return header


def _aiff_chunks(file: BinaryIO, start: int, end: int) -> Iterator[_Chunk]:
    at = start + 12
    while at + 8 <= end:
        file.seek(at)
        name = file.read(4)
        size = struct.unpack(">I", file.read(4))[0]
        yield name, at + 8, size
        at += 8 + size + size % 2


def _caf_chunks(file: BinaryIO, start: int, end: int) -> Iterator[_Chunk]:
    at = start + 8
    while at + 12 <= end:
        file.seek(at)
        name = file.read(4)
        size = struct.unpack(">q", file.read(8))[0]
        if size < 0:  # what a program that was stopped, or a pipe, leaves: up to the end
            yield name, at + 12, end - at - 12
            return
        yield name, at + 12, size
        at += 12 + size


def _w64_chunks(file: BinaryIO, start: int, end: int) -> Iterator[_Chunk]:
    at = start + 40
    while at + 24 <= end:
        file.seek(at)
        name = file.read(16)
        size = struct.unpack("<Q", file.read(8))[0]  # with these 24 bytes
        if size < 24:
            return
        yield name, at + 24, size - 24
        at += size + -size % 8


def _au_chunks(file: BinaryIO, start: int, end: int) -> Iterator[_Chunk]:
    """Of AU: its header, as one chunk."""
    file.seek(start + 4)
    head = file.read(8)
    if len(head) == 8:
        offset, size = struct.unpack(">II", head)
        if size != 0xFFFFFFFF:
            yield b"data", start + offset, size


def _aiff_size(head: bytes) -> int:
    return 8 + int.from_bytes(head[4:8], "big") if is_name(head[:4]) else 0


def _caf_size(head: bytes) -> int:
    return 12 + int.from_bytes(head[4:12], "big") if is_name(head[:4]) else 0


def _w64_size(head: bytes) -> int:
    size = int.from_bytes(head[16:24], "little")  # with its header
    return size + -size % 8 if size >= 24 and is_name(head[:4]) else 0


_CHUNK_SIZES: Final[dict[bytes, ChunkSize]] = {
    b"FORM": _aiff_size,
    b"caff": _caf_size,
    b"riff": _w64_size,
    b".snd": lambda head: 0,
}
