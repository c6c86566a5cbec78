"""ID3 (id3.org): before MPEG audio, and in a chunk of WAV and AIFF."""

from collections.abc import Iterable
from typing import Any

from mutagen.id3 import ID3

from stemline.tags import FIELDS

from .raw import RawTags

_NAMES = {row.id3: row.name for row in FIELDS if row.id3}
# Of a comment and lyrics there are many, told apart by a description. Programs keep values of
# their own so (iTunNORM, iTunSMPB, Songs-DB_…), most of which are of the samples.
_OF_THE_MUSIC = ("", "comment", "description", "id3v1 comment")


def raw_of_id3(tags: ID3) -> RawTags:
    """The fields and pictures of ID3 of any version, which mutagen makes version 2.4."""
    raw = RawTags()
    frames: Iterable[Any] = tags.values()
    for frame in frames:
        kind = frame.FrameID
        if kind in ("COMM", "USLT"):
            if frame.desc.lower() in _OF_THE_MUSIC:
                raw.add(_NAMES[kind], frame.text if kind == "COMM" else [frame.text])
        elif kind == "TXXX":
            raw.add_named(frame.desc, frame.text)
        elif kind == "TCON":
            raw.add(_NAMES[kind], frame.genres)  # `(17)` is Rock
        elif kind in _NAMES:
            raw.add(_NAMES[kind], frame.text)
        elif kind == "APIC" and frame.mime != "-->":  # which is a link
            raw.pictures.append((int(frame.type), frame.data))
    return raw
