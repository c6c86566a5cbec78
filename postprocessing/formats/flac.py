"""FLAC: integers of 16 or 24 bits, compressed without loss."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from mutagen.flac import FLAC
from mutagen.flac import Picture as Block
from mutagen.id3 import PictureType
from numpy.typing import NDArray

from stemline.arrays import Array
from stemline.errors import EncodingError
from stemline.tags import Picture, Tags

from .format import Encoder, FileFormat, Quality
from .libsndfile import SndfileEncoder
from .pcm import check_bits, integers
from .tagging import errors_of_file

_TOTALS = {"tracknumber": "TRACKTOTAL", "discnumber": "DISCTOTAL"}
_MOST_RATE_HZ = 655_350


class _Flac(FileFormat):
    name = "flac"
    most_channels = 8

    def check_quality(self, quality: Quality) -> None:
        hint = "; float is wav's alone" if quality.bits == 32 else ""
        check_bits(self.name, (16, 24), quality.bits, hint)

    def clips(self, quality: Quality) -> bool:
        return True

    def check_rate(self, quality: Quality, sample_rate_hz: int) -> None:
        # A frame has 16 bits for a rate in Hz, or in units of 10 Hz.
        if sample_rate_hz > _MOST_RATE_HZ or (sample_rate_hz >= 1 << 16 and sample_rate_hz % 10):
            raise EncodingError(f"flac has no rate of {sample_rate_hz} Hz; choose wav")

    def encoder(
        self, file: BinaryIO, quality: Quality, sample_rate_hz: int, channels: int
    ) -> Encoder:
        bits = quality.bits

        def samples(frames: Array) -> NDArray[np.int16] | NDArray[np.int32]:
            if bits == 16:
                return integers(frames, 16).astype(np.int16)
            return integers(frames, bits) << (32 - bits)  # libsndfile takes the upper bits of 32

        kind = {"format": "FLAC", "subtype": f"PCM_{bits}"}
        return SndfileEncoder(file, sample_rate_hz, channels, samples, kind)

    def add_tags(self, file: BinaryIO, tags: Tags) -> None:
        """Fill the block of Vorbis comments that libFLAC has written, and add one of the cover."""
        with errors_of_file():
            file.seek(0)
            flac = FLAC(file)
            comments: Any = flac.tags
            comments.extend(_comments(tags))
            if tags.cover is not None:
                flac.add_picture(_picture(tags.cover))
            file.seek(0)
            flac.save(file)


def _comments(tags: Tags) -> Iterator[tuple[str, str]]:
    """Vorbis comments; a number among so many is two."""
    for name, values in tags.fields.items():
        for value in values:
            number, slash, total = value.partition("/")
            if name in _TOTALS and slash:
                yield name.upper(), number
                yield _TOTALS[name], total
            else:
                yield name.upper(), value


def _picture(cover: Picture) -> Block:
    block = Block()
    block.type = PictureType.COVER_FRONT
    block.mime = cover.mime
    block.data = cover.data
    return block


FORMAT = _Flac()
