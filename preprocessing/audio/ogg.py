"""Ogg: its links, one after another, each a file of its own (RFC 3533, section 4)."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import BinaryIO

from stemline.preprocessing.speakers import VORBIS, Speakers

from .byte_ranges import Range
from .ffmpeg import ffmpeg_contents
from .libsndfile import part_of
from .ogg_pages import Page, PageReader
from .part import MOST_PARTS, Contents, DecodeError, Part

_FIRST, _LAST = 2, 4  # flags of a page
_MOST_HEADS = 2
"""Streams of a link that are noted: one is read, more are for FFmpeg."""


@dataclass
class _Link:
    ranges: list[Range]
    """Whole pages."""
    heads: list[bytes] = field(default_factory=list)
    """How each of its streams begins."""
    is_finished: bool = False
    lost_pages: int = 0
    lost_bytes: int = 0


def ogg_contents(file: BinaryIO, start: int, end: int) -> Contents:
    """A part for each link; by FFmpeg where libsndfile does not decode one of them.

    Those are of another codec than Vorbis and Opus, or of several streams at once. Raises
    DecodeError, MissingExtraError.
    """
    links = _links(file, start, end)
    found = _of_libsndfile(file, links) if links else None
    if found is not None:
        return found
    contents = ffmpeg_contents(file, start, end)
    # Of several streams at once each has an end of its own.
    faults = [fault for link in links if len(link.heads) == 1 for fault in _faults(link)]
    return replace(contents, faults=(*contents.faults, *dict.fromkeys(faults)))


def _of_libsndfile(file: BinaryIO, links: list[_Link]) -> Contents | None:
    parts: list[Part] = []
    faults: list[str] = []
    for link in links[:MOST_PARTS]:
        if len(link.heads) != 1 or not link.heads[0].startswith((b"\x01vorbis", b"OpusHead")):
            return None
        try:
            _, part = part_of(file, list(link.ranges), partial(_speakers, link.heads[0]))
        except DecodeError as error:
            if not parts:
                return None
            faults.append(
                f"holds more after its first {len(parts)} parts that is damaged ({error})"
            )
            break
        parts.append(part)
        faults += _faults(link)
    if len(links) > MOST_PARTS:
        faults.append(f"holds more after its first {MOST_PARTS} parts, which is left out")
    return Contents(tuple(parts), tuple(faults))


def _faults(link: _Link) -> list[str]:
    faults = []
    if not link.is_finished:
        faults.append("has no end mark, as a recorder that was stopped leaves it")
    if link.lost_pages:
        faults.append(f"has holes: {link.lost_pages} pages are missing")
    elif link.lost_bytes:
        faults.append(f"has {link.lost_bytes} bytes that are no whole page, which are left out")
    return faults


def _speakers(head: bytes, channels: int) -> Speakers | None:
    if head.startswith(b"OpusHead") and head[18:19] not in (b"\x00", b"\x01"):
        return None
    return VORBIS.get(channels)


def _links(file: BinaryIO, start: int, end: int) -> list[_Link]:
    """One more than are read, where there are as many."""
    links: list[_Link] = []
    numbers: dict[int, int] = {}
    has_sound = True
    reader = PageReader(file, start, end)
    for page in reader.pages():
        if page.flags & _FIRST:
            if has_sound:
                if len(links) > MOST_PARTS:
                    break
                links.append(_Link([]))
                numbers, has_sound = {}, False
            if len(links[-1].heads) < _MOST_HEADS:
                links[-1].heads.append(page.head)
        elif not links:
            continue
        else:
            has_sound = True
            links[-1].lost_pages += max(0, page.number - numbers.get(page.serial, page.number) - 1)
        if len(links[-1].heads) < _MOST_HEADS:
            numbers[page.serial] = page.number
        _append(links[-1], page)
    if links:
        links[-1].lost_bytes += reader.lost_at_end_bytes
    return links


def _append(link: _Link, page: Page) -> None:
    if link.ranges:
        link.lost_bytes += page.lost_before_bytes
    if link.ranges and link.ranges[-1][1] == page.start:
        link.ranges[-1] = (link.ranges[-1][0], page.end)
    else:
        link.ranges.append((page.start, page.end))
    link.is_finished = bool(page.flags & _LAST)
