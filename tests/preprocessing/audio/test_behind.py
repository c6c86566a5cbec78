"""What is behind the sound: chunks, tags and padding are meant, all else is said."""

import io
import struct
from collections.abc import Callable

import numpy as np
import pytest
from audio_files import music, read

from stemline.bench.containers.header_lengths import HEADER_LENGTHS
from stemline.bench.containers.kinds import KINDS
from stemline.bench.containers.making import by_soundfile
from stemline.preprocessing.audio import open_audio

N = 10_000
SOUND = music(N)
ID3V1 = b"TAG" + b"x" * 125
FILES: dict[str, bytes] = {
    "WAV": by_soundfile(SOUND, "WAV", "PCM_16"),
    "RF64": by_soundfile(SOUND, "RF64", "PCM_16"),
    "W64": by_soundfile(SOUND, "W64", "PCM_16"),
    "AIFF": by_soundfile(SOUND, "AIFF", "PCM_16"),
    "CAF": by_soundfile(SOUND, "CAF", "PCM_16"),
    "AU": by_soundfile(SOUND, "AU", "PCM_16"),
}
CHUNKS: dict[str, Callable[[int], bytes]] = {
    "WAV": lambda n: b"LIST" + struct.pack("<I", n) + b"\7" * n,
    "RF64": lambda n: b"LIST" + struct.pack("<I", n) + b"\7" * n,
    "W64": lambda n: b"list" + b"\7" * 12 + struct.pack("<Q", n + 24) + b"\7" * n,
    "AIFF": lambda n: b"ANNO" + struct.pack(">I", n) + b"\7" * n,
    "CAF": lambda n: b"info" + struct.pack(">q", n) + b"\7" * n,
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("tail", [b"", bytes(3000), ID3V1], ids=["nothing", "padding", "tag"])
def test_padding_and_tags_are_no_sound_and_no_fault(kind: str, tail: bytes) -> None:
    found, faults = read(FILES[kind] + tail)
    assert (found.shape, faults) == ((2, N), ())


@pytest.mark.parametrize("kind", CHUNKS)
@pytest.mark.parametrize("padded", [True, False])
def test_chunks_are_no_sound_and_no_fault(kind: str, padded: bool) -> None:
    odd = CHUNKS[kind](2001)
    # Of W64, chunks begin at multiples of eight.
    gap = bytes(-len(odd) % 8) if kind == "W64" else b"\0" * padded
    found, faults = read(FILES[kind] + odd + gap + CHUNKS[kind](1000))
    assert (found.shape, faults) == ((2, N), ())


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("size", [1, 5, 3000])
def test_what_is_none_of_these_is_said_before_the_work(kind: str, size: int) -> None:
    data = FILES[kind] + b"\7" * size
    with open_audio(io.BytesIO(data)) as reader:
        assert reader.faults == (
            f"the audio has {size} bytes behind its sound that are no part of it, which are not "
            "read",
        )
    assert read(data)[0].shape == (2, N)


@pytest.mark.parametrize("kind", FILES)
def test_a_second_file_is_said_to_follow(kind: str) -> None:
    found, faults = read(2 * FILES[kind])
    assert found.shape == (2, N)
    assert [f"holds another file of {len(FILES[kind])} bytes" in fault for fault in faults] == [
        True
    ]


def test_a_size_that_is_too_small_leaves_a_word() -> None:
    data = bytearray(FILES["WAV"])
    data[40:44] = struct.pack("<I", 4 * 4000)
    found, faults = read(bytes(data))
    assert found.shape == (2, 4000)
    assert f"has {4 * 6000} bytes behind its sound" in faults[0]


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("n_bytes", [1, 3, 4])
def test_one_sample_less_than_announced_is_said(kind: str, n_bytes: int) -> None:
    ends_at = 4096 + 4 * N if kind == "CAF" else len(FILES[kind])
    found, faults = read(FILES[kind][: ends_at - n_bytes])
    assert found.shape == (2, N - 1)
    assert len(faults) == 1 and "ends early" in faults[0]


def test_an_aiff_that_holds_fewer_samples_than_it_counts_says_so() -> None:
    data = bytearray(FILES["AIFF"])
    place = data.index(b"COMM") + 10
    data[place : place + 4] = struct.pack(">I", N + 1)
    found, faults = read(bytes(data))
    assert found.shape == (2, N)
    assert len(faults) == 1 and "ends early" in faults[0]


UNCOMPRESSED = ["WAV PCM 16", "WAV float", "RF64", "W64", "AIFF", "AIFC", "CAF", "AU"]


@pytest.mark.parametrize("kind", UNCOMPRESSED)
def test_a_length_of_0_before_sound_is_a_writer_that_was_killed(kind: str) -> None:
    data = KINDS[kind].make(SOUND)
    found, faults = read(HEADER_LENGTHS[kind](data, 0))
    np.testing.assert_array_equal(found[:, :N], read(data)[0])
    assert len(faults) == 1 and "its writer did not finish" in faults[0]


@pytest.mark.parametrize("kind", UNCOMPRESSED)
def test_a_length_that_was_not_known_is_all_that_is_there(kind: str) -> None:
    """What goes into a pipe."""
    data = KINDS[kind].make(SOUND)
    found, faults = read(HEADER_LENGTHS[kind](data, None))
    assert faults == ()
    np.testing.assert_array_equal(found[:, :N], read(data)[0])


@pytest.mark.parametrize("kind", ["m4a AAC", "m4a ALAC", "mp4 fragmented"])
def test_boxes_end_a_file_too(kind: str) -> None:
    data = KINDS[kind].make(SOUND)
    free = struct.pack(">I", 108) + b"free" + b"\7" * 100
    assert read(data + free + ID3V1 + bytes(10))[1] == ()
    assert "holds another file" in read(data + data)[1][0]
    assert "has 50 bytes behind its sound" in read(data + b"\7" * 50)[1][0]
    assert "ends early: 8 bytes" in read((data + free)[:-8])[1][0]


def test_a_tta_ends_with_its_last_frame() -> None:
    data = KINDS["TTA"].make(SOUND)
    assert read(data + ID3V1)[1] == ()
    assert f"has {len(data)} bytes that are no frames" in read(data + data)[1][0]
