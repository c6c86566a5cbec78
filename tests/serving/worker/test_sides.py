"""Python, the command, gRPC and the worker: one result, sample by sample and beat by beat."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from beat_helpers import GAINS, MODEL, click_mixture, click_times, write_beat_artifact
from cli_helpers import run
from demucs_track_helpers import gain_info, write_gains
from grpc_helpers import running_server
from worker_helpers import WorkerProcess, files_below

import stemline
from stemline.arrays import Array
from stemline.postprocessing.formats import OutputFormat
from stemline.serving.client.client import StemlineClient
from stemline.serving.library import EngineOptions, Library

RATE = 44100
BEATS = ("bpm", "beats", "downbeats", "segments")


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    write_gains(folder, gain_info("tiny", stems=tuple(GAINS)), tuple(GAINS.values()))
    write_beat_artifact(folder)
    return folder


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("songs") / "song.wav"
    mixture = click_mixture(click_times(12, 120, 4), [0.5, 4.5], [(4.5, 8.5)], 12)
    soundfile.write(path, mixture.T, RATE, subtype="FLOAT")
    return path


@pytest.fixture(scope="module")
def worker(artifacts: Path) -> Iterator[WorkerProcess]:
    with WorkerProcess(artifacts) as worker:
        yield worker


@pytest.fixture(scope="module")
def client(artifacts: Path) -> Iterator[StemlineClient]:
    with running_server(library=Library(artifacts, EngineOptions("cpu", 1))) as (address, _):
        client = StemlineClient(address)
        yield client
        client.close()


def samples_below(folder: Path) -> dict[str, Array]:
    """Stem → (channels, n_samples) of the files in a folder."""
    found = {}
    for path in sorted(folder.rglob("*.wav")):
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        assert rate_hz == RATE
        found[path.stem] = samples.T
    return found


def test_stems_are_the_same_from_every_side(
    worker: WorkerProcess, client: StemlineClient, artifacts: Path, song: Path, tmp_path: Path
) -> None:
    stems = stemline.separate(song, model="tiny", artifacts=artifacts)
    client.separate_file(song, tmp_path / "grpc", OutputFormat("wav", 32), model="tiny")
    command = (song, "-m", "tiny", "--float32", "--artifacts", artifacts)
    assert run("separate", *command, "-o", tmp_path / "command").returncode == 0
    worker.result("separate", file=song, model="tiny", bits=32, out=tmp_path / "worker")
    for side in ("grpc", "command", "worker"):
        found = samples_below(tmp_path / side)
        assert sorted(found) == sorted(GAINS), side
        for name, samples in found.items():
            np.testing.assert_array_equal(samples, stems[name], err_msg=f"{name} by {side}")


def test_beats_are_those_of_the_command(worker: WorkerProcess, artifacts: Path, song: Path) -> None:
    found = worker.result("beats", file=song, model=MODEL, separator="tiny")
    done = run("beats", song, "-m", MODEL, "--artifacts", artifacts, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert len(said["beats"]) > 10
    for key in (*BEATS, "model", "artifact", "artifact_sha256", "stems_from", "faults"):
        assert found[key] == said[key], key
    assert found["cached"] in (True, False) and "stems" not in found


def test_an_analysis_has_the_stems_and_the_beats_of_the_server(
    worker: WorkerProcess, client: StemlineClient, song: Path, tmp_path: Path
) -> None:
    output, options = OutputFormat("wav", 32), {"model": "tiny", "beats_model": MODEL}
    analysed = client.analyze_file(song, tmp_path / "grpc", output, **options)
    result = worker.result("analyze", file=song, bits=32, out=tmp_path / "worker", **options)
    served, own = samples_below(tmp_path / "grpc"), samples_below(tmp_path / "worker")
    assert sorted(own) == sorted(served) == sorted(GAINS)
    for name, samples in own.items():
        np.testing.assert_array_equal(samples, served[name], err_msg=name)
    beats = result["beats"]
    assert beats["bpm"] == analysed.beats.bpm
    assert [one["time"] for one in beats["beats"]] == pytest.approx(
        [one.time_s for one in analysed.beats.beats]
    )
    assert beats["stems_from"] == "tiny.fp32"


def test_an_analysis_writes_the_wanted_stems_alone(
    worker: WorkerProcess, song: Path, tmp_path: Path
) -> None:
    result = worker.result(
        "analyze", file=song, model="tiny", beats_model=MODEL, out=tmp_path,
        stems=["bass"], residual=True, filename="{stem}.{ext}",
    )  # fmt: skip
    assert files_below(tmp_path) == ["bass.wav", "no_bass.wav"]
    assert list(result["stems"]) == ["bass", "no_bass"]
    assert len(result["beats"]["beats"]) > 10


def test_an_analysis_by_a_model_that_finds_none_names_the_field(
    worker: WorkerProcess, song: Path, tmp_path: Path
) -> None:
    error = worker.error("analyze", file=song, model="tiny", beats_model="tiny", out=tmp_path)
    assert (error["type"], error["field"]) == ("RequestError", "beats_model")
    error = worker.error("beats", file=song, model=MODEL, separator=MODEL)
    assert (error["type"], error["field"]) == ("RequestError", "separator")


def test_a_model_of_beats_is_loaded_with_what_makes_its_stems(artifacts: Path, song: Path) -> None:
    with WorkerProcess(artifacts) as worker:
        loaded = worker.result("load_model", model=MODEL)
        assert (loaded["task"], loaded["stems"], loaded["cached"]) == ("beats", [], False)
        kept = worker.result("stats")["models"]
        assert {one["artifact"] for one in kept} == {"clicks.fp32", "tiny.fp32"}
        assert worker.result("beats", file=song, model=MODEL)["cached"]


def test_a_model_may_be_a_path(
    worker: WorkerProcess, artifacts: Path, song: Path, tmp_path: Path
) -> None:
    path = artifacts / "tiny.fp32" / "1" / "model.onnx"
    result = worker.result("separate", file=song, model=path, out=tmp_path)
    assert result["artifact"] == "tiny.fp32"
