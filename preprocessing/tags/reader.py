"""The tags of any audio file, chosen and bounded."""

import logging
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from mutagen import MutagenError
from mutagen.apev2 import APEv2
from mutagen.asf import ASFTags
from mutagen.id3 import ID3
from mutagen.mp4 import MP4Tags

from stemline.preprocessing.audio.tags import tag_bytes
from stemline.tags import Tags

from .asf import raw_of_asf
from .bounds import bounded
from .id3 import raw_of_id3
from .matroska import MAGIC, raw_of_matroska
from .mp4 import raw_of_mp4
from .named import raw_of_ape, raw_of_comments
from .packed_frames import read_container, read_id3
from .raw import RawTags
from .wave import WAVES, raw_of_wave

_log = logging.getLogger(__name__)

# What foreign parsers raise for bytes that nobody foresaw.
_UNREADABLE = (
    MutagenError, OSError, EOFError, ValueError, LookupError, ArithmeticError, TypeError,
    AttributeError, AssertionError, NotImplementedError, RecursionError, MemoryError,
    struct.error, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class FoundTags:
    """The tags of a file, and what of them was left out."""

    tags: Tags = field(default_factory=Tags)
    left_out: tuple[str, ...] = ()
    """Whole sentences, each with the file's name: of what is too much for a stem."""


def read_tags(path: Path) -> FoundTags:
    """What a file says of its music; nothing where that cannot be read.

    Raises nothing: what merely describes is no reason to refuse a file.
    """
    try:
        raw = _raw(path)
    except _UNREADABLE as error:
        _log.debug("the tags of %s cannot be read: %s", path, error)
        return FoundTags()
    tags, left_out = bounded(raw)
    return FoundTags(tags, tuple(f"{path}: {what}" for what in left_out))


def _raw(path: Path) -> RawTags:
    """The container's own tags, else those that programs put before and behind any other file."""
    with path.open("rb") as file:
        start = _behind_id3(file)
        file.seek(start)
        head = file.read(12)
        if head[:4] == MAGIC:
            return raw_of_matroska(path)
        if head[:4] in WAVES and head[8:] == b"WAVE":
            own: Callable[[], RawTags] = partial(raw_of_wave, file, start)
        else:
            own = partial(_raw_of_container, file)
        for read in (own, lambda: raw_of_id3(read_id3(file)), lambda: raw_of_ape(APEv2(file))):
            file.seek(0)
            try:
                raw = read()
            except _UNREADABLE as error:
                _log.debug("tags of %s cannot be read: %s", path, error)
                continue
            if raw.fields or raw.pictures:
                return raw
    return RawTags()


def _raw_of_container(file: BinaryIO) -> RawTags:
    kind: Any = read_container(file)
    return RawTags() if kind is None else _raw_of(kind.tags, getattr(kind, "pictures", []))


def _raw_of(tags: Any, pictures: list[Any]) -> RawTags:
    """By the kind of tags, whatever container they were in."""
    match tags:
        case None:
            return RawTags()
        case ID3():
            return raw_of_id3(tags)
        case MP4Tags():
            return raw_of_mp4(tags)
        case ASFTags():
            return raw_of_asf(tags)
        case APEv2():
            return raw_of_ape(tags)
        case _:
            return raw_of_comments(tags, pictures)


def _behind_id3(file: BinaryIO) -> int:
    head = file.read(32)
    if head[:3] != b"ID3":
        return 0
    end = file.seek(0, 2)
    size = tag_bytes(head, end)
    return size if size < end else 0
