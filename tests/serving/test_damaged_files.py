"""A file that ends early is separated as far as it goes and said so, or refused with `strict`."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli_helpers import separate
from grpc_helpers import running_server
from helpers import gain_separator, music

import stemline
from stemline.errors import AudioError, RemoteError
from stemline.postprocessing.encode import OutputFormat
from stemline.serving.client.client import StemlineClient
from stemline.serving.stem_files import FileBlocks

RATE = 44100
N = 60_000


def flac(path: Path) -> None:
    soundfile.write(path, music(N).T, RATE, format="FLAC")
    path.write_bytes(path.read_bytes()[:-60_000])


def mp3(path: Path) -> None:
    soundfile.write(path, music(N).T, RATE, format="MP3")
    path.write_bytes(path.read_bytes()[:-8_000])


def wav(path: Path) -> None:
    soundfile.write(path, music(N).T, RATE, format="WAV")
    path.write_bytes(path.read_bytes()[:-80_000])


def vorbis(path: Path) -> None:
    soundfile.write(path, music(N).T, RATE, format="OGG", subtype="VORBIS")
    path.write_bytes(path.read_bytes()[:-8_000])


DAMAGED: dict[str, Callable[[Path], None]] = {
    "flac": flac, "mp3": mp3, "wav": wav, "vorbis": vorbis,
}  # fmt: skip
SAID = {"vorbis": "has no end mark"}


@pytest.fixture(params=DAMAGED)
def damaged(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"{request.param}.audio"
    DAMAGED[request.param](path)
    return path


def words(path: Path) -> str:
    return SAID.get(path.stem, "ends early or is damaged: it announces 1.36 s")


def test_the_command_separates_what_there_is_and_says_so(
    artifacts: Path, damaged: Path, tmp_path: Path
) -> None:
    done = separate(artifacts, damaged, "-o", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert f"warning: {damaged} {words(damaged)}" in said
    report = json.loads(done.stdout)
    assert any(words(damaged) in fault for fault in report["faults"])
    n_samples = soundfile.info(next(iter(report["stems"].values()))).frames
    assert 0 < n_samples == report["n_samples"] < N


def test_strict_refuses_it_before_anything_is_written(
    artifacts: Path, damaged: Path, tmp_path: Path
) -> None:
    done = separate(artifacts, damaged, "-o", tmp_path / "out", "--strict")
    assert done.returncode == 1
    assert words(damaged) in " ".join(done.stderr.split())
    assert not (tmp_path / "out").exists()


def test_a_whole_file_has_no_faults(artifacts: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "whole.flac", music(N).T, RATE)
    done = separate(
        artifacts, tmp_path / "whole.flac", "-o", tmp_path / "out", "--strict", "--json"
    )
    assert json.loads(done.stdout)["faults"] == []
    assert "warning: " + str(tmp_path) not in done.stderr


def test_what_is_known_from_the_header_is_said_before_the_first_block(damaged: Path) -> None:
    said: list[str] = []
    blocks = FileBlocks(damaged, on_fault=said.append)
    assert [words(damaged) in fault for fault in said].count(True) == 1
    early = list(said)
    for _ in range(2):  # and once, however often it is read
        assert sum(block.shape[1] for block in blocks) < N
    assert said[: len(early)] == early == blocks.faults[: len(early)]
    assert len(said) == len(set(said))


@pytest.fixture(scope="module")
def client() -> Iterator[StemlineClient]:
    """A client of one server that meets every file of this module."""
    with running_server(gain_separator()) as (address, _), StemlineClient(address) as client:
        yield client


def test_the_server_says_it_with_its_last_message(
    client: StemlineClient, damaged: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        stems = client.separate_file(damaged, tmp_path / "out", OutputFormat("wav", bits=32))
    assert soundfile.info(stems["vocals"]).frames < N
    of_client = [record.getMessage() for record in caplog.records if ".client." in record.name]
    assert any(words(damaged) in message for message in of_client)


def test_the_server_refuses_it_where_the_client_is_strict(
    client: StemlineClient, damaged: Path, tmp_path: Path
) -> None:
    with pytest.raises(RemoteError, match=words(damaged)) as refused:
        client.separate_file(damaged, tmp_path / "out", OutputFormat("wav", bits=32), strict=True)
    assert refused.value.status == "INVALID_ARGUMENT"


def test_the_limit_on_the_length_comes_before_the_judgement_of_the_whole_file(
    tmp_path: Path,
) -> None:
    """Who asks for strictness must not have hours of silence decoded."""
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros((60 * 8000, 2), np.int16), 8000)
    path.write_bytes(path.read_bytes()[:-1000])
    with running_server(gain_separator(), max_audio_s=2) as (address, _):
        with StemlineClient(address) as client:
            with pytest.raises(RemoteError, match="longer than 2 s") as refused:
                client.separate_file(path, tmp_path / "out", OutputFormat("wav"), strict=True)
    assert refused.value.status == "RESOURCE_EXHAUSTED"


def test_the_face_warns_or_refuses(
    artifacts: Path, damaged: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with stemline.load_separator("tiny", artifacts=artifacts, allow_untrained=True) as separator:
        with caplog.at_level(logging.WARNING):
            stems = separator.separate(damaged)
        assert any(words(damaged) in record.getMessage() for record in caplog.records)
        assert 0 < stems.n_samples < N
        with pytest.raises(AudioError, match=words(damaged)):
            separator.separate(damaged, strict=True)
