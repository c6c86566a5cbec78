"""A new format of files is a file and a line: here it is this file, from `save` to the command.

The toy writes samples as bare floats after its name, and only those of even rates.
"""

import re
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import soundfile
from cli_helpers import CONFIG
from encode_helpers import RATE, noise
from helpers import music
from toy_helpers import Extended

from stemline.arrays import Array
from stemline.errors import EncodingError
from stemline.postprocessing.encode import OutputFormat, StemWriter
from stemline.postprocessing.formats import FORMATS, Encoder, FileFormat, Quality

MARK = b"toy\n"


class ToyEncoder:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.write(MARK)

    def write(self, frames: Array) -> None:
        self._file.write(frames.astype("<f4", copy=False).tobytes())

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass


class ToyFormat(FileFormat):
    name = "toy"
    most_channels = 2

    def check_quality(self, quality: Quality) -> None:
        if quality.bits not in (16, 32):
            raise EncodingError(f"toy has 16 or 32 bits; got {quality.bits}")

    def clips(self, quality: Quality) -> bool:
        return False

    def check_rate(self, quality: Quality, sample_rate_hz: int) -> None:
        if sample_rate_hz % 2:
            raise EncodingError(f"toy has no rate of {sample_rate_hz} Hz")

    def encoder(
        self, file: BinaryIO, quality: Quality, sample_rate_hz: int, channels: int
    ) -> Encoder:
        return ToyEncoder(file)


FORMAT = ToyFormat()


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "test_toy_format", sys.modules[__name__])
    monkeypatch.setitem(FORMATS, "toy", "test_toy_format")


def read(path: Path) -> Array:
    """(2, n_samples)."""
    data = path.read_bytes()
    assert data.startswith(MARK)
    samples: Array = np.frombuffer(data[len(MARK) :], "<f4").reshape(-1, 2).T
    return samples


def test_a_stem_is_written_and_saved(registered: None, tmp_path: Path) -> None:
    from stemline.stems import Stems

    samples = noise(2, 5000)
    with StemWriter(tmp_path / "a.toy", OutputFormat("toy"), RATE, 2) as writer:
        writer.write(samples)
    np.testing.assert_array_equal(read(tmp_path / "a.toy"), samples)
    stems = Stems({"vocals": samples}, RATE, "a model", {})
    assert stems.save(tmp_path / "out", format="toy") == {"vocals": tmp_path / "out/vocals.toy"}
    np.testing.assert_array_equal(read(tmp_path / "out/vocals.toy"), samples)


def test_what_it_cannot_hold_is_refused_in_its_words(registered: None, tmp_path: Path) -> None:
    with pytest.raises(EncodingError, match="toy has 16 or 32 bits; got 24"):
        OutputFormat("toy", bits=24)
    for rate, channels, said in [(44101, 2, "no rate of 44101 Hz"), (RATE, 3, "1 to 2 channels")]:
        with pytest.raises(EncodingError, match=said):
            StemWriter(tmp_path / "a", OutputFormat("toy"), rate, channels)
    assert list(tmp_path.iterdir()) == []


def test_it_is_listed_with_the_others(registered: None) -> None:
    with pytest.raises(EncodingError, match="must be wav, flac, mp3 or toy; got 'ogg'"):
        OutputFormat("ogg")


def test_a_server_is_asked_for_it_once_the_proto_has_it(registered: None) -> None:
    from stemline.serving.messages.output import output_message

    with pytest.raises(EncodingError, match="no server writes toy; it writes wav, flac or mp3"):
        output_message(OutputFormat("toy"))


def test_the_command_writes_it(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    soundfile.write(tmp_path / "song.wav", music(5000).T, RATE)
    stemline = Extended(
        tmp_path, "stemline.postprocessing.formats:FORMATS", "toy", "test_toy_format"
    )
    assert re.search(r"--format\s+<wav\|flac\|mp3\|toy>", stemline.run("separate", "--help"))
    stemline.run(
        "export", "tiny", "--family", "mdx23c", "--config", tmp_path / "tiny.yaml", "--weights",
        "random", "--artifacts", stemline.artifacts,
    )  # fmt: skip
    for name in ("toy", "wav"):
        stemline.run(
            "separate", tmp_path / "song.wav", "-m", "tiny", "-o", tmp_path / name, "--format",
            name, "--bits", "32", "--allow-untrained", "--artifacts", stemline.artifacts,
        )  # fmt: skip
    stem, _ = soundfile.read(tmp_path / "wav/song/vocals.wav", dtype="float32")
    np.testing.assert_array_equal(read(tmp_path / "toy/song/vocals.toy"), stem.T)
