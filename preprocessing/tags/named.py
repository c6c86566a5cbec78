"""Tags whose fields have free names: Vorbis comments, APE's, and what FFmpeg makes of others."""

import base64
import binascii
from collections.abc import Iterable, Mapping

from mutagen.apev2 import APEv2
from mutagen.flac import Picture
from mutagen.flac import error as PictureError

from .raw import FRONT_COVER, RawTags

_PICTURE = "metadata_block_picture"  # FLAC's block in base64, where the container has none
_OLD_PICTURE = "coverart"


def raw_of_comments(comments: Iterable[tuple[str, str]], blocks: Iterable[Picture]) -> RawTags:
    """Of Vorbis comments, (name, value), and the pictures beside them."""
    raw = RawTags()
    for name, value in comments:
        if name.lower() in (_PICTURE, _OLD_PICTURE):
            raw.pictures += _pictures(name.lower(), value)
        else:
            raw.add_named(name, [value])
    raw.pictures += [(int(block.type), block.data) for block in blocks]
    return raw


def raw_of_ape(tags: APEv2) -> RawTags:
    """Of APE tags."""
    raw = RawTags()
    for name, value in tags.items():
        if name.lower() == "cover art (front)":  # its file's name, a zero, its bytes
            raw.pictures.append((FRONT_COVER, bytes(value.value).partition(b"\0")[2]))
        elif isinstance(value.value, str):
            raw.add_named(name, value.value.split("\0"))
    return raw


def raw_of_metadata(metadata: Mapping[str, str], pictures: Iterable[bytes]) -> RawTags:
    """Of what FFmpeg found."""
    raw = RawTags(pictures=[(FRONT_COVER, picture) for picture in pictures])
    for name, value in metadata.items():
        raw.add_named(name, [value])
    return raw


def _pictures(name: str, value: str) -> list[tuple[int, bytes]]:
    try:
        data = base64.b64decode(value)
        if name == _OLD_PICTURE:
            return [(0, data)]
        block = Picture(data)
    except (binascii.Error, PictureError, ValueError):
        return []
    return [(int(block.type), block.data)]
