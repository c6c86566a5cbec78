"""The pages of Ogg, whole by their checksum (RFC 3533, section 6)."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from .byte_window import ByteWindow

_HEADER_BYTES: Final = 27
_HEAD_BYTES: Final = 32
_SEARCHED_BYTES: Final = 1 << 14
_MOST_BROKEN: Final = 10_000
"""Pages with a wrong checksum: each may cost a look at 64 kB."""
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class Page:
    """A page whose checksum is right."""

    start: int
    end: int
    flags: int
    serial: int
    number: int
    head: bytes
    """The first bytes of its body."""
    lost_before_bytes: int
    """Since the page before it: what is no whole page, and no padding."""


class PageReader:
    """The pages of a file in order; what is between them is left out."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        """Nothing is read yet."""
        self._data, self._start, self._end = ByteWindow(file, end), start, end
        self.lost_at_end_bytes = 0
        """Behind the last page, once that was read."""

    def pages(self) -> Iterator[Page]:
        """From the first on."""
        at = behind = self._start
        n_broken = 0
        while (place := self._next_mark(at)) is not None and n_broken < _MOST_BROKEN:
            size = self._size(place)
            page = self._data.at(place, size)
            if len(page) < size or size < _HEADER_BYTES or not _is_whole(page):
                n_broken += 1
                at = place + 1
                continue
            body = _HEADER_BYTES + page[26]
            yield Page(
                place,
                place + size,
                page[5],
                int.from_bytes(page[14:18], "little"),
                int.from_bytes(page[18:22], "little"),
                page[body : body + _HEAD_BYTES],
                self._lost_bytes(behind, place),
            )
            at = behind = place + size
        self.lost_at_end_bytes = self._lost_bytes(behind, self._end)

    def _next_mark(self, start: int) -> int | None:
        at = start
        while at < self._end:
            block = self._data.at(at, _SEARCHED_BYTES)
            place = block.find(b"OggS\0")
            if place >= 0:
                return at + place
            at += max(1, len(block) - 4)
        return None

    def _size(self, place: int) -> int:
        header = self._data.at(place, _HEADER_BYTES + 255)
        if len(header) < _HEADER_BYTES:
            return 0
        body = _HEADER_BYTES + header[26]
        return body + sum(header[_HEADER_BYTES:body])

    def _lost_bytes(self, start: int, end: int) -> int:
        is_lost = start < end and self._data.holds_more_than_blanks(start, end)
        return end - start if is_lost else 0


def _is_whole(page: bytes) -> bool:
    """Whether the checksum is right: CRC-32 from the highest bit on, of the page without it.

    zlib's begins with the lowest bit, and inverts before and behind.
    """
    without = page[:22] + bytes(4) + page[26:]
    reversed_crc = zlib.crc32(without.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    crc = int.from_bytes(reversed_crc.to_bytes(4, "little").translate(_REVERSED), "big")
    return crc == int.from_bytes(page[22:26], "little")
