"""Matroska and WebM, of which PyAV, an extra, reads the tags."""

from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from .named import raw_of_metadata
from .raw import RawTags

MAGIC = b"\x1a\x45\xdf\xa3"


def raw_of_matroska(path: Path) -> RawTags:
    """The fields and the cover; none without the extra. Raises ValueError."""
    try:
        av: Any = import_module("av")
    except ImportError:
        return RawTags()
    try:
        return _raw(av, path)
    except av.error.FFmpegError as error:
        raise ValueError(str(error)) from error


def _raw(av: Any, path: Path) -> RawTags:
    with av.open(str(path)) as container:
        metadata = dict(container.metadata)
        for stream in container.streams.audio[:1]:
            metadata |= {
                name: value for name, value in stream.metadata.items() if name not in metadata
            }
        pictures = []
        covers = container.streams.video[:1]
        if covers and covers[0].disposition & av.stream.Disposition.attached_pic:
            pictures = [bytes(packet) for packet in islice(container.demux(covers[0]), 1)]
        return raw_of_metadata(metadata, pictures)
