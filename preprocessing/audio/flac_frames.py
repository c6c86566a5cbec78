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
            sample = _first_sample(data.at(place, _LONGEST_HEADER), block_samples)
            if sample is not None and sample in samples:
                yield FrameStart(place, sample)
                continue
            n_mistaken += 1
            if n_mistaken > _MOST_MISTAKEN:
                return
        at += max(1, len(block) - 1)


def last_frame(file: BinaryIO, start: int, end: int, block_samples: int) -> FrameStart | None:
    """The last frame that begins in the last quarter of a megabyte; None where there is none."""
    last = None
    for frame in frames(file, max(start, end - (1 << 18)), end, block_samples, range(1 << 36)):
        if last is None or frame.sample > last.sample:
            last = frame
    return last


def _first_sample(head: bytes, block_samples: int) -> int | None:
    """The number of the first sample of the frame that begins here; None where none does."""
    if len(head) < 6 or head[1] & 0xFE != 0xF8 or head[3] & 1:
        return None
    numbered = _coded_number(head[4:])
    if numbered is None:
        return None
    number, size = numbered
    at = 4 + size + {6: 1, 7: 2}.get(head[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    if at >= len(head):
        return None
    crc = 0
    for byte in head[:at]:
        crc = _CRC[crc ^ byte]
    if crc != head[at]:
        return None
    return number if head[1] & 1 else number * block_samples


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
