"""Which container a file is, whatever it is called, and the parts it holds.

One container is always read by the same decoder, whatever is installed: libsndfile, or FFmpeg for
what libsndfile does not know.
"""

import os
from typing import BinaryIO, Final

from stemline.errors import AudioError, MissingExtraError

from .chunked import chunked_contents
from .ffmpeg import ffmpeg_contents
from .flac import flac_contents
from .libsndfile import part_of
from .mpeg import mpeg_contents
from .mpeg_frames import frame_header
from .ogg import ogg_contents
from .part import MOST_CHUNKS, Contents, DecodeError, EndlessError
from .riff import wave_contents
from .tags import tag_bytes

_WAVES: Final = (b"RIFF", b"RIFX", b"RF64", b"BW64")
_W64: Final = b"riff\x2e\x91\xcf\x11"
# Of FFmpeg's: Matroska and WebM, ASF (WMA), FLV, program streams, Monkey's Audio, WavPack, AMR,
# Musepack, DSF, RealMedia. Their contents may look like frames of MPEG audio. The last, sample
# dumps for MIDI, libsndfile reads as well, and prints what is wrong to standard output.
_OF_FFMPEG: Final = (
    b"\x1a\x45\xdf\xa3", b"\x30\x26\xb2\x75", b"FLV\x01", b"\x00\x00\x01\xba", b"MAC ", b"wvpk",
    b"#!AMR", b"MPCK", b"MP+", b"DSD ", b".RMF", b"TTA1", b"\x0b\x77", b"\xf0\x7e",
)  # fmt: skip

_MPEG: Final = {"", "MP3", "MPEG"}
# What libsndfile takes for these by two bytes, or by the file's length, may be half a frame.
_OF_TWO_BYTES: Final = {"MPC2K", "HTK"}


def find_contents(file: BinaryIO, name: str) -> Contents:
    """What a file holds. Raises AudioError, naming it, where that is no audio that can be read."""
    try:
        end = file.seek(0, os.SEEK_END)
    except OSError as error:
        raise AudioError(f"{name} cannot be read as audio: a pipe cannot be sought in") from error
    if end == 0:
        raise AudioError(f"{name} is empty")
    start = _behind_tags(file, end)
    try:
        return _of_either(file, start, end)
    except DecodeError as error:
        raise AudioError(f"{name} cannot be read as audio ({error})") from error
    except MissingExtraError as error:
        raise AudioError(
            f"{name} cannot be read as audio by libsndfile; if it is m4a, AAC, WMA, WebM or "
            f"another kind that FFmpeg reads: {error}"
        ) from error


def _of_either(file: BinaryIO, start: int, end: int) -> Contents:
    """By libsndfile, and by FFmpeg what libsndfile refuses, whatever that is."""
    try:
        contents = _of_magic(file, start, end)
        return contents if contents is not None else _of_libsndfile(file, start, end)
    except EndlessError:
        raise
    except DecodeError as refused:
        try:
            return ffmpeg_contents(file, start, end)
        except DecodeError:
            raise refused from None


def _behind_tags(file: BinaryIO, end: int) -> int:
    at = 0
    for _ in range(MOST_CHUNKS):
        file.seek(at)
        head = file.read(32)
        size = tag_bytes(head, end - at) if head[:3] == b"ID3" else 0
        if not size:
            break
        at += size
    return at if at < end else 0


def _of_magic(file: BinaryIO, start: int, end: int) -> Contents | None:
    """By the file's first bytes; None where they are not known here."""
    file.seek(start)
    head = file.read(16)
    if head[:4] in _WAVES and head[8:12] == b"WAVE":
        return wave_contents(file, start, end)
    if head[:4] == b"fLaC":
        return flac_contents(file, start, end)
    if head[:4] == b"OggS":
        return ogg_contents(file, start, end)
    if head[:8] == _W64 or head[:4] in (b"caff", b".snd"):
        return chunked_contents(file, start, end, head[:4])
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return chunked_contents(file, start, end, head[:4])
    if head[4:8] == b"ftyp" or head.startswith(_OF_FFMPEG) or _is_adts(head):
        return ffmpeg_contents(file, start, end)
    # Not by libsndfile, which believes the first frame.
    return mpeg_contents(file, start, end) if frame_header(head[:4]) is not None else None


def _is_adts(head: bytes) -> bool:
    """AAC without a container: a sync word of 12 bits, and layer 0, which MPEG audio never has."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0


def _of_libsndfile(file: BinaryIO, start: int, end: int) -> Contents:
    """What libsndfile finds by itself, else frames of MPEG audio. Raises DecodeError."""
    refused = DecodeError("it holds no whole frame")
    try:
        kind, part = part_of(file, [(start, end)])
    except DecodeError as error:
        kind, refused = "", error
    if kind not in _MPEG | _OF_TWO_BYTES:
        return Contents((part,))
    found = mpeg_contents(file, start, end)
    if found is not None:
        return found
    if kind in _MPEG:
        raise refused
    return Contents((part,))
