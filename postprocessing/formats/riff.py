"""WAV files of any length, written as the samples come."""

import struct
from typing import BinaryIO

_PCM, _FLOAT = 1, 3
_SIZES_BYTES = 28  # the ds64 chunk's sizes: of the file, of the data, samples, an empty table
_GREATEST_32_BIT = 2**32 - 1


class WavFile:
    """A RIFF/WAVE file that becomes RF64 when 32 bits no longer hold its size.

    EBU Tech 3306: a chunk named JUNK keeps the place; if the file grows past 4 GB, it is
    renamed ds64 and holds the sizes, and RIFF is renamed RF64.
    """

    def __init__(self, file: BinaryIO, sample_rate_hz: int, channels: int, bits: int) -> None:
        """`bits` 32 is float, 16 and 24 are integers. `file` must be seekable and empty."""
        self._file = file
        self._frame_bytes = channels * bits // 8
        self._data_bytes = 0
        encoding = _FLOAT if bits == 32 else _PCM
        rate = struct.pack(
            "<HHIIHHH",
            encoding,
            channels,
            sample_rate_hz,
            sample_rate_hz * self._frame_bytes,
            self._frame_bytes,
            bits,
            0,
        )
        file.write(b"RIFF" + bytes(4) + b"WAVE")
        file.write(b"JUNK" + struct.pack("<I", _SIZES_BYTES) + bytes(_SIZES_BYTES))
        file.write(b"fmt " + struct.pack("<I", len(rate)) + rate)
        self._fact_at = file.tell()
        file.write(b"fact" + struct.pack("<II", 4, 0))
        file.write(b"data" + bytes(4))
        self._header_bytes = file.tell()

    def write(self, frames: bytes) -> None:
        """Append interleaved little-endian samples: whole frames."""
        self._file.write(frames)
        self._data_bytes += len(frames)

    def close(self) -> None:
        """Write the sizes into the header; the file stays open."""
        if self._data_bytes % 2:
            self._file.write(b"\0")  # chunks begin at even places
        riff_bytes = self._header_bytes + self._data_bytes + self._data_bytes % 2 - 8
        n_frames = self._data_bytes // self._frame_bytes
        if riff_bytes > _GREATEST_32_BIT:
            sizes = struct.pack("<QQQI", riff_bytes, self._data_bytes, n_frames, 0)
            self._patch(0, b"RF64" + struct.pack("<I", _GREATEST_32_BIT))
            self._patch(12, b"ds64" + struct.pack("<I", _SIZES_BYTES) + sizes)
        else:
            self._patch(4, struct.pack("<I", riff_bytes))
        short = (min(n_frames, _GREATEST_32_BIT), min(self._data_bytes, _GREATEST_32_BIT))
        self._patch(self._fact_at + 8, struct.pack("<I", short[0]))
        self._patch(
            self._header_bytes - 4,
            struct.pack("<I", _GREATEST_32_BIT if riff_bytes > _GREATEST_32_BIT else short[1]),
        )

    def _patch(self, at: int, value: bytes) -> None:
        self._file.seek(at)
        self._file.write(value)
