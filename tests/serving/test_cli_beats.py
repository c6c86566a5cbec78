"""The command as a user calls it, on stems of clicks and a network that hears how loud they are."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from beat_helpers import FACTS, RATE, STEMS, click_stems, click_times, write_beat_artifact
from typer.testing import CliRunner, Result

from stemline.postprocessing.encode import EncodingError
from stemline.serving.cli.beats import beats
from stemline.serving.errors import RequestError

app = typer.Typer()
app.command()(beats)

DURATION_S = 12.0
WANTED = click_times(DURATION_S, 120, 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`song.wav`, its stems in `separated/song`, and an exported beat model."""
    write_song(tmp_path, "song")
    write_beat_artifact(tmp_path / "artifacts", FACTS)
    return tmp_path


def write_song(folder: Path, name: str) -> Path:
    stems = click_stems(WANTED, (), (), DURATION_S, channels=1)
    own = folder / "separated" / name
    own.mkdir(parents=True)
    for stem in STEMS:
        soundfile.write(own / f"{stem}.wav", stems[stem].T, RATE)
    path = folder / f"{name}.wav"
    soundfile.write(path, sum(stems.values()).T / 2, RATE)
    return path


def run(folder: Path, *arguments: object) -> Result:
    command = [*arguments, "--artifacts", folder / "artifacts", "--threads", 1, "--device", "cpu"]
    return CliRunner().invoke(app, [str(one) for one in command])


def test_json_and_files_tell_the_same_beats(folder: Path) -> None:
    done = run(
        folder, folder / "song.wav", "--stems-from", folder / "separated", "--json",
        "--beats", folder / "out" / "song.beats", "--csv", folder / "out" / "song.csv",
        "--click", folder / "out" / "click.wav", "--activations", folder / "out" / "song.npz",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["bpm"] == 120
    assert report["beats"] == [{"time": t, "position": position} for t, position in WANTED]
    assert report["downbeats"] == [t for t, position in WANTED if position == 1]
    assert report["segments"][0]["start"] == 0
    assert report["segments"][-1]["end"] == DURATION_S
    assert (report["model"], report["artifact"]) == ("clicks", "clicks.fp32")
    assert report["provider"] == "CPUExecutionProvider"
    assert {"separate", "spectrogram", "engine", "decode", "files", "wall"} <= set(
        report["seconds"]
    )
    assert set(report["files"]) == {"beats", "csv", "click", "activations"}

    lines = (folder / "out" / "song.beats").read_text().splitlines()
    assert [tuple(map(float, line.split())) for line in lines] == [(t, p) for t, p in WANTED]
    rows = list(csv.DictReader((folder / "out" / "song.csv").open()))
    assert [float(row["start"]) for row in rows if row["event"] == "beat"] == [t for t, _ in WANTED]
    clicked, rate_hz = soundfile.read(folder / "out" / "click.wav")
    assert (len(clicked), rate_hz) == (DURATION_S * RATE, RATE)
    assert np.abs(clicked[RATE // 2 + 2 : RATE // 2 + 100]).max() > 0.2
    with np.load(folder / "out" / "song.npz") as activations:
        assert activations["beat"].shape == (DURATION_S * 100,)


def test_several_files_go_to_folders_and_one_bad_one_fails_alone(folder: Path) -> None:
    write_song(folder, "other")
    bad = folder / "bad.wav"
    bad.write_text("no audio")
    done = run(
        folder, folder / "song.wav", bad, folder / "other.wav",
        "--stems-from", folder / "separated", "--beats", folder / "out",
    )  # fmt: skip
    assert done.exit_code == 1
    assert str(bad) in done.stdout
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["other.beats", "song.beats"]


@pytest.mark.parametrize("name", ["song.wav", "click.wav"])
def test_nothing_is_written_over_an_input_or_another_output(folder: Path, name: str) -> None:
    before = (folder / "song.wav").read_bytes()
    done = run(folder, folder / "song.wav", "--click", folder / name, "--beats", folder / name)
    assert isinstance(done.exception, RequestError)
    assert "would be written over" in str(done.exception)
    assert (folder / "song.wav").read_bytes() == before
    assert not (folder / "click.wav").exists()


def test_stems_of_another_track_are_refused(folder: Path) -> None:
    soundfile.write(folder / "longer.wav", np.zeros(15 * RATE), RATE)
    done = run(folder, folder / "longer.wav", "--stems-from", folder / "separated" / "song")
    assert done.exit_code == 2
    assert "another track" in done.stderr


def test_a_click_track_of_an_unknown_kind_is_refused_at_once(folder: Path) -> None:
    done = run(folder, folder / "no such file.wav", "--click", "click.ogg")
    assert isinstance(done.exception, EncodingError)


def test_random_weights_are_told_of(folder: Path) -> None:
    write_beat_artifact(folder / "artifacts", model="noise", trained=False)
    command = (folder / "song.wav", "-m", "noise", "--stems-from", folder / "separated")
    refused = run(folder, *command)
    assert "--allow-untrained" in str(refused.exception)
    allowed = run(folder, *command, "--allow-untrained")
    assert allowed.exit_code == 0, allowed.output
    assert "random weights" in allowed.stderr
