"""Where a header says how long the sound is, and what programs and accidents write there."""

import struct
from collections.abc import Callable
from typing import Final

_W64_DATA: Final = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
_MATROSKA_DURATION: Final = b"\x44\x89"
_MATROSKA_VOID: Final = b"\xec"

Length = float | None
"""As a share of the right one; 0 is what a killed writer leaves, None stands for none at all."""
WithLength = Callable[[bytes, Length], bytes]


def _field(code: str, mark: bytes, offset: int, missing: int, extra: int = 0) -> WithLength:
    """A number at `offset` from a mark; `extra` is what it counts besides the sound."""

    def with_length(data: bytes, share: Length) -> bytes:
        place = data.index(mark) + offset
        (right,) = struct.unpack_from(code, data, place)
        said = missing if share is None else extra + int((right - extra) * share)
        return data[:place] + struct.pack(code, said) + data[place + struct.calcsize(code) :]

    return with_length


def _both(first: WithLength, second: WithLength) -> WithLength:
    return lambda data, share: second(first(data, share), share)


def _flac(data: bytes, share: Length) -> bytes:
    """The 36 bits of STREAMINFO, of which the lower 32 are used."""
    right = int.from_bytes(data[22:26], "big")
    return data[:22] + int(right * (share or 0)).to_bytes(4, "big") + data[26:]


def _xing(data: bytes, share: Length) -> bytes:
    """Of the frame before the first; without a length, its marks alone and no field."""
    place = max(data.find(b"Xing", 0, 1000), data.find(b"Info", 0, 1000))
    if share is None:
        return data[: place + 4] + bytes(4) + data[place + 8 :]
    return _field(">I", data[place : place + 4], 8, 0)(data, share)


def _matroska(data: bytes, share: Length) -> bytes:
    """A float of eight bytes in the segment's information."""
    place = data.index(_MATROSKA_DURATION + b"\x88")
    if share is None:  # padding of the same length
        return data[:place] + _MATROSKA_VOID + b"\x89" + bytes(9) + data[place + 11 :]
    return _field(">d", _MATROSKA_DURATION + b"\x88", 3, 0)(data, share)


def _movie(data: bytes, share: Length) -> bytes:
    """Of the movie and of its track; what no length is stands for one that is not known."""
    for mark, offset in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
        data = _field(">I", mark, offset, 0xFFFFFFFF)(data, share)
    return data


_WAVE: Final = _field("<I", b"data", 4, 0xFFFFFFFF)
_AIFF: Final = _both(
    _field(">I", b"SSND", 4, 0xFFFFFFFF, extra=8), _field(">I", b"COMM", 10, 0xFFFFFFFF)
)
_RF64: Final = _field("<Q", b"ds64", 16, (1 << 64) - 1)
_W64: Final = _field("<Q", _W64_DATA, 16, (1 << 64) - 1, extra=24)
_CAF: Final = _field(">q", b"data", 4, -1, extra=4)
_AU: Final = _field(">I", b".snd", 8, 0xFFFFFFFF)

HEADER_LENGTHS: Final[dict[str, WithLength]] = {
    **dict.fromkeys(("WAV PCM 16", "WAV PCM 24", "WAV float", "WAV A-law"), _WAVE),
    **dict.fromkeys(("WAV MS ADPCM", "WAV extensible", "MP3 in RIFF"), _WAVE),
    **dict.fromkeys(("AIFF", "AIFC"), _AIFF),
    "RF64": _RF64,
    "W64": _W64,
    "CAF": _CAF,
    "AU": _AU,
    "FLAC": _flac,
    **dict.fromkeys(("MP3 CBR, LAME", "MP3 VBR, LAME"), _xing),
    **dict.fromkeys(("WebM Opus", "Matroska FLAC", "Matroska AAC"), _matroska),
    **dict.fromkeys(("m4a AAC", "m4a ALAC"), _movie),
}
"""By kind; the others say no length before their sound, or say it under a checksum."""
