"""Bad and odd audio, through the command and through one server that must live on."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli_helpers import separate
from grpc_helpers import running_server
from helpers import gain_separator, music

from stemline.errors import RemoteError
from stemline.postprocessing.encode import OutputFormat
from stemline.serving.client.client import StemlineClient

RATE = 44100
Writer = Callable[[Path], None]


def tone(path: Path, n_samples: int, *, rate: int = RATE, channels: int = 2) -> None:
    soundfile.write(path, music(n_samples, channels, rate).T, rate, "FLOAT", format="WAV")


def with_sample(value: float) -> Writer:
    def write(path: Path) -> None:
        samples = music(20_000)
        samples[1, 15_000] = value
        soundfile.write(path, samples.T, RATE, "FLOAT", format="WAV")

    return write


def claims_3_gb(path: Path) -> None:
    """A header whose `data` chunk is said to be 3 GB long, before 4000 real samples."""
    pcm = (music(4000).T * 32767).astype("<i2").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, RATE, 4 * RATE, 4, 16)
    path.write_bytes(
        b"RIFF" + struct.pack("<I", 3_000_000_036) + b"WAVE" + form
        + b"data" + struct.pack("<I", 3_000_000_000) + pcm
    )  # fmt: skip


REFUSED: dict[str, tuple[Writer, str]] = {
    "an empty file": (lambda path: path.write_bytes(b"") and None, "empty"),
    "text": (lambda path: path.write_text("la la la " * 99) and None, "cannot be read as audio"),
    "NaN": (with_sample(np.nan), "sample 15000 of channel 1 is nan"),
    "infinity": (with_sample(np.inf), "sample 15000 of channel 1 is inf"),
    "no samples": (lambda path: tone(path, 0), "holds no samples"),
}
# What is legal: samples, rate, output channels that must come back.
ACCEPTED: dict[str, tuple[Writer, int, int, int]] = {
    "1 sample": (lambda path: tone(path, 1), 1, RATE, 2),
    "8 channels": (lambda path: tone(path, 9000, channels=8), 9000, RATE, 2),
    "8 kHz": (lambda path: tone(path, 3001, rate=8000), 3001, 8000, 2),
    "192 kHz": (lambda path: tone(path, 40_001, rate=192_000), 40_001, 192_000, 2),
    "mono": (lambda path: tone(path, 9000, channels=1), 9000, RATE, 1),
    "a 3 GB claim": (claims_3_gb, 4000, RATE, 2),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_the_command_refuses_in_one_line_and_writes_nothing(
    artifacts: Path, tmp_path: Path, kind: str
) -> None:
    write, words = REFUSED[kind]
    write(tmp_path / "input.wav")
    done = separate(artifacts, tmp_path / "input.wav", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert words in done.stderr
    assert str(tmp_path / "input.wav") in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ACCEPTED)
def test_the_command_takes_what_is_legal(artifacts: Path, tmp_path: Path, kind: str) -> None:
    write, n_samples, rate, channels = ACCEPTED[kind]
    write(tmp_path / "input.wav")
    done = separate(artifacts, tmp_path / "input.wav", "-o", tmp_path / "out", "--bits", "32")
    assert done.returncode == 0, done.stderr
    samples, got_rate = soundfile.read(tmp_path / "out/input/vocals.wav", always_2d=True)
    assert (samples.shape, got_rate) == ((n_samples, channels), rate)
    assert np.isfinite(samples).all()


@pytest.fixture(scope="module")
def client() -> Iterator[StemlineClient]:
    """A client of one server that meets every input of this module."""
    separator = gain_separator()
    with running_server(separator) as (address, _), StemlineClient(address) as client:
        yield client


@pytest.mark.parametrize("kind", REFUSED)
def test_the_server_refuses_and_goes_on(client: StemlineClient, tmp_path: Path, kind: str) -> None:
    write, words = REFUSED[kind]
    write(tmp_path / "input.wav")
    output = OutputFormat("wav", bits=32)
    with pytest.raises(RemoteError, match=words) as refused:
        client.separate_file(tmp_path / "input.wav", tmp_path / "out", output)
    assert refused.value.status == "INVALID_ARGUMENT"
    tone(tmp_path / "good.wav", 5000)
    stems = client.separate_file(tmp_path / "good.wav", tmp_path / "out", output)
    assert soundfile.info(stems["vocals"]).frames == 5000


@pytest.mark.parametrize("kind", ACCEPTED)
def test_the_server_takes_what_is_legal(client: StemlineClient, tmp_path: Path, kind: str) -> None:
    write, n_samples, rate, channels = ACCEPTED[kind]
    write(tmp_path / "input.wav")
    output = OutputFormat("wav", bits=32)
    stems = client.separate_file(tmp_path / "input.wav", tmp_path / "out", output)
    info = soundfile.info(stems["vocals"])
    assert (info.frames, info.samplerate, info.channels) == (n_samples, rate, channels)
