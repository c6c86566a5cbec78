"""FLAC: integers of 16 or 24 bits, compressed without loss."""

from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from stemline.arrays import Array
from stemline.errors import EncodingError

from .format import Encoder, FileFormat, Quality
from .libsndfile import SndfileEncoder
from .pcm import check_bits, integers

_MOST_RATE_HZ = 655_350


class _Flac(FileFormat):
    name = "flac"
    most_channels = 8

    def check_quality(self, quality: Quality) -> None:
        hint = "; float is wav's alone" if quality.bits == 32 else ""
        check_bits(self.name, (16, 24), quality.bits, hint)

    def is_integer(self, quality: Quality) -> bool:
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


FORMAT = _Flac()
