"""The attack: frames of ID3 that zlib makes a thousand times as long of, in whatever has ID3."""

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from audio_files import RATE, encoded, music

from stemline.bench.containers.making import by_soundfile
from stemline.preprocessing.audio import open_audio
from stemline.preprocessing.tags import read_tags

BOMB = b"\0" + b"a" * 200_000_000
PACKED = zlib.compress(BOMB, 9)
SMALL = zlib.compress(b"\0" + b"a" * 5000)
PACKED_24, PACKED_23 = 0x0009, 0x0080


def syncsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def frame(name: bytes, packed: bytes, n_bytes: int, version: int) -> bytes:
    """A packed one, which says how long it will be."""
    if version == 4:
        body = syncsafe(n_bytes) + packed
        return name + syncsafe(len(body)) + struct.pack(">H", PACKED_24) + body
    body = struct.pack(">I", n_bytes) + packed
    return name + struct.pack(">IH", len(body), PACKED_23) + body


def tag(*frames: bytes, version: int = 4) -> bytes:
    title = b"\0Song"
    size = syncsafe(len(title)) if version == 4 else struct.pack(">I", len(title))
    body = b"TIT2" + size + b"\0\0" + title + b"".join(frames)
    return b"ID3" + bytes([version, 0, 0]) + syncsafe(len(body)) + body


def chunk(name: bytes, body: bytes, order: str) -> bytes:
    return name + struct.pack(f"{order}I", len(body)) + body + bytes(len(body) % 2)


def in_form(container: str, id3: bytes) -> bytes:
    order, name = ("<", b"id3 ") if container == "WAV" else (">", b"ID3 ")
    data = by_soundfile(music(RATE // 10), container, "PCM_16") + chunk(name, id3, order)
    return data[:4] + struct.pack(f"{order}I", len(data) - 8) + data[8:]


def dsf(id3: bytes) -> bytes:
    form = struct.pack("<IIIIIIQII", 1, 0, 2, 2, 2_822_400, 1, 4096 * 8, 4096, 0)
    chunks = b"fmt " + struct.pack("<Q", 52) + form + b"data" + struct.pack("<Q", 12 + 8192)
    data = chunks + bytes(8192)
    head = struct.pack("<QQQ", 28, 28 + len(data) + len(id3), 28 + len(data))
    return b"DSD " + head + data + id3


HOLDERS: dict[str, Callable[[bytes], bytes]] = {
    "MP3": lambda id3: id3 + encoded(music(RATE), "mp3", "libmp3lame"),
    "TTA": lambda id3: id3 + encoded(music(RATE), "tta", "tta"),
    "unknown": lambda id3: id3 + b"nothing" * 1000,
    "WAV": lambda id3: in_form("WAV", id3),
    "AIFF": lambda id3: in_form("AIFF", id3),
    "DSF": dsf,
}


def title_and_peak(path: Path) -> tuple[tuple[str, ...] | None, int]:
    tracemalloc.start()
    try:
        tags = read_tags(path).tags
        return tags.fields.get("title"), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("holder", HOLDERS)
def test_a_packed_frame_takes_no_memory(tmp_path: Path, holder: str, version: int) -> None:
    path = tmp_path / "a"
    bomb = frame(b"TALB", PACKED, len(BOMB), version)
    path.write_bytes(HOLDERS[holder](tag(bomb, version=version)))
    title, peak_bytes = title_and_peak(path)
    assert title == ("Song",)
    assert peak_bytes < 50_000_000


def test_many_packed_frames_take_no_more_than_one(tmp_path: Path) -> None:
    packed = zlib.compress(b"\0" + b"a" * 30_000_000, 9)
    assert len(packed) < 1 << 15
    names = (b"TALB", b"TPE1", b"TPE2", b"TCOM", b"TPE3", b"TPUB", b"TCOP", b"TENC")
    frames = [frame(name, packed, 30_000_001, 4) for name in names]
    path = tmp_path / "a.mp3"
    path.write_bytes(HOLDERS["MP3"](tag(*frames)))
    title, peak_bytes = title_and_peak(path)
    assert title == ("Song",)
    assert peak_bytes < 350_000_000  # of two, and their text


@pytest.mark.parametrize("version", [3, 4])
def test_a_small_packed_frame_is_read(tmp_path: Path, version: int) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(HOLDERS["MP3"](tag(frame(b"TALB", SMALL, 5001, version), version=version)))
    assert read_tags(path).tags.fields["album"] == ("a" * 5000,)


def test_the_sound_behind_packed_tags_is_read() -> None:
    data = HOLDERS["MP3"](tag(frame(b"TALB", PACKED, len(BOMB), 4)))
    with open_audio(io.BytesIO(data)) as reader:
        assert sum(block.shape[1] for block in reader.blocks()) == RATE
        assert reader.faults == ()
