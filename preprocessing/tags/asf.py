"""The attributes of ASF (WMA)."""

import struct
from typing import Any

from mutagen.asf import ASFTags

from stemline.tags import FIELDS

from .raw import RawTags

_NAMES = {row.asf: row.name for row in FIELDS if row.asf}


def raw_of_asf(tags: ASFTags) -> RawTags:
    """The fields and pictures of ASF."""
    raw = RawTags()
    attributes: Any = tags
    for name, value in attributes:
        if name == "WM/Picture":
            raw.pictures += _picture(bytes(value.value))
        elif name in _NAMES:
            raw.add(_NAMES[name], [value])
        elif "/" not in name:
            raw.add_named(name, [value])
    return raw


def _picture(value: bytes) -> list[tuple[int, bytes]]:
    """Its kind, its size, its type and a description in UTF-16, each ended by a zero, its bytes."""
    if len(value) < 5:
        return []
    kind, size = struct.unpack("<BI", value[:5])
    at = 5
    for _ in range(2):
        while any(value[at : at + 2]):
            at += 2
        at += 2
    return [(kind, value[at : at + size])]
