"""The frames of MPEG audio: where they are, and the runs of them that belong together.

Sources: ISO/IEC 11172-3 section 2.4.2.3 and 13818-3 (the header of a frame); the Xing, Info, VBRI
and LAME fields as the encoders that write them document them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from .byte_ranges import Range
from .byte_window import ByteWindow
from .part import MOST_CHUNKS

HEADER_BYTES: Final = 4
_KBPS: Final = {  # (version 1?, layer) → by the index in the header; 0 is "free"
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_MONO: Final = 3


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What a frame says of itself."""

    size_bytes: int
    n_samples: int
    sample_rate_hz: int
    channels: int
    layer: int
    version: int
    """3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5: the two bits of the header."""

    @property
    def kind(self) -> tuple[int, int, int, int]:
        """What no decoder changes within a stream."""
        return self.version, self.layer, self.sample_rate_hz, self.channels


def _parsed(word: int) -> FrameHeader | None:
    version, layer_bits = word >> 19 & 3, word >> 17 & 3
    kbps_index, rate_index = word >> 12 & 15, word >> 10 & 3
    if word >> 21 != 0x7FF or version == 1 or layer_bits == 0 or rate_index == 3:
        return None
    if kbps_index in (0, 15):  # free format: its frames do not say how long they are
        return None
    layer, is_1 = 4 - layer_bits, version == 3
    bps = _KBPS[is_1, layer][kbps_index] * 1000
    rate_hz, padding = _RATES_HZ[version][rate_index], word >> 9 & 1
    if layer == 1:
        n_samples, size = 384, (12 * bps // rate_hz + padding) * 4
    else:
        n_samples = 1152 if is_1 or layer == 2 else 576
        size = n_samples // 8 * bps // rate_hz + padding
    channels = 1 if word >> 6 & 3 == _MONO else 2
    return FrameHeader(size, n_samples, rate_hz, channels, layer, version)


_headers: dict[int, FrameHeader | None] = {}
_SHAPING_BITS: Final = 0xFFFFFFC0 & ~0x10100  # neither the checksum's bit nor the private one


def frame_header(four: bytes) -> FrameHeader | None:
    """The header of a frame; None where these bytes are none."""
    word = int.from_bytes(four, "big") & _SHAPING_BITS
    if word >> 21 != 0x7FF:
        return None
    if word not in _headers:
        _headers[word] = _parsed(word)
    return _headers[word]


@dataclass(frozen=True)
class InfoFrame:
    """A first frame that holds no sound, but tells of those behind it."""

    n_frames: int | None
    n_bytes: int | None
    """With this frame."""
    delay_samples: int | None
    """What the encoder put before the sound; None where it does not say."""
    padding_samples: int | None
    """What it put behind it."""


def info_frame(frame: bytes, header: FrameHeader) -> InfoFrame | None:
    """What a frame with a Xing, Info or VBRI mark tells; None for any other."""
    if header.layer != 3:
        return None
    if frame[36:40] == b"VBRI":
        return InfoFrame(
            int.from_bytes(frame[50:54], "big") or None,
            int.from_bytes(frame[46:50], "big") or None,
            None,
            None,
        )
    side_bytes = (17 if header.channels == 1 else 32) if header.version == 3 else (
        9 if header.channels == 1 else 17
    )  # fmt: skip
    at = HEADER_BYTES + side_bytes
    if frame[at : at + 4] not in (b"Xing", b"Info"):
        return None
    flags, at = int.from_bytes(frame[at + 4 : at + 8], "big"), at + 8
    fields: list[int | None] = []
    for bit, size in ((1, 4), (2, 4), (4, 100), (8, 4)):
        present = bool(flags & bit)
        fields.append(int.from_bytes(frame[at : at + size], "big") if present else None)
        at += size if present else 0
    delay, padding = _lame_gaps(frame[at : at + 24])
    return InfoFrame(fields[0] or None, fields[1] or None, delay, padding)


def _lame_gaps(field: bytes) -> tuple[int | None, int | None]:
    """The delay and the padding behind an encoder's name such as `LAME3.100` or `Lavc58.13`."""
    if len(field) < 24 or not field[:4].isalnum():
        return None, None
    three = int.from_bytes(field[21:24], "big")
    return three >> 12, three & 0xFFF


@dataclass
class FrameRun:
    """Frames of one kind, one after another, that one decoder reads."""

    kind: tuple[int, int, int, int]
    samples_per_frame: int
    info: InfoFrame | None = None
    ranges: list[Range] = field(default_factory=list)
    n_frames: int = 0
    n_bytes: int = 0
    """With the info frame."""


@dataclass
class Scan:
    """All frames of a file."""

    runs: list[FrameRun]
    lost: list[tuple[float, int]]
    """What is neither frame nor tag, up to the last frame: seconds before it, and bytes."""
    unfinished_bytes: int
    """Of a last frame that the file ends within."""


_CHAIN: Final = 4
"""Frames that have to follow one another before the first is believed."""
_SEARCHED_BYTES: Final = 1 << 14
_MOST_RUNS: Final = 10_000
_MOST_GAPS: Final = 100_000
"""Places where frames do not follow one another. A radio stream has some thousand an hour."""
_MOST_MISTAKEN: Final = 1_000_000
"""Sync words that no frames follow. Noise has one in some thousand bytes; bytes that were chosen to
look like frames would be compared for minutes."""
# A version, a layer and a bitrate that a frame can have; looked at, so that none hides the next.
_SYNC: Final = re.compile(rb"\xff(?=[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xef])")


def scan(
    file: BinaryIO, start: int, end: int, tag_bytes: Callable[[bytes, int], int], search_bytes: int
) -> Scan | None:
    """Find all frames from `start` to `end`; None where none begin within `search_bytes`.

    `tag_bytes` is given the next bytes and how many are left, and says how long a tag is that
    begins there.
    """
    data, search = ByteWindow(file, end), _Search()
    first = search.next_chain(data, start, min(end, start + search_bytes))
    if first is None:
        return None
    found = Scan([], [], 0)
    if data.holds_more_than_blanks(start, first, text=True):
        found.lost.append((0.0, first - start))
    seconds, at, n_tags, n_gaps = 0.0, first, 0, 0
    while at + HEADER_BYTES <= end:
        if len(found.runs) > _MOST_RUNS or n_gaps > _MOST_GAPS:
            found.lost.append((seconds, end - at))
            break
        header = frame_header(data.at(at, HEADER_BYTES))
        if header is not None and (not found.runs or header.kind == found.runs[-1].kind or
                                   _is_chain(data, at)):  # fmt: skip
            if at + header.size_bytes > end:
                found.unfinished_bytes = end - at
                break
            seconds += _take(found, data, at, header)
            at += header.size_bytes
            continue
        tag = tag_bytes(data.at(at, 32), end - at)
        if tag and n_tags < MOST_CHUNKS:
            n_tags += 1
            at += tag
            continue
        n_gaps += 1
        after = search.next_chain(data, at, end)
        if data.holds_more_than_blanks(at, end if after is None else after):
            found.lost.append((seconds, (end if after is None else after) - at))
        if after is None:
            break
        at = after
    else:
        if data.holds_more_than_blanks(at, end):
            found.unfinished_bytes = end - at
    return found


def _take(found: Scan, data: ByteWindow, at: int, header: FrameHeader) -> float:
    """Add one frame to the runs; its seconds."""
    info = info_frame(data.at(at, min(header.size_bytes, 200)), header)
    run = found.runs[-1] if found.runs else None
    if run is None or info is not None or run.kind != header.kind:
        run = FrameRun(header.kind, header.n_samples, info)
        found.runs.append(run)
    run.n_bytes += header.size_bytes
    if info is not None:
        return 0.0
    if run.ranges and run.ranges[-1][1] == at:
        run.ranges[-1] = (run.ranges[-1][0], at + header.size_bytes)
    else:
        run.ranges.append((at, at + header.size_bytes))
    run.n_frames += 1
    return header.n_samples / header.sample_rate_hz


def _is_chain(data: ByteWindow, at: int) -> bool:
    """Whether frames of one kind follow one another from here, or up to the end of the file.

    The file may end within a frame behind two or more.
    """
    kind = None
    for n_whole in range(_CHAIN):
        head = data.at(at, 8)
        if n_whole and (at >= data.end or head[:3] in (b"TAG", b"ID3") or head == b"APETAGEX"):
            return at <= data.end or n_whole >= 3
        header = frame_header(head[:HEADER_BYTES])
        if header is None or kind not in (None, header.kind):
            return False
        kind = header.kind
        at += header.size_bytes
    return True


class _Search:
    """For frames behind what is none; the work of all searches in a file has one bound."""

    def __init__(self) -> None:
        self._n_left = _MOST_MISTAKEN

    def next_chain(self, data: ByteWindow, start: int, end: int) -> int | None:
        """The first place from here on where frames follow one another."""
        at = start
        while at < end:
            block = data.at(at, min(_SEARCHED_BYTES, end - at))
            for match in _SYNC.finditer(block):
                if _is_chain(data, at + match.start()):
                    return at + match.start()
                self._n_left -= 1
                if self._n_left <= 0:
                    return None
            if len(block) < HEADER_BYTES:
                return None
            at += len(block) - HEADER_BYTES + 1
        return None
