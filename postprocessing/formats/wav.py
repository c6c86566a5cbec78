"""WAV: integers of 16 or 24 bits, or floats of 32."""

from typing import BinaryIO

import numpy as np

from stemline.arrays import Array
from stemline.errors import EncodingError
from stemline.tags import FIELDS, Tags

from .format import Encoder, FileFormat, Quality
from .id3 import id3_bytes
from .pcm import check_bits, integers
from .riff import WavFile, append_chunks, chunk

_FLOAT_BITS = 32
_MOST_CHANNELS = 8
_MOST_RATE_HZ = (2**32 - 1) // (_MOST_CHANNELS * _FLOAT_BITS // 8)
_INFO = {row.name: row.info.encode() for row in FIELDS if row.info}


class _Wav(FileFormat):
    name = "wav"
    most_channels = _MOST_CHANNELS
    can_be_empty = True

    def check_quality(self, quality: Quality) -> None:
        check_bits(self.name, (16, 24, _FLOAT_BITS), quality.bits)

    def clips(self, quality: Quality) -> bool:
        return quality.bits < _FLOAT_BITS

    def check_rate(self, quality: Quality, sample_rate_hz: int) -> None:
        # The header has 32 bits for the bytes of a second.
        if sample_rate_hz > _MOST_RATE_HZ:
            raise EncodingError(
                f"wav has no rate of {sample_rate_hz} Hz, only up to {_MOST_RATE_HZ} Hz"
            )

    def least_bytes(
        self, quality: Quality, n_samples: int, sample_rate_hz: int, channels: int
    ) -> int:
        """All of its samples."""
        return n_samples * channels * quality.bits // 8

    def encoder(
        self, file: BinaryIO, quality: Quality, sample_rate_hz: int, channels: int
    ) -> Encoder:
        return _WavEncoder(file, quality.bits, sample_rate_hz, channels)

    def add_tags(self, file: BinaryIO, tags: Tags) -> None:
        """Append a LIST INFO, which Windows reads, and ID3, which holds everything.

        Behind the samples, so that these begin where they do without.
        """
        append_chunks(file, _info(tags) + chunk(b"id3 ", id3_bytes(tags)))


def _info(tags: Tags) -> bytes:
    """The fields that a LIST INFO has; in UTF-8, as the format does not say in what."""
    chunks = b"".join(
        chunk(_INFO[name], "; ".join(values).encode() + b"\0")
        for name, values in tags.fields.items()
        if name in _INFO
    )
    return chunk(b"LIST", b"INFO" + chunks)


class _WavEncoder:
    def __init__(self, file: BinaryIO, bits: int, sample_rate_hz: int, channels: int) -> None:
        self._bits = bits
        self._wav = WavFile(file, sample_rate_hz, channels, bits)

    def write(self, frames: Array) -> None:
        if self._bits == _FLOAT_BITS:
            self._wav.write(frames.astype("<f4", copy=False).tobytes())
        elif self._bits == 16:
            self._wav.write(integers(frames, 16).astype("<i2").tobytes())
        else:  # the lower three bytes of four
            wide = integers(frames, 24).astype("<i4").reshape(-1, 1).view(np.uint8)
            self._wav.write(wide[:, :3].tobytes())

    def close(self) -> None:
        self._wav.close()

    def abandon(self) -> None:
        """Do nothing: nothing is held."""


FORMAT = _Wav()
