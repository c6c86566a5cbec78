import errno
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from encode_helpers import FORMATS, LOSSLESS, RATE, noise, write

from stemline.errors import EncodingError
from stemline.postprocessing.encode import OutputFormat, StemWriter


@pytest.mark.parametrize("output", FORMATS)
def test_a_file_object_gets_the_same_bytes_and_stays_open(
    tmp_path: Path, output: OutputFormat
) -> None:
    samples, memory = noise(2, 5000), io.BytesIO()
    write(memory, output, samples)
    write(tmp_path / "a", output, samples)
    assert memory.getvalue() == (tmp_path / "a").read_bytes()


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


@pytest.mark.parametrize("output", LOSSLESS)
def test_what_is_no_number_is_silence_in_integers_and_counted(
    tmp_path: Path, output: OutputFormat
) -> None:
    samples = np.array([[np.nan, 0.5, np.inf, -np.inf]], np.float32)
    writer = write(tmp_path / "a", output, samples)
    found, _ = soundfile.read(tmp_path / "a", dtype="float32", always_2d=True)
    if output.bits == 32:
        assert writer.clipped_samples == 0
        np.testing.assert_array_equal(found.T, samples)
    else:
        assert writer.clipped_samples == 3
        np.testing.assert_allclose(found.T, [[0, 0.5, 1, -1]], atol=2.0 ** (1 - output.bits))


@pytest.mark.parametrize("output", FORMATS)
def test_a_file_appears_only_when_it_is_whole(tmp_path: Path, output: OutputFormat) -> None:
    path = tmp_path / "vocals.wav"
    path.write_bytes(b"the old one")
    writer = StemWriter(path, output, RATE, 2)
    writer.write(noise(2, 5000))
    assert path.read_bytes() == b"the old one"
    assert {each.suffix for each in tmp_path.iterdir()} == {".wav", ".part"}
    writer.close()
    writer.close()
    assert soundfile.info(path).frames == 5000
    assert list(tmp_path.iterdir()) == [tmp_path / "vocals.wav"]


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
