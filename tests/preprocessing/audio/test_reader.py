import io
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from stemline.errors import AudioError
from stemline.preprocessing.audio import AudioFormat, checked, decode_pcm, open_audio

RATE = 44100


def noise(channels: int, n_samples: int) -> NDArray[np.float32]:
    samples = np.random.default_rng(0).standard_normal((channels, n_samples)) * 0.1
    return samples.astype(np.float32)


def read(source: Path | io.BytesIO, block_samples: int = 1 << 16) -> NDArray[np.float32]:
    with open_audio(source) as reader:  # type: ignore[arg-type]
        return np.concatenate(list(reader.blocks(block_samples)), axis=1)


def written(path: Path, samples: NDArray[np.float32], rate: int = RATE, **kind: str) -> Path:
    soundfile.write(path, samples.T, rate, **kind)
    return path


def mp3(path: Path, samples: NDArray[np.float32], mode: str, *, tagged: bool) -> Path:
    """An MP3; untagged, without its first frame, which tells the length."""
    with soundfile.SoundFile(
        path, "w", RATE, 2, format="MP3", compression_level=0.5, bitrate_mode=mode
    ) as sound:
        sound.write(samples.T)
    if not tagged:
        data = path.read_bytes()
        kbps = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)[data[2] >> 4]
        padding = data[2] >> 1 & 1
        path.write_bytes(data[144_000 * kbps // RATE + padding :])
    return path


# (kind, bits that survive); lossy kinds are checked for shape and likeness only.
LOSSLESS = [
    ("a.wav", {"subtype": "PCM_16"}, 16),
    ("a.wav", {"subtype": "PCM_24"}, 24),
    ("a.wav", {"subtype": "FLOAT"}, 30),
    ("a.flac", {"subtype": "PCM_16"}, 16),
    ("a.flac", {"subtype": "PCM_24"}, 24),
    ("a.aiff", {"subtype": "PCM_24"}, 24),
    ("a.w64", {"subtype": "PCM_24"}, 24),
    ("a.rf64", {"subtype": "PCM_16"}, 16),
    ("a.caf", {"subtype": "PCM_16"}, 16),
    ("a.au", {"subtype": "PCM_16"}, 16),
]


@pytest.mark.parametrize(("name", "kind", "bits"), LOSSLESS)
@pytest.mark.parametrize("block_samples", [1000, 1 << 16])
def test_lossless_files_are_read_to_their_bits(
    tmp_path: Path, name: str, kind: dict[str, str], bits: int, block_samples: int
) -> None:
    samples = noise(2, 12345)
    path = written(tmp_path / name, samples, **kind)
    found = read(path, block_samples)
    assert found.shape == samples.shape
    # One step of the format: libsndfile writes ±1 as ±(2^n − 1).
    np.testing.assert_allclose(found, samples, atol=2.0 ** (1 - bits))
    np.testing.assert_array_equal(found, read(io.BytesIO(path.read_bytes()), block_samples))


@pytest.mark.parametrize(
    ("name", "rate", "kind"),
    [
        ("a.mp3", RATE, {"format": "MP3"}),
        ("a.ogg", RATE, {"subtype": "VORBIS"}),
        ("a.opus", 48000, {"format": "OGG", "subtype": "OPUS"}),
    ],
)
def test_lossy_files_are_read_aligned_and_whole(
    tmp_path: Path, name: str, rate: int, kind: dict[str, str]
) -> None:
    time_s = np.arange(rate) / rate
    tone = 0.5 * np.sin(2 * np.pi * 2000 * time_s)[np.newaxis].repeat(2, axis=0)
    found = read(written(tmp_path / name, tone.astype(np.float32), rate, **kind), 1000)
    assert found.shape == tone.shape
    # A codec's noise; one sample's delay would leave cos(2π · 2000 / rate) = 0.96.
    assert np.corrcoef(found[0, 4000:-4000], tone[0, 4000:-4000])[0, 1] > 0.999


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8])
@pytest.mark.parametrize("rate", [8000, 192000])
@pytest.mark.parametrize("n_samples", [1, 100])
def test_unusual_channels_rates_and_lengths_are_legal(
    tmp_path: Path, channels: int, rate: int, n_samples: int
) -> None:
    samples = noise(channels, n_samples)
    path = written(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    with open_audio(path) as reader:
        assert reader.format == AudioFormat(rate, channels, n_samples)
        blocks = list(reader.blocks())
    assert all(block.flags.c_contiguous and block.dtype == np.float32 for block in blocks)
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), samples)


def test_blocks_are_as_long_as_asked_but_the_last(tmp_path: Path) -> None:
    path = written(tmp_path / "a.flac", noise(1, 2500))
    with open_audio(path) as reader:
        assert [block.shape for block in reader.blocks(1000)] == [(1, 1000), (1, 1000), (1, 500)]


def test_a_file_object_is_read_from_its_beginning_and_left_open(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", noise(2, 3000), subtype="FLOAT")
    with tempfile.SpooledTemporaryFile(max_size=1000) as spool:
        spool.write(path.read_bytes())
        with open_audio(spool) as reader:  # type: ignore[arg-type]
            found = np.concatenate(list(reader.blocks()), axis=1)
        np.testing.assert_array_equal(found, noise(2, 3000))
        assert not spool.closed


@pytest.mark.parametrize("name", ["song.raw", "song.wav", "song", "läufe und töne.mp3"])
def test_what_a_file_is_called_does_not_matter(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(written(tmp_path / "a.flac", noise(2, 500)).read_bytes())
    assert read(tmp_path / name).shape == (2, 500)


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_an_mp3_that_does_not_tell_its_length_is_read_to_its_end(tmp_path: Path, mode: str) -> None:
    samples = noise(2, 300_000)
    samples[:, :100_000] *= 0.001  # so that a guess from the first frame is far off
    path = mp3(tmp_path / "a.mp3", samples, mode, tagged=False)
    with open_audio(path) as reader:
        n_samples = sum(block.shape[1] for block in reader.blocks())
        assert reader.format.n_samples == n_samples
    # Whole frames of 1152; the tag that is missing would tell what of them is padding.
    assert 300_000 <= n_samples < 300_000 + 3 * 1152


def test_an_mp3_with_a_picture_before_it_tells_its_length(tmp_path: Path) -> None:
    path = mp3(tmp_path / "a.mp3", noise(2, 100_000), "VARIABLE", tagged=True)
    size = 300_000
    tag = b"ID3\x04\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(size)
    path.write_bytes(tag + path.read_bytes())
    with open_audio(path) as reader:
        assert reader.format.n_samples == 100_000
        assert sum(block.shape[1] for block in reader.blocks()) == 100_000


def with_flac_length(data: bytes, n_samples: int) -> bytes:
    """The 36 bits of STREAMINFO that tell the length, set."""
    return (
        data[:21]
        + bytes([data[21] & 0xF0 | n_samples >> 32])
        + struct.pack(">I", n_samples & 0xFFFFFFFF)
        + data[26:]
    )


def test_a_flac_that_does_not_tell_its_length_is_read_to_its_end(tmp_path: Path) -> None:
    """What an encoder leaves that writes into a pipe."""
    path = written(tmp_path / "a.flac", noise(2, 30_000))
    path.write_bytes(with_flac_length(path.read_bytes(), 0))
    with open_audio(path) as reader:
        assert reader.format.n_samples is None
    assert read(path).shape == (2, 30_000)


@pytest.mark.parametrize("claimed_bytes", [3_000_000_000, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_that_claims_gigabytes_is_read_for_what_is_there(
    tmp_path: Path, claimed_bytes: int
) -> None:
    """What a recorder leaves that writes into a pipe, or was stopped."""
    samples = noise(2, 1000)
    path = written(tmp_path / "a.wav", samples, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", claimed_bytes)
    path.write_bytes(data)
    with open_audio(path) as reader:
        assert reader.format.n_samples == 1000
    assert read(path).shape == (2, 1000)


def test_what_is_no_audio_is_refused_in_one_line_that_names_it(tmp_path: Path) -> None:
    empty, text, folder = tmp_path / "empty.wav", tmp_path / "text.wav", tmp_path / "folder.wav"
    empty.write_bytes(b"")
    text.write_text("this is no audio at all\n" * 100)
    folder.mkdir()
    for path, said in [
        (tmp_path / "none.wav", "does not exist"),
        (folder, "is a folder"),
        (empty, "is empty"),
        (text, "cannot be read as audio (Format not recognised)"),
    ]:
        with pytest.raises(AudioError) as caught:
            open_audio(path)
        assert str(caught.value).startswith(f"{path} {said}")
        assert "\n" not in str(caught.value)


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb"), os.fdopen(read_end, "rb") as pipe:
        with pytest.raises(AudioError, match="a pipe cannot be sought in"):
            open_audio(pipe)


def test_what_has_no_name_is_the_audio() -> None:
    for data, said in [(b"", "the audio is empty"), (b"no audio" * 99, "the audio cannot be read")]:
        with pytest.raises(AudioError, match=said):
            open_audio(io.BytesIO(data))


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", noise(2, 0))
    with pytest.raises(AudioError, match=r"a\.wav holds no samples"):
        read(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_sample_that_is_no_number_is_named(tmp_path: Path, bad: float) -> None:
    samples = noise(2, 5000)
    samples[1, 4321] = bad
    samples[0, 4500] = bad
    path = written(tmp_path / "a.wav", samples, subtype="FLOAT")
    with pytest.raises(AudioError, match=rf"a\.wav .* sample 4321 of channel 1 is {bad}"):
        read(path, 1000)


@pytest.mark.parametrize("rate", [1, 999, 768_001, -5])
def test_rates_that_no_recording_has_are_refused(rate: int) -> None:
    with pytest.raises(AudioError, match=f"1000 to 768000 Hz; got {rate}"):
        AudioFormat(rate, 2, None)


def test_a_file_of_such_a_rate_is_refused_by_name(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", noise(1, 100), rate=1)
    with pytest.raises(AudioError, match=r"a\.wav: the sample rate"):
        open_audio(path)


def test_reading_holds_a_block_and_not_the_file(tmp_path: Path) -> None:
    """Two minutes of eight channels are 170 MB of samples; an address space of less is enough."""
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", RATE, 8, subtype="PCM_16") as sound:
        for _ in range(120):
            sound.write(np.zeros((RATE, 8), np.int16))
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from stemline.preprocessing.audio import open_audio\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "reader = open_audio(Path(sys.argv[1])); before = peak()\n"
        "n = sum(block.shape[1] for block in reader.blocks())\n"
        "print(n, peak() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    n_samples, grown_kb = map(int, done.stdout.split())
    assert n_samples == 120 * RATE
    assert grown_kb < 40_000  # a few blocks of 2 MB, and what the decoder wants


FULL_SCALE = {"f32le": 1.0, "s16le": 2.0**15, "s24le": 2.0**23}


def pcm_of(values: NDArray[np.float64], encoding: str) -> bytes:
    """Interleaved PCM of (n, channels) numbers in [-1, 1), by the definition of the encoding."""
    if encoding == "f32le":
        return values.astype("<f4").tobytes()
    size = 2 if encoding == "s16le" else 3
    whole = np.round(values.ravel() * FULL_SCALE[encoding]).astype(int)
    return b"".join(int(v).to_bytes(size, "little", signed=True) for v in whole)


@pytest.mark.parametrize("encoding", FULL_SCALE)
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("part_bytes", [1, 5, 7, 1000])
def test_pcm_is_the_same_however_it_is_cut(encoding: str, channels: int, part_bytes: int) -> None:
    values = np.random.default_rng(0).uniform(-1, 1, (101, channels))
    values[0], values[1], values[2] = -1, 1 - 2.0**-15, 0
    pcm = pcm_of(values, encoding)
    parts = [pcm[start : start + part_bytes] for start in range(0, len(pcm), part_bytes)]
    found = np.concatenate(list(decode_pcm(parts, encoding, channels)), axis=1)
    assert (found.shape, found.dtype) == ((channels, 101), np.float32)
    # Half a step of the coarsest encoding, and float32.
    step = 0 if encoding == "f32le" else 0.5 / FULL_SCALE[encoding]
    np.testing.assert_allclose(found, values.T, atol=step + 6e-8)
    assert found[0, 0] == -1


@pytest.mark.parametrize("encoding", FULL_SCALE)
def test_pcm_that_ends_within_a_frame_is_refused(encoding: str) -> None:
    pcm = pcm_of(np.zeros((10, 2)), encoding)
    with pytest.raises(AudioError, match="1 bytes are left over"):
        list(decode_pcm([pcm, b"\0"], encoding, 2))


def test_an_unknown_pcm_encoding_is_refused_at_once() -> None:
    with pytest.raises(AudioError, match="'u8' is none of f32le, s16le, s24le"):
        decode_pcm([], "u8", 2)


def test_checked_passes_blocks_on_and_counts_across_them() -> None:
    blocks = [noise(2, 10), noise(2, 0), noise(2, 10)]
    for found, wanted in zip(checked(blocks), blocks, strict=True):
        assert found is wanted
    blocks[2][0, 3] = np.nan
    with pytest.raises(AudioError, match="sample 13 of channel 0 is nan"):
        list(checked(blocks))


@pytest.mark.parametrize("blocks", [[], [noise(2, 0)]])
def test_checked_refuses_nothing(blocks: list[NDArray[np.float32]]) -> None:
    with pytest.raises(AudioError, match="holds no samples"):
        list(checked(blocks))
