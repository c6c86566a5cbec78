"""FLAC (RFC 9639): a stream, or several that were joined without a converter."""

from dataclasses import replace
from functools import partial
from typing import BinaryIO, Final

from stemline.preprocessing.speakers import of_mask

from .flac_decoder import FlacDecoder
from .flac_frames import last_frame
from .libsndfile import part_of
from .part import Contents, DecodeError, Part, ends_early

_COMMENTS: Final = 4
_MASK_NAME: Final = b"WAVEFORMATEXTENSIBLE_CHANNEL_MASK="
# The mark, and the header of the STREAMINFO block that has to follow it.
_BEGINNINGS: Final = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")
_BLOCK: Final = 1 << 20


def flac_contents(file: BinaryIO, start: int, end: int) -> Contents:
    """A part for each stream. Raises DecodeError."""
    starts = [start, *_beginnings(file, start + 8, end)]
    parts: list[Part] = []
    faults: list[str] = []
    for first, last in zip(starts, [*starts[1:], end], strict=True):
        try:
            mask = _mask(file, first, last)
            _, part = part_of(file, [(first, last)], partial(of_mask, mask))
            part = replace(part, open=partial(FlacDecoder, file, first, last))
            there = _least_samples(file, first, last, part.n_samples)
        except DecodeError:
            if not parts:
                raise
            faults.append(f"holds more after its first {len(parts)} parts that cannot be decoded")
            break
        if there is not None:
            announced_s = (part.n_samples or 0) / part.sample_rate_hz
            faults.append(ends_early(announced_s, there / part.sample_rate_hz))
            part = replace(part, n_samples=None)
        parts.append(part)
    return Contents(tuple(parts), tuple(faults))


def _least_samples(file: BinaryIO, start: int, end: int, announced: int | None) -> int | None:
    """Where a stream's last frame begins, if that is more than a frame short of the announced."""
    file.seek(start + 8)
    info = file.read(4)
    longest = int.from_bytes(info[2:], "big")
    last = last_frame(file, start, end, int.from_bytes(info[:2], "big"))
    if announced is None or last is None or last.sample + longest >= announced:
        return None
    return last.sample


def _beginnings(file: BinaryIO, start: int, end: int) -> list[int]:
    found = []
    at = start
    while at < end:
        file.seek(at)
        block = file.read(min(_BLOCK, end - at))
        if len(block) < 8:
            break
        found += sorted(
            at + place for beginning in _BEGINNINGS for place in _places(block, beginning)
        )
        at += len(block) - 7
    return found


def _places(block: bytes, wanted: bytes) -> list[int]:
    places = []
    place = block.find(wanted)
    while place >= 0:
        places.append(place)
        place = block.find(wanted, place + 1)
    return places


def _mask(file: BinaryIO, start: int, end: int) -> int:
    """The channel mask among a stream's comments; 0 where there is none."""
    at = start + 4
    while at + 4 <= end:
        file.seek(at)
        head = file.read(4)
        kind, size = head[0], int.from_bytes(head[1:4], "big")
        if kind & 0x7F == _COMMENTS:
            comments = file.read(min(size, end - at)).upper()
            place = comments.find(_MASK_NAME)
            if place >= 0:
                value = comments[place + len(_MASK_NAME) :][:12]
                return _hexadecimal(value)
        if kind & 0x80:
            break
        at += 4 + size
    return 0


def _hexadecimal(value: bytes) -> int:
    digits = value.removeprefix(b"0X")
    length = next((i for i, c in enumerate(digits) if c not in b"0123456789ABCDEF"), len(digits))
    return int(digits[:length] or b"0", 16)
