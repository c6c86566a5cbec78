import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from encode_helpers import RATE, noise, write

from stemline.postprocessing.formats import OutputFormat
from stemline.postprocessing.formats.riff import WavFile, append_chunks

FULL = 2**29 - 100
"""Frames of 8 bytes that nearly fill a file of 4 GiB."""


class SparseFile(io.RawIOBase):
    """Keeps the first bytes and those behind 4 GiB, and of all else the length only.

    What is not kept reads as zeros: gigabytes without a disk.
    """

    KEPT = 4096
    TAIL_AT = FULL * 8

    def __init__(self) -> None:
        self.kept = bytearray(self.KEPT)
        self.tail = bytearray(self.KEPT)
        self.position = self.size = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        for start, room in ((0, self.kept), (self.TAIL_AT, self.tail)):
            first = max(self.position, start)
            last = min(self.position + len(data), start + self.KEPT)
            if first < last:
                part = data[first - self.position : last - self.position]
                room[first - start : last - start] = part
        self.position += len(data)
        self.size = max(self.size, self.position)
        return len(data)

    def read(self, n_bytes: int = -1) -> bytes:
        end = self.size if n_bytes < 0 else min(self.size, self.position + n_bytes)
        data = bytearray(max(0, end - self.position))
        for start, room in ((0, self.kept), (self.TAIL_AT, self.tail)):
            first, last = max(self.position, start), min(end, start + self.KEPT)
            if first < last:
                part = room[first - start : last - start]
                data[first - self.position : last - self.position] = part
        self.position = end
        return bytes(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self.position = self.size + offset if whence == 2 else offset
        return self.position

    def tell(self) -> int:
        return self.position

    def on_disk(self, path: Path) -> Path:
        """With holes where nothing was kept."""
        with path.open("wb") as sparse:
            sparse.write(self.kept)
            sparse.seek(self.TAIL_AT)
            sparse.write(self.tail)
            sparse.truncate(self.size)
        return path


def large(n_frames: int) -> tuple[SparseFile, WavFile]:
    """A file of floats in stereo whose first two samples are 1 and 2, and the last 3 and 4."""
    file = SparseFile()
    wav = WavFile(file, RATE, 2, 32)  # type: ignore[arg-type]
    block = bytes(1 << 26)
    wav.write(struct.pack("<2f", 1, 2))
    for start in range(8, n_frames * 8 - 8, len(block)):
        wav.write(block[: n_frames * 8 - 8 - start])
    wav.write(struct.pack("<2f", 3, 4))
    return file, wav


@pytest.mark.parametrize("n_frames", [FULL, 2**29 - 7, 2**29 - 6, 2**29, 2**31])
def test_a_wav_past_4_gb_becomes_rf64(tmp_path: Path, n_frames: int) -> None:
    file, wav = large(n_frames)
    wav.close()
    # 44 bytes of header, 12 of the fact chunk, and the first 8 are not counted.
    kind = b"RIFF" if 8 * n_frames + 48 < 2**32 else b"RF64"
    assert file.kept[:4] == kind
    assert file.kept.index(struct.pack("<2f", 1, 2)) == (44 if kind == b"RIFF" else 80)
    path = file.on_disk(tmp_path / "huge.wav")
    info = soundfile.info(path)
    assert (info.frames, info.channels, info.subtype) == (n_frames, 2, "FLOAT")
    if n_frames <= 2**29:  # the end was kept
        last, _ = soundfile.read(path, start=n_frames - 1, dtype="float32")
        np.testing.assert_array_equal(last, [[3, 4]])


def test_chunks_behind_the_samples_can_make_it_rf64(tmp_path: Path) -> None:
    file, wav = large(FULL)
    wav.close()
    assert file.kept[:4] == b"RIFF"
    append_chunks(file, b"id3 " + struct.pack("<I", 1000) + bytes(1000))  # type: ignore[arg-type]
    assert file.kept[:4] == b"RF64"
    assert struct.unpack("<QQQ", file.kept[20:44]) == (file.size - 8, 8 * FULL, FULL)
    assert soundfile.info(file.on_disk(tmp_path / "huge.wav")).frames == FULL


def test_chunks_behind_the_samples_of_rf64_count_in_its_size(tmp_path: Path) -> None:
    file, wav = large(2**29)
    wav.close()
    size_bytes = file.size
    append_chunks(file, b"id3 " + struct.pack("<I", 1000) + bytes(1000))  # type: ignore[arg-type]
    assert file.size == size_bytes + 1008
    assert struct.unpack("<QQQ", file.kept[20:44]) == (file.size - 8, 2**32, 2**29)


@pytest.mark.parametrize("bits", [16, 24, 32])
@pytest.mark.parametrize("n_samples", [0, 1, 1001])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_first_sample_is_at_byte_44(
    tmp_path: Path, bits: int, n_samples: int, channels: int
) -> None:
    path = tmp_path / "a.wav"
    samples = noise(channels, n_samples)
    write(path, OutputFormat("wav", bits=bits), samples)
    data = path.read_bytes()
    frame_bytes = channels * bits // 8
    kind = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 3 if bits == 32 else 1, channels, RATE, RATE * frame_bytes,
        frame_bytes, bits,
    )  # fmt: skip
    size = struct.pack("<I", len(data) - 8)
    n_bytes = n_samples * frame_bytes
    assert data[:44] == b"RIFF" + size + b"WAVE" + kind + b"data" + struct.pack("<I", n_bytes)
    behind = b"fact" + struct.pack("<II", 4, n_samples) if bits == 32 else b""
    assert data[44 + n_bytes :] == bytes(n_bytes % 2) + behind
    if bits == 32:
        np.testing.assert_array_equal(
            np.frombuffer(data[44 : 44 + n_bytes], "<f4"), samples.T.ravel()
        )


@pytest.mark.parametrize("bits", [16, 24])
def test_pythons_own_module_reads_the_integers(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "a.wav"
    samples = noise(1, 1001)
    write(path, OutputFormat("wav", bits=bits), samples)
    append_chunks_to(path)
    with wave.open(str(path)) as found:
        kind = (
            found.getnchannels(),
            found.getframerate(),
            found.getsampwidth(),
            found.getnframes(),
        )
        data = found.readframes(2000)
    assert kind == (1, RATE, bits // 8, 1001)
    wide = np.zeros((1001, 4), np.uint8)
    wide[:, 4 - bits // 8 :] = np.frombuffer(data, np.uint8).reshape(1001, -1)
    as_floats = wide.view("<i4")[:, 0] / 2.0**31
    np.testing.assert_allclose(as_floats, samples[0], atol=2.0**-bits, rtol=0)


def append_chunks_to(path: Path) -> None:
    with path.open("r+b") as file:
        append_chunks(file, b"LIST" + struct.pack("<I", 4) + b"INFO")
