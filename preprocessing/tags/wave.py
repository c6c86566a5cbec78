"""The chunks of WAVE that hold tags: `id3 ` and LIST INFO, before or behind the samples."""

import struct
from io import BytesIO
from typing import BinaryIO

from mutagen.id3 import ID3NoHeaderError

from stemline.tags import FIELDS

from .id3 import raw_of_id3
from .packed_frames import read_id3
from .raw import RawTags

WAVES = (b"RIFF", b"RF64", b"BW64")
_NAMES = {row.info.encode(): row.name for row in FIELDS if row.info} | {
    b"IPRT": "tracknumber",
    b"TRCK": "tracknumber",
}
_MOST_CHUNKS = 10_000
_MOST_ID3_BYTES = 1 << 28  # as much as it can hold
_MOST_INFO_BYTES = 1 << 20
_UNKNOWN_SIZE = 0xFFFFFFFF


def raw_of_wave(file: BinaryIO, start: int) -> RawTags:
    """The fields and pictures of a WAVE file that begins at `start`; ID3 comes before INFO."""
    info, id3 = RawTags(), RawTags()
    data_bytes = _UNKNOWN_SIZE
    at = start + 12
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            break
        name, size = head[:4], struct.unpack("<I", head[4:])[0]
        if name == b"ds64":
            data_bytes = struct.unpack("<8xQ", file.read(16))[0]
        elif name == b"data" and size == _UNKNOWN_SIZE:
            size = data_bytes
        elif name in (b"id3 ", b"ID3 ") and size <= _MOST_ID3_BYTES:
            try:
                id3 = raw_of_id3(read_id3(BytesIO(file.read(size))))
            except ID3NoHeaderError:
                pass
        elif name == b"LIST" and size <= _MOST_INFO_BYTES and file.read(4) == b"INFO":
            _add_info(info, file.read(max(0, size - 4)))
        at += 8 + size + size % 2
    return RawTags({**info.fields, **id3.fields}, id3.totals, id3.pictures)


def _add_info(raw: RawTags, chunks: bytes) -> None:
    at = 0
    while at + 8 <= len(chunks):
        name, size = chunks[at : at + 4], struct.unpack("<I", chunks[at + 4 : at + 8])[0]
        if name in _NAMES:
            raw.add(_NAMES[name], [_text(chunks[at + 8 : at + 8 + size])])
        at += 8 + size + size % 2


def _text(value: bytes) -> str:
    """As UTF-8, else as the code page that Windows has in the west: the format names none."""
    value = value.split(b"\0")[0]
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("cp1252", errors="replace")
