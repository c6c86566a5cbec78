"""Files made to keep a reader busy: its work grows as they do, and has an end."""

import io
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from audio_files import RATE, encoded, music

from stemline.bench.containers.making import by_soundfile
from stemline.errors import AudioError
from stemline.preprocessing.audio import open_audio
from stemline.preprocessing.audio.mpeg_frames import scan
from stemline.preprocessing.audio.ogg_pages import PageReader
from stemline.preprocessing.audio.tags import tag_bytes

FRAME = b"\xff\xfb\x90\x64" + bytes(413)
SMALL_FRAME = b"\xff\xf3\x14\xc4" + bytes(20)  # MPEG 2, 8 kbit/s at 24 kHz, mono
XING = b"\xff\xf3\x24\xc4" + bytes(9) + b"Xing" + bytes(31)  # 16 kbit/s
EMPTY_TAG = b"ID3\3\0\0\0\0\0\0"
FLAC = by_soundfile(music(RATE // 2), "FLAC", "PCM_16")
VORBIS = by_soundfile(music(RATE // 2), "OGG", "VORBIS")
WAV = by_soundfile(music(100), "WAV", "PCM_16")
MATROSKA = encoded(music(RATE // 2), "matroska", "flac")
W64_HEAD, SIZE_24 = b"riff\x2e\x91\xcf\x11" + bytes(32), struct.pack("<Q", 24)
FLAC_INFO = FLAC[4:42]  # STREAMINFO, with its header

HOSTILE: dict[str, Callable[[int], bytes]] = {
    "sync words": lambda n: 4 * FRAME + b"\xff\xfb\x90\x64" * (n // 4),
    "sync words alone": lambda n: b"\xff\xfb\x90\x64" * (n // 4),
    "ones": lambda n: 4 * FRAME + b"\xff" * n,
    "zeros between frames": lambda n: (4 * SMALL_FRAME + b"\0") * (n // 97),
    "noise between frames": lambda n: (4 * SMALL_FRAME + b"\1") * (n // 97),
    "headers of one frame": lambda n: (XING + SMALL_FRAME) * (n // 72),
    "kinds by turns": lambda n: (4 * FRAME + 4 * SMALL_FRAME) * (n // 1764),
    "tags in front": lambda n: EMPTY_TAG * (n // 10) + 4 * FRAME,
    "tags behind": lambda n: 4 * FRAME + EMPTY_TAG * (n // 10),
    "marks of pages": lambda n: VORBIS + b"OggS\0" * (n // 5),
    "pages with wrong checksums": lambda n: VORBIS + VORBIS[:58].replace(b"v", b"w") * (n // 58),
    "pages in pages": lambda n: VORBIS + (b"OggS\0" + b"\xff" * 22) * (n // 27),
    "first pages": lambda n: VORBIS + VORBIS[:58] * (n // 58),
    "flac beginnings": lambda n: FLAC + FLAC[:8] * (n // 8),
    "whole flac beginnings": lambda n: FLAC + FLAC[:42] * (n // 42),
    "flac sync words": lambda n: FLAC[:9000] + b"\xff\xf8\xc9\xa8\x01\0" * (n // 6),
    "flac metadata": lambda n: b"fLaC" + FLAC_INFO + b"\1\0\0\0" * (n // 4) + FLAC[42:],
    "chunks of WAVE": lambda n: WAV[:36] + b"junk\0\0\0\0" * (n // 8) + WAV[36:],
    "chunks behind": lambda n: WAV + b"junk\0\0\0\0" * (n // 8),
    "chunks of AIFF": lambda n: b"FORM\0\xff\xff\xffAIFF" + b"junk\0\0\0\0" * (n // 8),
    "chunks of CAF": lambda n: b"caff\0\1\0\0" + (b"junk" + bytes(8)) * (n // 12),
    "chunks of W64": lambda n: W64_HEAD + (b"junk" + bytes(12) + SIZE_24) * (n // 24),
    "elements": lambda n: MATROSKA + b"\xec\x80" * (n // 2),
    "layouts": lambda n: b"FORM\0\xff\xff\xffAIFF" + b"CHAN\0\0\0\0" * (n // 8),
}  # fmt: skip


class CountedFile(io.BytesIO):
    """Counts what is read of it."""

    n_bytes = 0

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        self.n_bytes += len(found)
        return found


def work(data: bytes) -> tuple[int, int]:
    """Calls of Python functions and of others, and bytes read, until the last sample was read."""
    n_calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal n_calls
        n_calls += event in ("call", "c_call")

    file = CountedFile(data)
    sys.setprofile(count)
    try:
        with suppress(AudioError), open_audio(file) as reader:
            for _ in reader.blocks():
                pass
    finally:
        sys.setprofile(None)
    return n_calls, file.n_bytes


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_work_grows_no_faster_than_the_file(kind: str) -> None:
    work(HOSTILE[kind](1000))  # what is done once in a process
    size = 60_000
    calls, n_bytes = work(HOSTILE[kind](size))
    twice_calls, twice_n_bytes = work(HOSTILE[kind](2 * size))
    assert calls < 30 * size + 1_000_000  # mpg123 looks at 64 kB byte by byte before it refuses
    assert twice_calls < 2.3 * calls + 10_000
    assert n_bytes < 60 * size + 4_000_000
    assert twice_n_bytes < 2.3 * n_bytes


def test_the_search_for_frames_has_an_end() -> None:
    """A million places that look like a frame and are none: what is behind them is left out."""
    data = 4 * FRAME + b"\1" + b"\xff\xfb\x90\x64" * 1_000_100 + 8 * FRAME
    found = scan(io.BytesIO(data), 0, len(data), lambda head, left: 0, 1 << 20)
    assert found is not None
    assert [run.n_frames for run in found.runs] == [4]
    assert [n_bytes for _, n_bytes in found.lost] == [len(data) - 4 * len(FRAME)]


def test_no_more_than_ten_thousand_parts_are_read() -> None:
    data = (XING + SMALL_FRAME) * 10_050
    found = scan(io.BytesIO(data), 0, len(data), lambda head, left: 0, 1 << 20)
    assert found is not None
    assert len(found.runs) == 10_001
    assert [n_bytes for _, n_bytes in found.lost] == [len(data) - 10_001 * 48 - 10_000 * 24]


def test_pages_with_a_wrong_checksum_are_looked_at_ten_thousand_times() -> None:
    data = VORBIS + b"OggS\0" + b"OggS\0" * 20_000 + VORBIS
    reader = PageReader(io.BytesIO(data), 0, len(data))
    assert sum(page.end - page.start for page in reader.pages()) == len(VORBIS)
    assert reader.lost_at_end_bytes == len(data) - len(VORBIS)


def test_ten_thousand_tags_are_passed_over_and_more_are_said() -> None:
    data = 4 * FRAME + EMPTY_TAG * 10_100 + 8 * FRAME
    found = scan(io.BytesIO(data), 0, len(data), tag_bytes, 1 << 20)
    assert found is not None
    assert [run.n_frames for run in found.runs] == [12]
    assert [n_bytes for _, n_bytes in found.lost] == [100 * len(EMPTY_TAG)]
