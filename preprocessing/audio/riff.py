"""WAVE: RIFF, RIFX, RF64 and BW64 (Microsoft; EBU Tech 3306; ITU-R BS.2088)."""

import struct
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO, Final

from stemline.preprocessing.speakers import Speakers, of_mask

from .behind import is_name, what_is_behind
from .byte_ranges import Range
from .libsndfile import part_of
from .mpeg import mpeg_contents
from .part import MOST_CHUNKS, UNFINISHED, Contents, EndlessError, ends_early

_MPEG_TAGS: Final = {0x0050, 0x0055}
_EXTENSIBLE: Final = 0xFFFE
_UNKNOWN_SIZE: Final = 0xFFFFFFFF
# What ffmpeg and sox write for the size of what goes into a pipe, and others near it.
_LEAST_OPEN_SIZE: Final = 0x7FFFF000
_DS64_DATA_BYTES: Final = 8
"""Where in the body of ds64 the size of the data is, of eight bytes."""


@dataclass
class _Wave:
    order: str
    """`<` or `>` for struct."""
    fmt: bytes = b""
    data_start: int | None = None
    data_bytes: int = 0
    """As the header says; of RF64, from its ds64 chunk."""
    ds64_data_bytes: int | None = None
    ds64_start: int | None = None


def wave_contents(file: BinaryIO, start: int, end: int) -> Contents | None:
    """The one part of a WAVE file; None for what libsndfile is to judge by itself.

    A header whose writer did not come back to it is taken to mean all that follows. Raises
    DecodeError.
    """
    wave = _read_chunks(file, start, end)
    if wave.data_start is None or len(wave.fmt) < 16:
        return None
    tag = struct.unpack(wave.order + "H", wave.fmt[:2])[0]
    there = end - wave.data_start
    is_unfinished = _is_unfinished(file, wave, end)
    is_open = is_unfinished or wave.data_bytes > max(there, _LEAST_OPEN_SIZE - 1)
    is_short = not is_open and wave.data_bytes > there > 0
    data_end = wave.data_start + (there if is_open else min(wave.data_bytes, there))
    behind = what_is_behind(file, data_end, end, partial(_chunk_size, wave.order))
    faults = list(behind.faults)
    if is_unfinished:
        faults.append(UNFINISHED)
    if tag in _MPEG_TAGS:
        found = mpeg_contents(file, wave.data_start, data_end)
        if found is None:
            return None
        if is_short:
            found_s = sum((part.n_samples or 0) / part.sample_rate_hz for part in found.parts)
            faults.append(ends_early(found_s * wave.data_bytes / there, found_s))
        return Contents(found.parts, (*faults, *found.faults))
    pieces: list[Range | bytes] = [(start, behind.end)]
    if is_unfinished and _is_riff(file, start):
        file.seek(start)
        header = bytearray(file.read(wave.data_start - start))
        header[4:8] = header[-4:] = struct.pack(wave.order + "I", _UNKNOWN_SIZE)
        pieces = [bytes(header), (wave.data_start, end)]
    elif is_open and wave.ds64_start is not None:
        at = wave.ds64_start + _DS64_DATA_BYTES
        pieces = [(start, at), there.to_bytes(8, "little"), (at + 8, end)]
    _, part = part_of(file, pieces, partial(_speakers, wave, tag))
    if is_short and part.n_samples is not None:
        # Of every encoding that WAVE holds, blocks of one size are of one length.
        announced = -(-part.n_samples * wave.data_bytes // there)
        part = replace(part, announced_samples=announced)
    return Contents((part,), tuple(faults))


def _chunk_size(order: str, head: bytes) -> int:
    if len(head) < 8 or not is_name(head[:4]):
        return 0
    return 8 + int(struct.unpack(order + "I", head[4:8])[0])


def _is_riff(file: BinaryIO, start: int) -> bool:
    """Whether the size of the data is a field of 32 bits before it, and no other."""
    file.seek(start)
    return file.read(4) in (b"RIFF", b"RIFX")


def _speakers(wave: _Wave, tag: int, channels: int) -> Speakers | None:
    if tag != _EXTENSIBLE or len(wave.fmt) < 24:
        return None
    return of_mask(struct.unpack(wave.order + "I", wave.fmt[20:24])[0], channels)


def _read_chunks(file: BinaryIO, start: int, end: int) -> _Wave:
    file.seek(start)
    head = file.read(12)
    wave = _Wave(">" if head[:4] == b"RIFX" else "<")
    at = start + 12
    for _ in range(MOST_CHUNKS):
        if at + 8 > end:
            break
        file.seek(at)
        name = file.read(4)
        size = struct.unpack(wave.order + "I", file.read(4))[0]
        if name == b"data":
            wave.data_start = at + 8
            wave.data_bytes = size
            if size == _UNKNOWN_SIZE and wave.ds64_data_bytes is not None:
                wave.data_bytes = wave.ds64_data_bytes
            return wave
        if name == b"fmt ":
            wave.fmt = file.read(min(size, 64))
        elif name == b"ds64":
            table = file.read(28)
            if len(table) >= 16:
                wave.ds64_data_bytes = struct.unpack("<Q", table[8:16])[0]
                wave.ds64_start = at + 8
        at += 8 + size + size % 2
    else:
        raise EndlessError(f"it has more than {MOST_CHUNKS} chunks before its sound")
    return wave


def _is_unfinished(file: BinaryIO, wave: _Wave, end: int) -> bool:
    """Whether a size of 0 is not meant: what follows the data is no chunk."""
    if wave.data_start is None or wave.data_bytes != 0 or end - wave.data_start < 1:
        return False
    file.seek(wave.data_start)
    head = file.read(8)
    if len(head) < 8:
        return True
    size = struct.unpack(wave.order + "I", head[4:])[0]
    return not (is_name(head[:4]) and wave.data_start + 8 + size <= end)
