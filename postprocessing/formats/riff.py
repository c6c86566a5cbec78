"""WAV files of any length, written as the samples come; the first sample is at byte 44."""

import os
import struct
from typing import BinaryIO

from .insert import insert_room

_PCM, _FLOAT = 1, 3
_GREATEST_32_BIT = 2**32 - 1
_HEADER_BYTES = 44  # RIFF and WAVE, fmt of 16 bytes, the name and the size of data
_DS64_AT, _DS64_BYTES = 12, 28  # the sizes of the file and of the data, samples, an empty table


class WavFile:
    """A RIFF/WAVE file that becomes RF64 when 32 bits no longer hold its size.

    The header is the shortest there is, of 44 bytes, for programs that take the samples from there
    on. A float's `fact` chunk, which Microsoft asks of all but PCM, follows the samples. EBU Tech
    3306 wants the sizes of RF64 in a chunk before all others: when the file grows past 4 GiB, what
    is written so far is moved, once, to make room for it.
    """

    def __init__(self, file: BinaryIO, sample_rate_hz: int, channels: int, bits: int) -> None:
        """`bits` 32 is float, 16 and 24 are integers.

        `file` must be seekable, empty, and open for reading too.
        """
        self._file = file
        self._frame_bytes = channels * bits // 8
        self._is_float = bits == 32
        self._is_large = False
        self._data_bytes = 0
        rate = struct.pack(
            "<HHIIHH",
            _FLOAT if self._is_float else _PCM,
            channels,
            sample_rate_hz,
            sample_rate_hz * self._frame_bytes,
            self._frame_bytes,
            bits,
        )
        file.write(b"RIFF" + bytes(4) + b"WAVE")
        file.write(b"fmt " + struct.pack("<I", len(rate)) + rate)
        file.write(b"data" + bytes(4))

    def write(self, frames: bytes) -> None:
        """Append interleaved little-endian samples: whole frames."""
        self._file.write(frames)
        self._data_bytes += len(frames)
        if not self._is_large and self._riff_bytes > _GREATEST_32_BIT:
            _make_large(self._file)
            self._is_large = True

    def close(self) -> None:
        """Write what follows the samples, and the sizes into the header; the file stays open."""
        n_frames = self._data_bytes // self._frame_bytes
        self._file.write(bytes(self._data_bytes % 2))  # chunks begin at even places
        if self._is_float:
            fact = struct.pack("<II", 4, min(n_frames, _GREATEST_32_BIT))
            self._file.write(b"fact" + fact)
        if self._is_large:
            _write_sizes(self._file, self._riff_bytes, self._data_bytes, n_frames)
        else:
            _patch(self._file, 4, struct.pack("<I", self._riff_bytes))
            _patch(self._file, _HEADER_BYTES - 4, struct.pack("<I", self._data_bytes))

    @property
    def _riff_bytes(self) -> int:
        """The size in the header: of all that follows it."""
        ds64_bytes = 8 + _DS64_BYTES if self._is_large else 0
        fact_bytes = 12 if self._is_float else 0
        data_bytes = self._data_bytes + self._data_bytes % 2
        return _HEADER_BYTES - 8 + ds64_bytes + data_bytes + fact_bytes


def chunk(name: bytes, contents: bytes) -> bytes:
    """A chunk, its padding to an even place included."""
    return name + struct.pack("<I", len(contents)) + contents + bytes(len(contents) % 2)


def append_chunks(file: BinaryIO, chunks: bytes) -> None:
    """Append whole chunks to a file that a WavFile has written, behind its samples."""
    size_bytes = file.seek(0, os.SEEK_END)
    file.write(chunks)
    riff_bytes = size_bytes + len(chunks) - 8
    file.seek(0)
    header = file.read(_HEADER_BYTES)
    if header[:4] == b"RF64":
        _patch(file, _DS64_AT + 8, struct.pack("<Q", riff_bytes))
    elif riff_bytes <= _GREATEST_32_BIT:
        _patch(file, 4, struct.pack("<I", riff_bytes))
    else:
        (frame_bytes,) = struct.unpack("<H", header[32:34])
        (data_bytes,) = struct.unpack("<I", header[40:44])
        _make_large(file)
        _write_sizes(file, riff_bytes + 8 + _DS64_BYTES, data_bytes, data_bytes // frame_bytes)


def _make_large(file: BinaryIO) -> None:
    """RIFF → RF64, with a ds64 chunk behind the form's name; the place in the file is its end."""
    room_bytes = 8 + _DS64_BYTES
    insert_room(file, _DS64_AT, room_bytes)
    _patch(file, 0, b"RF64" + struct.pack("<I", _GREATEST_32_BIT))
    _patch(file, _DS64_AT, b"ds64" + struct.pack("<I", _DS64_BYTES) + bytes(_DS64_BYTES))
    _patch(file, _HEADER_BYTES + room_bytes - 4, struct.pack("<I", _GREATEST_32_BIT))
    file.seek(0, os.SEEK_END)


def _write_sizes(file: BinaryIO, riff_bytes: int, data_bytes: int, n_frames: int) -> None:
    """Fill in the ds64 chunk."""
    _patch(file, _DS64_AT + 8, struct.pack("<QQQ", riff_bytes, data_bytes, n_frames))


def _patch(file: BinaryIO, at: int, value: bytes) -> None:
    file.seek(at)
    file.write(value)
