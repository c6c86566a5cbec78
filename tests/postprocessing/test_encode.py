import errno
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from stemline.errors import EncodingError
from stemline.postprocessing.encode import OutputFormat, StemWriter
from stemline.postprocessing.wav import WavFile

RATE = 44100
FORMATS = [
    OutputFormat("wav", bits=16),
    OutputFormat("wav", bits=24),
    OutputFormat("wav", bits=32),
    OutputFormat("flac", bits=16),
    OutputFormat("flac", bits=24),
    OutputFormat("mp3"),
]
LOSSLESS = [output for output in FORMATS if output.container != "mp3"]


def noise(channels: int, n_samples: int) -> NDArray[np.float32]:
    samples = np.random.default_rng(0).standard_normal((channels, n_samples)) * 0.1
    return samples.astype(np.float32)


def write(
    target: Path | io.BytesIO,
    output: OutputFormat,
    samples: NDArray[np.float32],
    rate: int = RATE,
    block_samples: int = 1000,
) -> StemWriter:
    with StemWriter(target, output, rate, samples.shape[0]) as writer:
        for start in range(0, samples.shape[1], block_samples):
            writer.write(samples[:, start : start + block_samples])
    return writer


@pytest.mark.parametrize("output", LOSSLESS)
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("n_samples", [1, 2, 2345])
def test_a_lossless_file_reads_back_to_half_a_step(
    tmp_path: Path, output: OutputFormat, channels: int, n_samples: int
) -> None:
    path = tmp_path / f"vocals.{output.container}"
    samples = noise(channels, n_samples)
    write(path, output, samples, 48000)
    found, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert (found.T.shape, rate) == (samples.shape, 48000)
    half_step = 0.0 if output.bits == 32 else 2.0**-output.bits
    np.testing.assert_allclose(found.T, samples, atol=half_step, rtol=0)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("output", FORMATS)
def test_a_file_object_gets_the_same_bytes_and_stays_open(
    tmp_path: Path, output: OutputFormat
) -> None:
    samples, memory = noise(2, 5000), io.BytesIO()
    write(memory, output, samples)
    write(tmp_path / "a", output, samples)
    assert memory.getvalue() == (tmp_path / "a").read_bytes()


@pytest.mark.parametrize("output", LOSSLESS)
def test_the_subtype_is_what_was_asked(tmp_path: Path, output: OutputFormat) -> None:
    write(tmp_path / "a", output, noise(2, 100))
    info = soundfile.info(tmp_path / "a")
    assert info.format == output.container.upper()
    assert info.subtype == ("FLOAT" if output.bits == 32 else f"PCM_{output.bits}")


# Frames of these are large enough for the tag that tells the encoder's delay.
@pytest.mark.parametrize("kbps", [64, 96, 128, 160, 192, 224, 256, 320])
def test_an_mp3_has_its_bitrate_length_and_level_and_no_delay(tmp_path: Path, kbps: int) -> None:
    path = tmp_path / "a.mp3"
    time_s = np.arange(5 * RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 440 * time_s))[np.newaxis].repeat(2, axis=0)
    write(path, OutputFormat("mp3", bitrate_kbps=kbps), tone.astype(np.float32))
    # The tag and the encoder's delay: four frames of 26 ms more than 5 s.
    assert path.stat().st_size * 8 / 5000 == pytest.approx(kbps, rel=0.025)
    found, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert (found.shape, rate) == ((5 * RATE, 2), RATE)
    # A codec's noise; one sample's delay would be 0.03, LAME's own level up to 0.025.
    assert np.abs(found.T - tone)[:, 2000:-2000].max() < 0.002


@pytest.mark.parametrize(
    ("rate", "kbps"),
    [(44100, 32), (48000, 40), (32000, 64), (24000, 160), (22050, 8), (16000, 144), (8000, 64)],
)
def test_every_rate_has_its_own_bitrates(tmp_path: Path, rate: int, kbps: int) -> None:
    path = tmp_path / "a.mp3"
    write(path, OutputFormat("mp3", bitrate_kbps=kbps), noise(1, 10 * rate), rate)
    # Four frames of up to 72 ms more than 10 s.
    assert path.stat().st_size * 8 / 10_000 == pytest.approx(kbps, rel=0.035)
    assert soundfile.info(path).samplerate == rate


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"container": "ogg"}, "wav, flac or mp3; got 'ogg'"),
        ({"container": "wav", "bits": 8}, "16, 24 or 32 bits; got 8"),
        ({"container": "flac", "bits": 32}, "16 or 24 bits; got 32; float is wav's alone"),
        ({"container": "mp3", "bitrate_kbps": 100}, "bitrates are .* got 100"),
    ],
)
def test_a_format_no_encoder_knows_is_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(EncodingError, match=said):
        OutputFormat(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("output", "rate", "channels", "said"),
    [
        (OutputFormat("mp3"), 96000, 2, "no rate of 96000 Hz.*choose wav or flac"),
        (OutputFormat("mp3"), 22050, 2, "at 22050 Hz has bitrates of .* 160 kbps; got 192"),
        (OutputFormat("mp3"), 44100, 3, "mp3 holds 1 to 2 channels; got 3"),
        (OutputFormat("flac"), 44100, 9, "flac holds 1 to 8 channels; got 9"),
        (OutputFormat("flac"), 700_000, 1, "choose wav"),
    ],
)
def test_samples_a_format_cannot_hold_are_refused_before_anything_is_written(
    tmp_path: Path, output: OutputFormat, rate: int, channels: int, said: str
) -> None:
    with pytest.raises(EncodingError, match=said):
        StemWriter(tmp_path / "a", output, rate, channels)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("output", LOSSLESS)
def test_clipped_samples_are_counted_where_they_are_clipped(
    tmp_path: Path, output: OutputFormat
) -> None:
    samples = np.array([[1.5, 1.0, -1.0, -1.0001, 0.2], [0, 9, 0, 0, -9]], np.float32)
    writer = write(tmp_path / "a", output, samples, block_samples=2)
    found, _ = soundfile.read(tmp_path / "a", dtype="float32", always_2d=True)
    if output.bits == 32:
        assert writer.clipped_samples == 0
        np.testing.assert_array_equal(found.T, samples)
    else:
        assert writer.clipped_samples == 4
        np.testing.assert_allclose(found.T, samples.clip(-1, 1), atol=2.0 ** (1 - output.bits))


@pytest.mark.parametrize("output", FORMATS)
def test_a_file_appears_only_when_it_is_whole(tmp_path: Path, output: OutputFormat) -> None:
    path = tmp_path / "vocals.wav"
    path.write_bytes(b"the old one")
    writer = StemWriter(path, output, RATE, 2)
    writer.write(noise(2, 5000))
    assert path.read_bytes() == b"the old one"
    assert (tmp_path / "vocals.wav.part").exists()
    writer.close()
    writer.close()
    assert soundfile.info(path).frames == 5000
    assert not (tmp_path / "vocals.wav.part").exists()


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("closed", [False, True])
def test_aborting_leaves_nothing(tmp_path: Path, output: OutputFormat, closed: bool) -> None:
    writer = StemWriter(tmp_path / "a", output, RATE, 2)
    writer.write(noise(2, 5000))
    if closed:
        writer.close()
    writer.abort()
    writer.abort()
    writer.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="closed"):
        writer.write(noise(2, 1))


@pytest.mark.parametrize("output", FORMATS)
def test_aborting_a_file_object_leaves_it_open(output: OutputFormat) -> None:
    memory = io.BytesIO()
    writer = StemWriter(memory, output, RATE, 2)
    writer.write(noise(2, 5000))
    writer.abort()
    assert not memory.closed


def test_an_error_within_with_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        StemWriter(tmp_path / "a.flac", OutputFormat("flac"), RATE, 1) as writer,
    ):
        writer.write(noise(1, 10))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("output", FORMATS)
def test_a_path_that_cannot_be_written_is_named(tmp_path: Path, output: OutputFormat) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for path, kind in [
        (tmp_path / "file" / "a.wav", NotADirectoryError),
        (tmp_path / "missing" / "a.wav", FileNotFoundError),
        (tmp_path / "folder", IsADirectoryError),
    ]:
        with pytest.raises(kind) as caught:
            StemWriter(path, output, RATE, 2)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from stemline.postprocessing.encode import OutputFormat, StemWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
path, container, bits = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
noise = np.random.default_rng(0).uniform(-1, 1, (2, 44100)).astype(np.float32)
try:
    with StemWriter(path, OutputFormat(container, bits=bits), 44100, 2) as writer:
        for _ in range(int(sys.argv[4])):
            writer.write(noise)
except OSError as error:
    print(error.errno, error)
"""


@pytest.mark.parametrize("output", FORMATS)
# So few samples that they fail in `close` (MP3 has 24 kB a second), and so many that in `write`.
@pytest.mark.parametrize("seconds", [5, 60])
def test_a_full_disk_is_one_clear_line_and_leaves_nothing(
    tmp_path: Path, output: OutputFormat, seconds: int
) -> None:
    path = tmp_path / "vocals.out"
    arguments = [str(path), output.container, str(output.bits), str(seconds)]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *arguments], capture_output=True, text=True, check=True
    )
    # The file system's own words for a file that may not grow.
    assert done.stdout == f"{errno.EFBIG} [Errno {errno.EFBIG}] File too large: '{path}'\n"
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_blocks_of_other_channels_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"\(2, n\) samples; got \[1, 5\]"),
        StemWriter(tmp_path / "a.wav", OutputFormat("wav"), RATE, 2) as writer,
    ):
        writer.write(noise(1, 5))


class SparseFile(io.RawIOBase):
    """Keeps the header, and of the samples the length only: gigabytes without a disk."""

    def __init__(self) -> None:
        self.head = bytearray(200)
        self.position = self.size = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        kept = max(0, min(len(data), len(self.head) - self.position))
        self.head[self.position : self.position + kept] = data[:kept]
        self.position += len(data)
        self.size = max(self.size, self.position)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        assert whence == 0
        self.position = offset
        return offset

    def tell(self) -> int:
        return self.position


@pytest.mark.parametrize(
    ("n_frames", "kind"), [(2**29 - 100, "RIFF"), (2**29, "RF64"), (2**31, "RF64")]
)
def test_a_wav_past_4_gb_becomes_rf64(tmp_path: Path, n_frames: int, kind: str) -> None:
    file = SparseFile()
    wav = WavFile(file, RATE, 2, 32)  # type: ignore[arg-type]
    block = bytes(1 << 26)
    for start in range(0, n_frames * 8, len(block)):
        wav.write(block[: n_frames * 8 - start])
    wav.close()
    assert file.head[:4] == kind.encode()
    path = tmp_path / "huge.wav"
    with path.open("wb") as sparse:  # a hole where the samples would be
        sparse.write(file.head)
        sparse.truncate(file.size)
    info = soundfile.info(path)
    assert (info.frames, info.channels, info.subtype) == (n_frames, 2, "FLOAT")
