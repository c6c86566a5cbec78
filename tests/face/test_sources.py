"""Files and arrays as tracks: what is taken, and what is refused with which words."""

from pathlib import Path

import numpy as np
import pytest
from helpers import music

from stemline.errors import AudioError, RequestError
from stemline.sources import checked_blocks, checked_samples, open_track


def joined(blocks: object) -> np.ndarray:
    return np.concatenate(list(blocks), axis=1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, ">f4"])
def test_floats_of_any_width_are_taken(dtype: object) -> None:
    samples = music(70_000).astype(dtype)
    track = open_track(samples, 48000)
    assert (track.audio.sample_rate_hz, track.audio.channels) == (48000, 2)
    assert track.audio.n_samples == 70_000
    for _ in range(2):  # some models read a track twice
        blocks = joined(track.blocks)
        assert blocks.dtype == np.float32
        np.testing.assert_array_equal(blocks, samples.astype(np.float32))


def test_one_axis_is_mono() -> None:
    track = open_track(music(100, 1)[0], 44100)
    assert joined(track.blocks).shape == (1, 100)


@pytest.mark.parametrize("rate", [44100, 44100.0, np.int64(44100), np.float32(44100)])
def test_a_rate_is_any_whole_number(rate: int) -> None:
    assert open_track(music(10), rate).audio.sample_rate_hz == 44100


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros((100, 2), np.float32), r"\[100, 2\] looks like \(n_samples, channels\)"),
        (np.zeros((100, 2), np.float32), r"samples\.T"),
        (np.zeros((9, 8)), "looks like"),
        (np.zeros((2, 2, 2)), r"of shape \(channels, n_samples\); got \[2, 2, 2\]"),
        (np.zeros(()), r"got \[\]"),
        (np.zeros((2, 9), np.int16), "floats from -1 to 1; got int16; scale these, such as "
         "samples / 32768"),
        (np.zeros((2, 9), np.int32), "samples / 2147483648"),
        (np.zeros((2, 9), np.uint8), r"\(samples - 128.0\) / 128"),
        (np.zeros((2, 9), bool), "floats from -1 to 1; got bool"),
        (np.zeros((2, 9), complex), "got complex128"),
        ([[0.0, 0.5]], "numpy array of floats .* or the path of a file; got list"),
        (b"song.wav", "got bytes"),
    ],
)  # fmt: skip
def test_what_is_no_array_of_samples_is_refused(samples: object, words: str) -> None:
    with pytest.raises(RequestError, match=words) as error:
        open_track(samples, 44100)
    assert error.value.field == "source"


@pytest.mark.parametrize("shape", [(8, 7), (1, 0), (2, 1), (1, 1)])
def test_shapes_that_may_be_meant_are_as_they_are(shape: tuple[int, int]) -> None:
    assert checked_samples(np.zeros(shape)).shape == shape


def test_samples_need_a_rate_and_files_have_one(song: Path) -> None:
    with pytest.raises(RequestError, match="pass sample_rate_hz"):
        open_track(music(10))
    with pytest.raises(RequestError, match="sample rate of its own"):
        open_track(song, 44100)
    for rate in (44100.5, float("nan"), "44100"):
        with pytest.raises(RequestError, match="whole number of Hz"):
            open_track(music(10), rate)
    with pytest.raises(AudioError, match="got 0 Hz"):
        open_track(music(10), 0)


def test_a_path_may_be_a_string(song: Path) -> None:
    for source in (song, str(song)):
        track = open_track(source)
        assert (track.audio.channels, track.audio.n_samples) == (2, 8 * 44100)
        assert joined(track.blocks).shape == (2, 8 * 44100)
    with pytest.raises(AudioError, match=r"nowhere\.wav does not exist"):
        open_track("nowhere.wav")


def test_blocks_are_checked_as_they_are_read() -> None:
    whole = [music(10), music(10).astype(np.float64)]
    again = checked_blocks(whole, 2)
    assert joined(again).shape == joined(again).shape == (2, 20)
    once = checked_blocks(iter(whole), 2)
    assert iter(once) is once  # what comes once is kept by who reads it twice
    assert [block.dtype for block in once] == [np.float32, np.float32]
    for block, words in [
        (music(10).T, r"looks like \(n_samples, channels\)"),
        (music(10, 1), r"of shape \(2, n\); got \[1, 10\]"),
        (np.zeros((2, 3), np.int16), "floats"),
    ]:
        with pytest.raises(RequestError, match=words):
            list(checked_blocks([music(10), block], 2))
