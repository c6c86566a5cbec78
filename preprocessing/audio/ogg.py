"""Ogg: its links, one after another, each a file of its own (RFC 3533, section 4)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from stemline.preprocessing.speakers import VORBIS, Speakers

from .libsndfile import part_of
from .part import Contents, DecodeError, Part

_FIRST, _LAST = 2, 4  # flags of a page
_HEADER_BYTES = 27


@dataclass(frozen=True)
class _Page:
    start: int
    end: int
    flags: int
    serial: int
    number: int
    head: bytes
    """The first bytes of its body."""


@dataclass
class _Link:
    start: int
    end: int
    heads: list[bytes]
    """How each of its streams begins."""
    is_finished: bool
    lost_pages: int = 0


def ogg_contents(file: BinaryIO, start: int, end: int) -> Contents | None:
    """A part for each link; None where libsndfile does not decode one of them.

    Those are of another codec than Vorbis and Opus, or of several streams at once.
    """
    links = _links(file, start, end)
    if not links:
        return None
    parts: list[Part] = []
    faults: list[str] = []
    for link in links:
        if len(link.heads) != 1 or not link.heads[0].startswith((b"\x01vorbis", b"OpusHead")):
            return None
        try:
            _, part = part_of(file, [(link.start, link.end)], partial(_speakers, link.heads[0]))
        except DecodeError as error:
            if not parts:
                return None
            faults.append(
                f"holds more after its first {len(parts)} parts that is damaged ({error})"
            )
            break
        parts.append(part)
        if not link.is_finished:
            faults.append("has no end mark, as a recorder that was stopped leaves it")
        if link.lost_pages:
            faults.append(f"has holes: {link.lost_pages} pages are missing")
    return Contents(tuple(parts), tuple(faults))


def _speakers(head: bytes, channels: int) -> Speakers | None:
    if head.startswith(b"OpusHead") and head[18:19] not in (b"\x00", b"\x01"):
        return None
    return VORBIS.get(channels)


def _links(file: BinaryIO, start: int, end: int) -> list[_Link]:
    links: list[_Link] = []
    numbers: dict[int, int] = {}
    has_sound = True
    for page in _pages(file, start, end):
        if page.flags & _FIRST:
            if has_sound:
                links.append(_Link(page.start, page.end, [], True))
                numbers, has_sound = {}, False
            links[-1].heads.append(page.head)
        elif not links:
            continue
        else:
            has_sound = True
            links[-1].lost_pages += max(0, page.number - numbers.get(page.serial, page.number) - 1)
        numbers[page.serial] = page.number
        links[-1].end = page.end
        links[-1].is_finished = bool(page.flags & _LAST)
    return links


def _pages(file: BinaryIO, start: int, end: int) -> Iterator[_Page]:
    """The pages in order; what is between them is left out."""
    at = start
    while at + _HEADER_BYTES <= end:
        file.seek(at)
        head = file.read(_HEADER_BYTES + 255 + 32)
        if head[:4] != b"OggS":
            place = _find(file, at + 1, end)
            if place is None:
                return
            at = place
            continue
        n_segments = head[26]
        body = _HEADER_BYTES + n_segments
        size = body + sum(head[_HEADER_BYTES:body])
        yield _Page(
            at,
            min(at + size, end),
            head[5] if at + size <= end else head[5] & ~_LAST,
            int.from_bytes(head[14:18], "little"),
            int.from_bytes(head[18:22], "little"),
            head[body : body + 32],
        )
        at += size


def _find(file: BinaryIO, start: int, end: int) -> int | None:
    """The next page's beginning."""
    at = start
    while at < end:
        file.seek(at)
        block = file.read(min(1 << 16, end - at))
        place = block.find(b"OggS")
        if place >= 0:
            return at + place
        if len(block) < 4:
            return None
        at += len(block) - 3
    return None
