"""FLAC whose header does not say how long it is."""

import io

import numpy as np
import pytest
from audio_files import music, read

from stemline.bench.containers.making import by_soundfile, encoded
from stemline.preprocessing.audio import open_audio
from stemline.preprocessing.audio.flac_frames import last_frames

N = 40_000


def with_length(data: bytes, n_samples: int) -> bytes:
    """STREAMINFO's count of samples, its lower 32 bits, set."""
    return data[:22] + n_samples.to_bytes(4, "big") + data[26:]


@pytest.mark.parametrize("n_said", [1, N // 2, N - 32, N - 1])
def test_a_count_that_is_too_small_costs_no_sample(n_said: int) -> None:
    data = by_soundfile(music(N), "FLAC", "PCM_16")
    found, faults = read(with_length(data, n_said))
    np.testing.assert_array_equal(found, read(data)[0])
    assert (found.shape, faults) == ((2, N), ())


@pytest.mark.parametrize("n_said", [N + 1, 2 * N])
def test_a_count_that_is_too_great_is_said(n_said: int) -> None:
    data = by_soundfile(music(N), "FLAC", "PCM_16")
    found, faults = read(with_length(data, n_said))
    assert found.shape == (2, N)
    assert len(faults) == 1 and "ends early" in faults[0]


@pytest.mark.parametrize("block", [192, 576, 1152, 4096, 4608, 100, 1000])
def test_the_last_frames_say_which_samples_they_hold(block: int) -> None:
    data = encoded(music(N), "flac", "flac", options={"frame_size": str(block)})
    before, last = last_frames(io.BytesIO(data), 0, len(data), block)
    n_last = N % block or block
    assert before is not None and last is not None
    assert (before.sample, before.n_samples) == (N - n_last - block, block)
    assert (last.sample, last.n_samples) == (N - n_last, n_last)


def frame_head(number: int) -> bytes:
    """Of 4096 samples of two channels and 16 bits at 44.1 kHz, with its checksum."""
    head = b"\xff\xf8\xc9\xa8" + chr(number).encode()
    crc = 0
    for byte in head:
        for bit in range(7, -1, -1):
            crc = (crc << 1 & 0xFF) ^ (7 if (crc >> 7 ^ byte >> bit) & 1 else 0)
    return head + bytes([crc])


def test_what_only_looks_like_a_later_frame_is_no_reason_to_doubt_the_count() -> None:
    data = by_soundfile(music(N), "FLAC", "PCM_16")
    with open_audio(io.BytesIO(data + frame_head(1000).ljust(40, b"\0"))) as reader:
        assert reader.format.n_samples == N


@pytest.mark.parametrize(("n_mistaken", "goes_on"), [(100, True), (1100, False)])
def test_what_looks_like_a_frame_behind_a_hole_is_tried_a_thousand_times(
    n_mistaken: int, goes_on: bool
) -> None:
    data = by_soundfile(music(N), "FLAC", "PCM_16")
    middle = len(data) // 2
    found, faults = read(data[:middle] + frame_head(7) * n_mistaken + data[middle + 3000 :])
    assert (found.shape[1] == N) == goes_on
    assert faults != ()
