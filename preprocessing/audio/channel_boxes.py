"""The descriptions of channels in MP4, QuickTime, CAF and AIFF, which FFmpeg must not see.

FFmpeg makes a list of the channels of every order but WAVE's, PyAV 18 frees it twice, and the
process ends. So FFmpeg reads the names of these boxes as `free`, wherever they are, and what they
say is read here. A header that is compressed might hold one: it is hidden as well.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from stemline.preprocessing.speakers import BY_CONFIGURATION, of_iso

from .apple_layout import AppleLayout, apple_layout
from .byte_ranges import Range
from .byte_window import WINDOW_BYTES, ByteWindow
from .part import MOST_CHUNKS, DecodeError

_MARK: Final = re.compile(rb"chan|CHAN|chnl|cmov")
_NO_MARK: Final = b"free"
_MARK_BYTES: Final = 4
_MOST_BODY_BYTES: Final = 4096
_OF_CHANNELS: Final = 1
_BY_ANGLES: Final = 126


@dataclass(frozen=True)
class ChannelBoxes:
    """What FFmpeg is to read of a file, and what that leaves out."""

    pieces: list[Range | bytes]
    layouts: tuple[AppleLayout, ...]
    """Those that can be read, each once. What was deleted and left as free room is among them."""

    @property
    def are_there(self) -> bool:
        """Whether anything is hidden."""
        return len(self.pieces) > 1


def channel_boxes(file: BinaryIO, start: int, end: int, format_name: str) -> ChannelBoxes:
    """Those of a file, by FFmpeg's name of its format.

    Raises DecodeError where they are too many.
    """
    data = ByteWindow(file, end)
    pieces: list[Range | bytes] = []
    layouts: dict[AppleLayout, None] = {}
    behind = start
    for place in _marks(data, start, end, format_name):
        if len(pieces) >= 2 * MOST_CHUNKS:
            raise DecodeError(f"it describes its channels more than {MOST_CHUNKS} times")
        layout = _described(data, place, format_name)
        if layout is not None and layout.channels:  # some list none, and say nothing
            layouts[layout] = None
        pieces += [(behind, place), _NO_MARK]
        behind = place + _MARK_BYTES
    return ChannelBoxes([*pieces, (behind, end)], tuple(layouts))


def _marks(data: ByteWindow, start: int, end: int, format_name: str) -> Iterator[int]:
    """Where the names are, or what looks like one, outside of the sound."""
    for first, last in _tables(data, start, end, format_name):
        at = first
        while at < last:
            block = data.at(at, min(WINDOW_BYTES // 2, last - at))
            yield from (at + found.start() for found in _MARK.finditer(block))
            # The last bytes may be the first of a name; a whole one is longer than these.
            at += len(block) - (_MARK_BYTES - 1) if at + len(block) < last else len(block)


def _tables(data: ByteWindow, start: int, end: int, format_name: str) -> Iterator[Range]:
    """All but the boxes of sound: by the boxes of the file as FFmpeg walks over them."""
    is_caf, is_aiff = format_name == "caf", format_name == "aiff"
    sound = b"data" if is_caf else b"SSND" if is_aiff else b"mdat"
    at = start + (8 if is_caf else 12 if is_aiff else 0)
    behind = start
    for _ in range(MOST_CHUNKS):
        head = data.at(at, 16)
        if len(head) < 12:
            break
        if is_caf:
            name, size = head[:4], 12 + int.from_bytes(head[4:12], "big")
        elif is_aiff:
            name, size = head[:4], 8 + int.from_bytes(head[4:8], "big")
            size += size % 2
        else:
            name, size = head[4:8], int.from_bytes(head[:4], "big")
            size = int.from_bytes(head[8:], "big") if size == 1 else size or end - at
        if size < 8:
            break
        if name == sound:
            yield behind, at
            behind = min(end, at + size)
        at += size
    yield behind, end


def _described(data: ByteWindow, place: int, format_name: str) -> AppleLayout | None:
    """What the box of the name at `place` says; None unless it has the length that it says."""
    if format_name == "caf":
        size, at = int.from_bytes(data.at(place + 4, 8), "big"), place + 12
    elif format_name == "aiff":
        size, at = int.from_bytes(data.at(place + 4, 4), "big"), place + 8
    else:
        # Behind the name there are a version and flags.
        size, at = int.from_bytes(data.at(max(0, place - 4), 4), "big") - 12, place + 8
    if not 0 < size <= _MOST_BODY_BYTES:
        return None
    body = data.at(at, size)
    if len(body) < size:
        return None
    match data.at(place, _MARK_BYTES):
        case b"chan" | b"CHAN":
            return apple_layout(body)
        case b"chnl" if data.at(place + 4, 1) == b"\0":
            return _iso_layout(body)
    return None


def _iso_layout(body: bytes) -> AppleLayout | None:
    """Of a ChannelLayoutBox of version 0 (ISO/IEC 14496-12), behind its version and flags."""
    if len(body) < 2 or body[0] != _OF_CHANNELS:
        return None
    configuration, listed = body[1], body[2:]
    if configuration:
        speakers = BY_CONFIGURATION.get(configuration)
        # Eight bytes follow, of what is left out.
        return AppleLayout(len(speakers), speakers) if speakers and not any(listed) else None
    positions = []
    at = 0
    while at < len(listed):
        positions.append(listed[at])
        at += 4 if listed[at] == _BY_ANGLES else 1
    return AppleLayout(len(positions), of_iso(positions))
