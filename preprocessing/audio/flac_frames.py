"""The headers of FLAC frames, to find back into a damaged stream (RFC 9639, section 9.1)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from .byte_window import ByteWindow

_BLOCK: Final = 1 << 14
_SYNC: Final = re.compile(rb"\xff(?=[\xf8\xf9])")
_MOST_MISTAKEN: Final = 1_000_000
_LONGEST_HEADER: Final = 16
_POLYNOMIAL: Final = 0x07


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value << 1) ^ (_POLYNOMIAL if value & 0x80 else 0)
        table.append(value & 0xFF)
    return tuple(table)


_CRC: Final = _crc_table()


@dataclass(frozen=True)
class FrameStart:
    """A frame's place in the file and in the track."""

    place: int
    sample: int
    n_samples: int


def frames(
    file: BinaryIO, start: int, end: int, block_samples: int, samples: range
) -> Iterator[FrameStart]:
    """The frames from `start` on whose first sample is one of `samples`.

    `block_samples` is the length of all frames but the last where it is one for all of them. Ends
    where more than a million places only look like frames.
    """
    data = ByteWindow(file, end)
    n_mistaken = 0
    at = start
    while at < end:
        block = data.at(at, _BLOCK)
        for match in _SYNC.finditer(block):
            place = at + match.start()
            held = _samples(data.at(place, _LONGEST_HEADER), block_samples)
            if held is not None and held.start in samples:
                yield FrameStart(place, held.start, len(held))
                continue
            n_mistaken += 1
            if n_mistaken > _MOST_MISTAKEN:
                return
        at += max(1, len(block) - 1)


def last_frames(
    file: BinaryIO, start: int, end: int, block_samples: int
) -> tuple[FrameStart | None, FrameStart | None]:
    """The last two frames that begin in the last quarter of a megabyte, as far as there are."""
    before = last = None
    for frame in frames(file, max(start, end - (1 << 18)), end, block_samples, range(1 << 36)):
        if last is None or frame.sample > last.sample:
            before, last = last, frame
    return before, last


def _samples(head: bytes, block_samples: int) -> range | None:
    """The samples of the frame that begins here; None where none does."""
    if len(head) < 6 or head[1] & 0xFE != 0xF8 or head[3] & 1:
        return None
    numbered = _coded_number(head[4:])
    if numbered is None:
        return None
    number, size = numbered
    n_samples, at = _block_samples(head, 4 + size)
    at += {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    if at >= len(head) or not n_samples:
        return None
    crc = 0
    for byte in head[:at]:
        crc = _CRC[crc ^ byte]
    if crc != head[at]:
        return None
    first = number if head[1] & 1 else number * block_samples
    return range(first, first + n_samples)


def _block_samples(head: bytes, at: int) -> tuple[int, int]:
    """The length of a frame's block, 0 where that is none, and the byte behind where it is told."""
    code = head[2] >> 4
    if code in (6, 7):
        size = code - 5
        return int.from_bytes(head[at : at + size], "big") + 1, at + size
    if code == 1:
        return 192, at
    return (576 << code - 2 if code < 6 else 256 << code - 8) if code else 0, at


def _coded_number(coded: bytes) -> tuple[int, int] | None:
    """A number as UTF-8 would write it, up to 36 bits, and its bytes."""
    first = coded[0]
    if first < 0x80:
        return first, 1
    size = 8 - (first ^ 0xFF).bit_length()
    if not 2 <= size <= 7 or len(coded) < size:
        return None
    number = first & (0x7F >> size)
    for byte in coded[1:size]:
        if byte & 0xC0 != 0x80:
            return None
        number = number << 6 | byte & 0x3F
    return number, size
