"""FLAC (RFC 9639): a stream, or several that were joined without a converter."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import BinaryIO, Final

from stemline.preprocessing.speakers import of_mask

from .byte_window import ByteWindow
from .flac_decoder import FlacDecoder
from .flac_frames import FrameStart, last_frames
from .libsndfile import part_of
from .part import MOST_CHUNKS, MOST_PARTS, Contents, DecodeError, Part, ends_early

_COMMENTS: Final = 4
_MASK_NAME: Final = b"WAVEFORMATEXTENSIBLE_CHANNEL_MASK="
# The mark, and the header of the STREAMINFO block that has to follow it.
_BEGINNING: Final = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_BLOCK: Final = 1 << 14


def flac_contents(file: BinaryIO, start: int, end: int) -> Contents:
    """A part for each stream. Raises DecodeError."""
    starts = [start, *islice(_beginnings(file, start + 8, end), MOST_PARTS)]
    parts: list[Part] = []
    faults: list[str] = []
    if len(starts) > MOST_PARTS:
        faults.append(f"holds more after its first {MOST_PARTS} parts, which is left out")
        end = starts.pop()
    for first, last in zip(starts, [*starts[1:], end], strict=True):
        try:
            mask = _mask(file, first, last)
            _, part = part_of(file, [(first, last)], partial(of_mask, mask))
            part = replace(part, open=partial(FlacDecoder, file, first, last))
            frames = last_frames(file, first, last, _longest_block(file, first))
        except DecodeError:
            if not parts:
                raise
            faults.append(f"holds more after its first {len(parts)} parts that cannot be decoded")
            break
        if _holds_more(*frames, part.n_samples):
            uncounted = partial(FlacDecoder, file, first, last, is_counted=False)
            part = replace(part, open=uncounted, n_samples=None, announced_samples=None)
        elif (there := _least_samples(file, first, frames[1], part.n_samples)) is not None:
            announced_s = (part.n_samples or 0) / part.sample_rate_hz
            faults.append(ends_early(announced_s, there / part.sample_rate_hz))
            part = replace(part, n_samples=None)
        parts.append(part)
    return Contents(tuple(parts), tuple(faults))


def _holds_more(before: FrameStart | None, last: FrameStart | None, announced: int | None) -> bool:
    """Whether the last two frames follow one another beyond what the header says there is."""
    if announced is None or before is None or last is None:
        return False
    follows = before.sample + before.n_samples == last.sample
    return follows and last.sample + last.n_samples > announced


def _least_samples(
    file: BinaryIO, start: int, last: FrameStart | None, announced: int | None
) -> int | None:
    """Where a stream's last frame begins, if that is more than a frame short of the announced."""
    if announced is None or last is None:
        return None
    return last.sample if last.sample + _longest_block(file, start) < announced else None


def _longest_block(file: BinaryIO, start: int) -> int:
    """In samples; where all blocks but the last are of one length, that length."""
    file.seek(start + 10)
    return int.from_bytes(file.read(2), "big")


def _beginnings(file: BinaryIO, start: int, end: int) -> Iterator[int]:
    data = ByteWindow(file, end)
    at = start
    while at < end:
        block = data.at(at, _BLOCK)
        for match in _BEGINNING.finditer(block):
            yield at + match.start()
        at += max(1, len(block) - 7)


def _mask(file: BinaryIO, start: int, end: int) -> int:
    """The channel mask among a stream's comments; 0 where there is none."""
    at = start + 4
    for _ in range(MOST_CHUNKS):
        if at + 4 > end:
            break
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
