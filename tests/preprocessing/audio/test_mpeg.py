"""MPEG audio: all of its frames, whatever a header says of them, beside FFmpeg's own decoding."""

import io
import struct

import numpy as np
import pytest
from audio_files import RATE, assert_alike, by_ffmpeg, encoded, music, read
from numpy.typing import NDArray

from stemline.errors import AudioError
from stemline.preprocessing.audio import open_audio

# Two decoders of the same frames: float32's rounding, and fixed-point tables in layer 2.
LAYER_3_DB, LAYER_2_DB = 100, 70


def mp3(samples: NDArray[np.float32], *, header: bool = False, rate: int = RATE) -> bytes:
    """A variable bitrate; with or without the frame that says how long it is."""
    return encoded(
        samples,
        "mp3",
        "libmp3lame",
        rate=rate,
        options={"q": "2", "compression_level": "7"},
        bit_rate=128_000,
        container_options={"write_xing": "1" if header else "0", "id3v2_version": "0"},
    )


def changing(n_s: int = 3) -> NDArray[np.float32]:
    """Loud and then nearly silent: the first frames are far from the mean bitrate."""
    samples = music(2 * n_s * RATE)
    samples[:, n_s * RATE :] *= 1e-4
    return samples


def info_frame(mark: bytes, bare: bytes) -> bytes:
    """A frame of 128 kbit/s without sound that begins with a mark."""
    head = bytearray(bare[:4])
    head[2] = head[2] & 0x0C | 0x90
    frame = bytearray(417)
    frame[:4], frame[36 : 36 + len(mark)] = head, mark
    return bytes(frame)


def xing(flags: int, *fields: int) -> bytes:
    return b"Xing" + struct.pack(f">I{len(fields)}I", flags, *fields)


@pytest.mark.parametrize("loud_first", [True, False])
@pytest.mark.parametrize(
    "mark",
    [
        xing(0),
        xing(3, 0, 100_000),
        xing(2, 100_000),
        xing(3, 115, 50_000),  # of a file that was appended to
        b"Info" + bytes(4),
        b"VBRI" + struct.pack(">HHHIIHHHH", 1, 0, 0, 100_000, 0, 0, 1, 2, 1),
        b"VBRI" + struct.pack(">HHHIIHHHH", 1, 0, 0, 100_000, 100, 0, 1, 2, 1),
    ],
    ids=["nothing", "no-frames", "bytes", "half", "info", "vbri-none", "vbri-fewer"],
)
def test_a_header_that_does_not_say_the_length_costs_no_sample(
    mark: bytes, loud_first: bool
) -> None:
    samples = changing() if loud_first else changing()[:, ::-1]
    bare = mp3(samples)
    found, faults = read(info_frame(mark, bare) + bare)
    assert_alike(found, by_ffmpeg(bare), LAYER_3_DB)
    assert found.shape[1] >= samples.shape[1]
    assert faults == ()


def test_the_letters_in_a_second_tag_are_no_header() -> None:
    bare = mp3(changing())
    text = b"TIT2\0\0\0\x40\0\0" + (b"Xing" + bytes(12)) * 4
    tag = b"ID3\3\0\0" + bytes([0, 0, 0, len(text)]) + text
    found, faults = read(tag + tag + bare)
    assert_alike(found, by_ffmpeg(bare), LAYER_3_DB)
    assert faults == ()


def test_what_the_encoder_added_is_left_out_where_the_header_is_whole() -> None:
    samples = music(2 * RATE)
    data = mp3(samples, header=True)
    found, _ = read(data)
    assert_alike(found, by_ffmpeg(data), LAYER_3_DB)
    assert found.shape == samples.shape


@pytest.mark.parametrize("header", [True, False])
def test_joined_files_are_read_to_the_end(header: bool) -> None:
    first, second = mp3(music(RATE), header=header), mp3(music(RATE // 2, seed=1), header=header)
    found, faults = read(first + second)
    alone = [read(first)[0], read(second)[0]]
    assert found.shape[1] == alone[0].shape[1] + alone[1].shape[1]
    if header:  # a decoder of its own for each
        assert_alike(found, np.concatenate(alone, axis=1), LAYER_3_DB)
    assert faults == ()


def test_a_joined_file_of_another_rate_is_converted_and_said_so() -> None:
    time_s = np.arange(RATE) / RATE
    tone = (0.3 * np.sin(2 * np.pi * 1000 * time_s))[np.newaxis].repeat(2, axis=0)
    found, faults = read(
        mp3(tone.astype(np.float32), header=True)
        + mp3(tone[:1, ::2].astype(np.float32), header=True, rate=RATE // 2)
    )
    assert found.shape == (2, 2 * RATE)
    assert any("goes on with 1 channels at 22050 Hz" in fault for fault in faults)
    middle = found[:, RATE + RATE // 4 : RATE + RATE // 2]
    spectrum = np.abs(np.fft.rfft(middle[1] * np.hanning(middle.shape[1])))
    assert abs(spectrum.argmax() * RATE / middle.shape[1] - 1000) < 10


@pytest.mark.parametrize(
    "junk",
    [
        bytes(8192),
        b"\r\n" * 8,
        b"ICY 200 OK\r\nicy-name: radio\r\n\r\n",
        b"ID3\3\0\0\0\0\0\x05hello",
    ],
    ids=["zeros", "lines", "http", "tag"],
)
def test_what_is_before_the_first_frame_is_left_out(junk: bytes) -> None:
    bare = mp3(music(RATE))
    found, _ = read(junk + bare)
    assert_alike(found, by_ffmpeg(bare), LAYER_3_DB)


def test_a_stream_that_begins_within_a_frame_is_read_from_the_next() -> None:
    bare = mp3(music(RATE))
    found, _ = read(bare[777:])
    assert found.shape[1] > RATE - 3 * 1152


@pytest.mark.parametrize("tail", [b"TAG" + b"x" * 125, b"APETAGEX" + bytes(24), bytes(4000)])
def test_what_is_behind_the_last_frame_is_no_sound(tail: bytes) -> None:
    data = mp3(music(RATE), header=True)
    found, faults = read(data + tail)
    assert_alike(found, by_ffmpeg(data), LAYER_3_DB)
    assert faults == ()


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 32000, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_rate_of_mpeg_1_2_and_2_5(rate: int, channels: int) -> None:
    bare = mp3(music(rate, channels), rate=rate)
    found, faults = read(bare)
    assert_alike(found, by_ffmpeg(bare), LAYER_3_DB)
    assert faults == ()


@pytest.mark.parametrize("kbps", [64, 192, 384])
def test_layer_2_has_the_length_of_its_frames(kbps: int) -> None:
    data = encoded(music(RATE), "mp2", "mp2", bit_rate=kbps * 1000)
    found, faults = read(data)
    assert_alike(found, by_ffmpeg(data), LAYER_2_DB)
    assert faults == ()


def test_mp3_in_riff_is_mp3() -> None:
    samples = music(RATE)
    data = encoded(samples, "wav", "libmp3lame", bit_rate=128_000)
    found, _ = read(data)
    assert_alike(found, by_ffmpeg(data), LAYER_3_DB)


def test_what_is_left_of_a_file_is_read_and_how_much_was_announced_is_said_before() -> None:
    data = mp3(music(4 * RATE), header=True)
    half = data[: len(data) // 2]
    found, faults = read(half)
    assert 1.5 * RATE < found.shape[1] < 2.5 * RATE
    said = [fault for fault in faults if "announces 4.0" in fault]
    assert len(said) == 1 and f"{found.shape[1] / RATE:.2f} s of it can be read" in said[0]
    with open_audio(io.BytesIO(half)) as reader:
        assert said[0] in reader.faults  # before the first block
        assert reader.format.n_samples == found.shape[1]


@pytest.mark.parametrize("hole", [b"\xa5" * 3000, b""], ids=["overwritten", "missing"])
def test_a_hole_is_skipped_and_said(hole: bytes) -> None:
    data = mp3(music(4 * RATE), header=True)
    middle = len(data) // 2
    found, faults = read(data[:middle] + hole + data[middle + 3000 :])
    whole = read(data)[0]
    # Frames before the hole are as they were.
    assert_alike(found[:, :RATE], whole[:, :RATE], LAYER_3_DB)
    assert whole.shape[1] - 10 * 1152 < found.shape[1] < whole.shape[1]
    assert any("no MPEG audio" in fault for fault in faults)
    assert any("ends early or is damaged" in fault for fault in faults)


def test_text_that_has_a_sync_word_is_no_mpeg_audio() -> None:
    noise = np.random.default_rng(0).bytes(100_000).replace(b"RIFF", b"    ")
    with pytest.raises(AudioError, match="cannot be read as audio"):
        read(b"some text " + noise)
