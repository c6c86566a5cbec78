"""What FFmpeg and libogg leave out without a word is said: pages, packets, frames."""

import struct

import numpy as np
import pytest
from audio_files import RATE, encoded, music, read

from stemline.bench.containers.kinds import KINDS
from stemline.errors import AudioError
from stemline.preprocessing.audio.bare_frames import bare_frame_bytes

SOUND = music(2 * RATE)


def made(kind: str) -> bytes:
    return KINDS[kind].make(SOUND)


@pytest.mark.parametrize("kind", ["Ogg Vorbis", "Opus", "Ogg FLAC"])
def test_a_damaged_page_is_a_hole(kind: str) -> None:
    sound = music(6 * RATE)
    data = bytearray(KINDS[kind].make(sound))
    place = data.rindex(b"OggS", 0, len(data) * 2 // 3)
    data[place + 300] ^= 1
    found, faults = read(bytes(data))
    assert sound.shape[1] // 2 < found.shape[1] < sound.shape[1]
    assert any("has holes: 1 pages are missing" in fault for fault in faults)


def test_an_ogg_flac_that_was_cut_has_no_end_mark() -> None:
    data = KINDS["Ogg FLAC"].make(music(4 * RATE))
    assert read(data)[1] == ()
    _, faults = read(data[: len(data) // 2])
    assert any("has no end mark" in fault for fault in faults)


@pytest.mark.parametrize("kind", ["AAC", "AC-3"])
@pytest.mark.parametrize("n_bytes", [20, 100, 1000])
def test_bytes_between_and_behind_frames_are_counted(kind: str, n_bytes: int) -> None:
    data = made(kind)
    middle = len(data) // 2
    _, faults = read(data[:middle] + data[middle + n_bytes :])
    assert faults != ()
    _, faults = read(data + b"\7" * n_bytes)
    assert faults != ()


def test_tags_between_frames_are_none() -> None:
    """What radio over HLS puts before each of its segments."""
    segment = made("AAC")
    tag = b"ID3\4\0\0\0\0\0\x49PRIV" + bytes(69)
    assert len(tag) == 10 + 0x49
    found, faults = read(3 * (tag + segment) + b"TAG" + b"x" * 125)
    assert faults == ()
    assert found.shape[1] == 3 * read(segment)[0].shape[1]


@pytest.mark.parametrize("kind", ["AAC", "AC-3"])
@pytest.mark.parametrize("n_bytes", [3, 60])
def test_a_last_frame_that_is_not_whole_is_said(kind: str, n_bytes: int) -> None:
    data, end = made(kind), 0
    for _ in range(20):
        end += bare_frame_bytes(data[end : end + 6])
    assert read(data[:end])[1] == ()
    _, faults = read(data[: end - n_bytes])
    assert faults != ()


@pytest.mark.parametrize(
    ("head", "n_bytes"),
    [
        (bytes.fromhex("fff15080 2e7ffc"), 371),  # ADTS: 13 bits from the fourth byte on
        (
            bytes.fromhex("0b77 5585 54 40"),
            834,
        ),  # AC-3: 192 kbit/s at 44.1 kHz, without the padding
        (bytes.fromhex("0b77 5585 55 40"), 836),
        (bytes.fromhex("0b77 5585 14 40"), 768),  # at 48 kHz: 32 ms of 192 kbit/s
        (bytes.fromhex("0b77 5585 94 40"), 1152),
        (bytes.fromhex("0b77 02ff 34 87"), 2 * 0x300),  # E-AC-3: words, one less
        (bytes.fromhex("0b77 5585 ff 40"), 0),
        (b"\x0b\x77", 0),
        (b"RIFF....", 0),
    ],
)
def test_a_frames_header_says_how_long_it_is(head: bytes, n_bytes: int) -> None:
    assert bare_frame_bytes(head) == n_bytes


@pytest.mark.parametrize("kind", ["WebM Opus", "Matroska FLAC", "Matroska AAC"])
def test_a_matroska_that_ends_before_its_segment_is_said_to(kind: str) -> None:
    data = made(kind)
    assert read(data)[1] == ()
    _, faults = read(data[:-1])
    assert any("ends early: 1 bytes that it announces are not there" in fault for fault in faults)


@pytest.mark.parametrize("kind", ["WebM Opus", "Matroska FLAC", "Matroska AAC"])
def test_a_matroska_that_does_not_go_on_is_said_to(kind: str) -> None:
    data = made(kind)
    middle = len(data) // 2
    _, faults = read(data[:middle] + b"\xee" * 9000 + data[middle + 9000 :])
    assert any("before its end it does not go on" in fault for fault in faults)
    # Padding, and a second file.
    segment = data.index(bytes.fromhex("18538067")) + 4
    endless = data[:segment] + b"\x01" + b"\xff" * 7 + data[segment + 8 :]
    assert read(endless)[1] == ()
    assert read(endless + bytes(100))[1] == ()
    _, faults = read(endless + endless)
    assert any(f"holds another file of {len(data)} bytes" in fault for fault in faults)


@pytest.mark.parametrize("kind", ["WebM Opus", "Matroska AAC"])
def test_a_gap_between_packets_is_a_hole(kind: str) -> None:
    data = made(kind)
    place = data.index(b"\xa3", len(data) // 2)  # of a block, where no packet has this byte
    while True:
        size = int.from_bytes(data[place + 1 : place + 3], "big") & 0x3FFF
        if data[place + 1] & 0x40 and data[place + 3] == 0x81 and data[place + 3 + size] == 0xA3:
            break
        place = data.index(b"\xa3", place + 1)
    # Of the same length, an element that is passed over.
    void = b"\xec" + data[place + 1 : place + 3] + bytes(size)
    found, faults = read(data[:place] + void + data[place + 3 + size :])
    whole = read(data)[0].shape[1]
    assert found.shape[1] < whole
    assert any("has holes: 0.02 s are missing in 1 places" in fault for fault in faults)


@pytest.mark.parametrize("kind", ["TTA", "WavPack", "AIFC"])
def test_what_ends_before_its_header_says_is_said_to(kind: str) -> None:
    data = made(kind)
    assert read(data)[1] == ()
    _, faults = read(data[: len(data) * 3 // 4])
    assert any("ends early" in fault for fault in faults), faults


def test_a_codec_that_ffmpeg_does_not_know_is_refused() -> None:
    data = bytearray(made("WAV extensible"))
    data[data.index(b"fmt ") + 32] = 0x99  # the format's number
    with pytest.raises(AudioError, match="cannot be read as audio"):
        read(bytes(data))


@pytest.mark.parametrize("rate", [0, 1])
def test_a_rate_that_is_none_is_refused(rate: int) -> None:
    data = bytearray(KINDS["WAV A-law"].make(SOUND))
    data[24:28] = struct.pack("<I", rate)
    with pytest.raises(AudioError):
        read(bytes(data))


def test_half_a_frame_before_the_first_is_said() -> None:
    data = made("MP3 VBR, bare")
    found, faults = read(data[300:])
    assert found.shape[1] < read(data)[0].shape[1]
    assert len(faults) == 1 and "bytes before its first frame" in faults[0]


@pytest.mark.parametrize("n_left", [1, 3, 200])
def test_what_is_left_of_a_last_frame_is_said(n_left: int) -> None:
    frame = b"\xff\xfb\x90\x64" + bytes(413)
    _, faults = read(4 * frame + frame[:n_left])
    assert faults == ("the audio ends within a frame",)


def test_mp3_in_riff_that_ends_early_says_how_much_was_announced() -> None:
    data = made("MP3 in RIFF")
    start = data.index(b"data") + 8
    _, faults = read(data[: start + (len(data) - start) // 2])
    assert any("announces 2." in fault and " 1.0" in fault for fault in faults)


def test_silence_has_no_faults_either() -> None:
    silent = np.zeros((2, RATE), np.float32)
    for kind in KINDS:
        assert read(KINDS[kind].make(silent))[1] == (), kind


def test_a_stream_that_changes_its_channels_is_read_to_its_end() -> None:
    stereo, mono = music(RATE), music(RATE, 1)
    data = encoded(stereo, "adts", "aac") + encoded(mono, "adts", "aac")
    found, faults = read(data)
    assert found.shape[1] > 2 * RATE
    assert any("goes on with 1 channels at 44100 Hz" in fault for fault in faults)
    half = found.shape[1] // 2 + 2000
    assert np.abs(found[:, half:]).mean() > 0.01
    np.testing.assert_allclose(found[0, half:], found[1, half:], atol=1e-6)


def test_a_tag_in_another_alphabet_is_no_reason_to_refuse() -> None:
    data = bytearray(encoded(SOUND, "wav", "ac3"))
    place = data.index(b"Lavf")  # the program that wrote it
    data[place : place + 4] = "Gänß".encode("latin-1")
    assert read(bytes(data))[0].shape[1] > SOUND.shape[1]


def test_half_a_frame_is_not_taken_for_a_sampler_s_file_by_its_two_bytes() -> None:
    bare = made("MP3 VBR, bare")
    found, faults = read(b"\x01\x04" + b"\x07" * 300 + bare)
    assert found.shape == read(bare)[0].shape
    assert len(faults) == 1 and "302 bytes before its first frame" in faults[0]
