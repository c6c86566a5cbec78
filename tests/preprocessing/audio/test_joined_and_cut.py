"""Files of every container that end early, have a hole, or hold more than their first part."""

import io
import re
import struct
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
from audio_files import RATE, assert_alike, by_ffmpeg, encoded, music, read
from numpy.typing import NDArray

from stemline.errors import AudioError
from stemline.preprocessing.audio import open_audio

Samples = NDArray[np.float32]
N = 4 * RATE


def by_soundfile(samples: Samples, format: str, subtype: str, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples.T, rate, format=format, subtype=subtype)
    return file.getvalue()


def vorbis(samples: Samples) -> bytes:
    return by_soundfile(samples, "OGG", "VORBIS")


def opus(samples: Samples) -> bytes:
    return encoded(samples, "ogg", "libopus", rate=48000)


EXACT = 300  # dB: the same numbers
LOSSY = 60  # two decoders of one codec; opus's differ most
MAKERS: dict[str, tuple[Callable[[Samples], bytes], float]] = {
    "wav": (lambda x: by_soundfile(x, "WAV", "PCM_16"), EXACT),
    "wav-adpcm": (lambda x: by_soundfile(x, "WAV", "MS_ADPCM"), 40),
    "rf64": (lambda x: by_soundfile(x, "RF64", "PCM_24"), EXACT),
    "w64": (lambda x: by_soundfile(x, "W64", "PCM_24"), EXACT),
    "aiff": (lambda x: by_soundfile(x, "AIFF", "PCM_24"), EXACT),
    "caf": (lambda x: by_soundfile(x, "CAF", "PCM_16"), EXACT),
    "au": (lambda x: by_soundfile(x, "AU", "PCM_16"), EXACT),
    "flac": (lambda x: by_soundfile(x, "FLAC", "PCM_16"), EXACT),
    "vorbis": (vorbis, LOSSY),
    "opus": (opus, LOSSY),
    "aac": (lambda x: encoded(x, "adts", "aac"), LOSSY),
    "wma": (lambda x: encoded(x, "asf", "wmav2", bit_rate=128_000), LOSSY),
    "webm": (lambda x: encoded(x, "webm", "libopus", rate=48000), LOSSY),
    "mka": (lambda x: encoded(x, "matroska", "flac"), EXACT),
    "m4a": (lambda x: encoded(x, "mp4", "aac"), LOSSY),
    "ogg-flac": (lambda x: encoded(x, "ogg", "flac"), EXACT),
    "alac": (lambda x: encoded(x, "mp4", "alac"), EXACT),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_good_file_is_what_ffmpeg_decodes(kind: str) -> None:
    make, least_db = MAKERS[kind]
    data = make(music(N))
    found, faults = read(data)
    assert_alike(found, by_ffmpeg(data), least_db)
    assert faults == ()


@pytest.mark.parametrize("kind", sorted(MAKERS.keys() - {"m4a", "alac"}))
@pytest.mark.parametrize("share", [0.3, 0.55])
def test_what_is_there_of_a_file_is_read_and_it_is_said(kind: str, share: float) -> None:
    data = MAKERS[kind][0](music(N))
    left = data[: int(len(data) * share)]
    found, faults = read(left)
    wanted = by_ffmpeg(left)
    # Blocks of MS ADPCM are decoded whole or not at all; a last frame may lack its partner.
    assert abs(found.shape[1] - wanted.shape[1]) <= 2048
    shared = min(found.shape[1], wanted.shape[1])
    assert_alike(found[:, :shared], wanted[:, :shared], 40)
    if kind != "ogg-flac":  # which neither announces a length nor marks its end for FFmpeg
        assert len(faults) >= 1, faults


@pytest.mark.parametrize("kind", ["wav", "wav-adpcm", "rf64", "w64", "aiff", "caf", "au", "flac"])
def test_it_is_said_before_anything_is_decoded(kind: str) -> None:
    data = MAKERS[kind][0](music(N))
    with open_audio(io.BytesIO(data[: len(data) // 2])) as reader:
        assert any(
            re.search("it announces (4.00|3.97|4.0[0-9]) s", fault) for fault in reader.faults
        )


@pytest.mark.parametrize("kind", ["m4a", "alac"])
def test_a_file_whose_table_of_contents_was_lost_is_refused(kind: str) -> None:
    data = MAKERS[kind][0](music(N))
    with pytest.raises(AudioError, match="cannot be read as audio"):
        read(data[: len(data) // 2])


@pytest.mark.parametrize("kind", sorted(MAKERS))
@pytest.mark.parametrize("at", [0.4, 0.9])
def test_strict_refuses_what_is_not_whole_and_reads_what_is(kind: str, at: float) -> None:
    data = MAKERS[kind][0](music(N))
    with open_audio(io.BytesIO(data), strict=True) as reader:
        assert sum(block.shape[1] for block in reader.blocks()) == by_ffmpeg(data).shape[1]
    if kind != "ogg-flac":
        with pytest.raises(AudioError):
            open_audio(io.BytesIO(data[: int(len(data) * at)]), strict=True)


@pytest.mark.parametrize("overwritten", [True, False])
def test_a_hole_in_flac_is_silence_of_its_length(overwritten: bool) -> None:
    samples = music(N)
    data = by_soundfile(samples, "FLAC", "PCM_16")
    middle = len(data) // 2
    hole = np.random.default_rng(0).bytes(3000) if overwritten else b""
    found, faults = read(data[:middle] + hole + data[middle + 3000 :])
    assert found.shape == samples.shape
    differs = np.flatnonzero(np.abs(found - samples).max(axis=0) > 2**-15)
    assert np.abs(found[:, differs]).max() == 0
    assert differs[-1] - differs[0] < 5 * 4096
    assert any(f"{len(differs)}"[:2] in fault and "are silent" in fault for fault in faults)


@pytest.mark.parametrize("kind", ["vorbis", "opus", "flac"])
def test_joined_files_are_read_to_the_end(kind: str) -> None:
    make = MAKERS[kind][0]
    first, second = make(music(RATE)), make(music(RATE // 2, seed=1))
    found, faults = read(first + second)
    wanted = np.concatenate([read(first)[0], read(second)[0]], axis=1)
    np.testing.assert_array_equal(found, wanted)
    assert faults == ()


@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "vorbis", "w64", "mka"])
def test_a_tag_before_the_file_costs_nothing(kind: str) -> None:
    data = MAKERS[kind][0](music(RATE))
    tag = b"ID3\3\0\0\0\0\x17\x38" + bytes(3000)  # 0x17, 0x38: 3000 in 7 bits a byte
    np.testing.assert_array_equal(read(tag + data)[0], read(data)[0])


def test_the_footer_of_a_tag_belongs_to_it() -> None:
    """ID3 2.4's copy of its header behind the tag, which the tag's size leaves out."""
    data = MAKERS["wav"][0](music(RATE))
    tag = b"ID3\4\0\x10\0\0\x07\x68" + bytes(1000) + b"3DI\4\0\x10\0\0\x07\x68"
    np.testing.assert_array_equal(read(tag + data)[0], read(data)[0])


@pytest.mark.parametrize("kind", ["wma", "webm", "mka"])
def test_what_ffmpeg_reads_says_how_much_was_announced(kind: str) -> None:
    data = MAKERS[kind][0](music(N))
    _, faults = read(data[: len(data) // 2])
    # Opus at 48 kHz makes 3.68 s of it; WMA's header counts three seconds of preroll.
    announced = [re.search(r"announces ([0-9.]+) s", fault) for fault in faults]
    assert any(found and 3.6 < float(found[1]) < 7.2 for found in announced), faults


def wav_with_sizes(samples: Samples, riff: int, data_bytes: int) -> bytes:
    data = bytearray(by_soundfile(samples, "WAV", "PCM_16"))
    at = data.index(b"data")
    data[4:8], data[at + 4 : at + 8] = struct.pack("<I", riff), struct.pack("<I", data_bytes)
    return bytes(data)


def test_a_wav_whose_writer_was_killed_is_read_and_it_is_said() -> None:
    samples = music(RATE)
    found, faults = read(wav_with_sizes(samples, 0, 0))
    assert found.shape == samples.shape
    assert len(faults) == 1 and "did not finish" in faults[0]


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_wav_from_a_pipe_is_whole(size: int) -> None:
    found, faults = read(wav_with_sizes(music(RATE), size, size))
    assert found.shape == (2, RATE)
    assert faults == ()


def test_a_wav_without_samples_is_empty_and_not_unfinished() -> None:
    data = wav_with_sizes(music(1), 36, 0)
    empty = data[: data.index(b"data") + 8] + b"LIST" + struct.pack("<I", 4) + b"INFO"
    with pytest.raises(AudioError, match="holds no samples"):
        read(empty)


def test_the_second_of_several_streams_is_said_to_be_left_out() -> None:
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        streams = [out.add_stream("flac", rate=RATE) for _ in range(2)]
        for stream in streams:
            stream.layout = "stereo"
        for index, stream in enumerate(streams):
            part = (music(4096, seed=index) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(part.T).reshape(1, -1), format="s16", layout="stereo"
            )
            frame.sample_rate, frame.pts = RATE, 0
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    found, faults = read(file.getvalue())
    assert any("2 audio streams, of which the first is read" in fault for fault in faults)
    np.testing.assert_allclose(found, music(4096), atol=2**-14)  # two roundings to 16 bits
