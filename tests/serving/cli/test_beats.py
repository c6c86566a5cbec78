"""The command as a user calls it, on stems of clicks and a network of how loud they are."""

import csv
import json
import os
import pty
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from beat_helpers import (
    FACTS,
    GAINS,
    RATE,
    STEMS,
    click_mixture,
    click_stems,
    click_times,
    write_beat_artifact,
)
from demucs_track_helpers import gain_info, write_gains
from grpc_helpers import running_server
from typer.testing import CliRunner, Result

from stemline.errors import EncodingError, RequestError, UnknownModelError, WrongModelError
from stemline.serving.cli import beats as module
from stemline.serving.cli.app import app as whole_app
from stemline.serving.cli.beats import beats
from stemline.serving.library import EngineOptions, Library

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


def test_no_name_of_an_input_leads_out_of_a_folder_of_outputs_or_of_stems(folder: Path) -> None:
    write_song(folder, "second")
    (folder / "song.wav").rename(folder / "...wav")
    own = folder / "separated" / "song"
    own.rename(own.with_name("...wav"))
    for stem in STEMS:  # those above are another's
        soundfile.write(folder / f"{stem}.wav", np.zeros(RATE), RATE)
    done = run(
        folder, folder / "...wav", folder / "second.wav", "--stems-from", folder / "separated",
        "--json", "--beats", folder / "out", "--csv", folder / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "...wav.beats", "...wav.csv", "second.beats", "second.csv",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("option", "name"),
    [("--plot", "one.png"), ("--csv", "one.csv"), ("--click", "one.flac"), ("--beats", "one.txt")],
)
def test_one_file_for_the_outputs_of_two_songs_is_refused(
    folder: Path, option: str, name: str
) -> None:
    write_song(folder, "second")
    done = run(folder, folder / "song.wav", folder / "second.wav", option, folder / name)
    assert isinstance(done.exception, RequestError)
    assert "is one file, and there are 2 inputs; name a folder" in str(done.exception)
    assert not (folder / name).exists()


def test_a_pipe_has_every_beat(folder: Path) -> None:
    done = run(folder, folder / "song.wav", "--stems-from", folder / "separated")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    first = lines.index("beat\tposition")
    assert lines[first + 1 :] == [f"{time_s:.2f}\t{place}" for time_s, place in WANTED]
    said = " ".join(done.stderr.split())
    assert f"{len(WANTED)} beats; they are in --json, --csv FILE and --beats FILE, too" in said


def test_a_terminal_has_the_first_beats_and_how_to_get_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables: dict[str, list[tuple[str, ...]]] = {}
    monkeypatch.setattr(module, "on_terminal", lambda: True)
    monkeypatch.setattr(
        module, "print_table", lambda title, columns, rows: tables.update({title: list(rows)})
    )
    done = run(folder, folder / "song.wav", "--stems-from", folder / "separated")
    assert done.exit_code == 0, done.output
    rows = tables[f"{folder / 'song.wav'}: beats"]
    assert rows == [(f"{time_s:.2f}", str(place)) for time_s, place in WANTED[:8]]
    said = " ".join(done.stderr.split())
    assert f"the first 8 of {len(WANTED)} beats; all are in a pipe, --json" in said


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


@pytest.mark.parametrize(
    ("name", "rate_hz", "says"),
    [("click.mp3", 96_000, "MP3 has no rate of 96000 Hz"), ("click.flac", 768_000, "flac has no")],
)
def test_a_click_track_that_cannot_have_the_rate_is_refused_before_any_model_is_looked_for(
    tmp_path: Path, name: str, rate_hz: int, says: str
) -> None:
    soundfile.write(tmp_path / "song.wav", np.zeros(rate_hz), rate_hz)
    done = run(tmp_path, tmp_path / "song.wav", "--click", tmp_path / name)
    assert isinstance(done.exception, EncodingError)
    assert says in str(done.exception)


@pytest.mark.parametrize("n_songs", [1, 2])
@pytest.mark.parametrize("option", ["csv", "plot", "click", "beats", "activations"])
def test_a_file_where_a_folder_is_needed_is_refused_before_any_model_is_looked_for(
    tmp_path: Path, option: str, n_songs: int
) -> None:
    file = tmp_path / "file"
    file.write_text("keep")
    target = file / "song.wav" if n_songs == 1 else file
    songs = [tmp_path / f"{i}.wav" for i in range(n_songs)]
    done = run(tmp_path, *songs, f"--{option}", target)
    assert isinstance(done.exception, RequestError)
    assert f"--{option} of {songs[0]}" in str(done.exception)
    assert f"{file} is no folder" in str(done.exception)
    assert done.exception.field == option
    assert file.read_text() == "keep"


def test_a_folder_where_a_file_is_to_be_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "out" / "song.csv").mkdir(parents=True)
    done = run(tmp_path, tmp_path / "song.wav", "--csv", tmp_path / "out")
    assert isinstance(done.exception, RequestError)
    assert "song.csv, which is a folder" in str(done.exception)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_in_is_refused_at_once(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(0o500)
    done = run(tmp_path, tmp_path / "song.wav", "--csv", closed / "below" / "song.csv")
    assert isinstance(done.exception, RequestError)
    assert f"nothing may be written in {closed}" in str(done.exception)


@pytest.mark.parametrize("is_own_folder", [True, False])
def test_stems_that_are_read_are_not_written_over(folder: Path, is_own_folder: bool) -> None:
    stems = folder / "separated" / "song"
    before = {path: path.read_bytes() for path in stems.iterdir()}
    given = stems if is_own_folder else folder / "separated"
    command = (folder / "song.wav", "--stems-from", given)
    done = run(folder, *command, "--click", stems / ".." / "song" / "drums.wav")
    assert isinstance(done.exception, RequestError)
    assert "would be written over a stem that is read" in str(done.exception)
    assert {path: path.read_bytes() for path in stems.iterdir()} == before
    for _ in range(2):  # what is no stem may lie beside them, and be replaced
        assert run(folder, *command, "--click", stems / "click.wav").exit_code == 0


def test_without_a_separator_the_stems_one_has_are_spoken_of(folder: Path) -> None:
    done = run(folder, folder / "song.wav")
    assert isinstance(done.exception, UnknownModelError)
    assert str(done.exception).count("--stems-from") == 1
    named = run(folder, folder / "song.wav", "--separator", "no-such-model")
    assert isinstance(named.exception, UnknownModelError)
    assert "--stems-from" not in str(named.exception)


def test_beats_of_a_mixture_that_cannot_be_clicked_over_are_told_with_what_was_written(
    folder: Path,
) -> None:
    song = folder / "song.flac"
    samples = np.random.default_rng(0).uniform(-1, 1, int(DURATION_S * RATE))
    samples[-100] = np.nan
    soundfile.write(song, samples, RATE, "FLOAT", format="WAV")  # its length is the stems'
    stems = folder / "separated" / "song"
    arguments = (song, "--stems-from", stems, "--click", folder / "out" / "click.wav")
    arguments = (*arguments, "--csv", folder / "out" / "song.csv")
    done = run(folder, *arguments, "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert report["beats"] == [{"time": t, "position": position} for t, position in WANTED]
    assert report["error"].startswith("--click was not written: ")
    assert report["files"] == {"csv": str(folder / "out" / "song.csv")}
    assert [path.name for path in (folder / "out").iterdir()] == ["song.csv"]
    plain = run(folder, *arguments)
    assert plain.exit_code == 1
    assert "120.0 bpm" in plain.stderr
    assert "--click was not written" in plain.stderr.splitlines()[-1]


def stemline(folder: Path, *arguments: object) -> list[str]:
    command = [Path(sys.executable).parent / "stemline", "beats", *arguments]
    return [str(one) for one in (*command, "--artifacts", folder / "artifacts", "--threads", 1)]


def test_on_a_full_disk_the_beats_are_still_told(folder: Path) -> None:
    # A limit on the size of a file stands for the disk: the same write fails the same way.
    command = stemline(
        folder, folder / "song.wav", "--stems-from", folder / "separated", "--json",
        "--click", folder / "out" / "click.wav", "--beats", folder / "out" / "song.beats",
    )  # fmt: skip
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 64; exec "$@"', "bash", *command],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["bpm"] == 120
    assert set(report["files"]) == {"beats"}
    assert str(folder / "out" / "click.wav") in report["error"]
    assert [path.name for path in (folder / "out").iterdir()] == ["song.beats"]


def test_what_was_found_is_told_before_the_next_file_has_ended(folder: Path) -> None:
    os.mkfifo(folder / "never.wav")  # nobody ever writes into it
    command = stemline(
        folder, folder / "song.wav", folder / "never.wav",
        "--stems-from", folder / "separated", "--json",
    )  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            first = json.loads(process.stdout.readline())
            assert process.poll() is None
        finally:
            process.send_signal(signal.SIGINT)
        assert process.stdout.read() == b""
        assert process.wait(60) != 0
    assert (first["input"], first["bpm"]) == (str(folder / "song.wav"), 120)


def test_a_bar_on_the_terminal_takes_nothing_of_what_is_piped(folder: Path) -> None:
    write_song(folder, "other")
    command = stemline(
        folder, folder / "song.wav", folder / "other.wav", "--stems-from", folder / "separated",
        "--beats", folder / "out",
    )  # fmt: skip
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=theirs, text=True, check=False, timeout=120
        )
        screen = os.read(ours, 1 << 16).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0, screen
    lines = done.stdout.splitlines()
    assert lines.count("start\tend\tsection") == 2
    for name in ("song", "other"):
        assert str(folder / "out" / f"{name}.beats") in lines
        assert screen.count(f"{name}.wav: 120.0 bpm") == 1


@pytest.mark.parametrize("value", [1e25, -3e38])
def test_samples_beyond_all_audio_are_refused_by_their_number(folder: Path, value: float) -> None:
    samples = np.zeros((RATE, 2), np.float32)
    samples[123, 1] = value
    samples[456, 0] = 2.0**31  # 32-bit integers written as floats: the most there is
    write_separator_of_clicks(folder)
    soundfile.write(folder / "song.wav", samples, RATE, "FLOAT")
    done = run(folder, folder / "song.wav")
    assert done.exit_code == 1
    assert "song.wav must hold audio" in done.stderr
    assert f"sample 123 of channel 1 is {np.float32(value):g}" in done.stderr
    samples[123, 1] = 0
    soundfile.write(folder / "song.wav", samples, RATE, "FLOAT")
    assert run(folder, folder / "song.wav").exit_code == 0


def write_separator_of_clicks(folder: Path) -> None:
    gains = [GAINS[name] for name in ORDER]
    write_gains(folder / "artifacts", gain_info("tiny", stems=ORDER), gains)


def test_random_weights_are_told_of(folder: Path) -> None:
    write_beat_artifact(folder / "artifacts", model="noise", trained=False)
    command = (folder / "song.wav", "-m", "noise", "--stems-from", folder / "separated")
    refused = run(folder, *command)
    assert "--allow-untrained" in str(refused.exception)
    allowed = run(folder, *command, "--allow-untrained")
    assert allowed.exit_code == 0, allowed.output
    assert "random weights" in allowed.stderr


ORDER = ("drums", "bass", "other", "vocals")


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """`one.wav`, `two.flac`, a separator and a beat model of its stems."""
    song = click_mixture(WANTED, (2.5,), ((2.5, 8.0),), DURATION_S)
    soundfile.write(tmp_path / "one.wav", song.T, RATE, "FLOAT")
    soundfile.write(tmp_path / "two.flac", 0.5 * song[:1, : 9 * RATE].T, RATE, "PCM_24")
    write_beat_artifact(tmp_path / "artifacts", FACTS)
    write_separator_of_clicks(tmp_path)
    write_gains(tmp_path / "artifacts", gain_info("two", stems=("vocals", "rest")), (1.0, 0.5))
    return tmp_path


def outputs(folder: Path, is_plotted: bool) -> list[object]:
    names = ["csv", "click", "beats", "activations", *(["plot"] if is_plotted else [])]
    return [part for name in names for part in (f"--{name}", folder / name)]


def run_remote(address: str, *arguments: object) -> Result:
    command = ["--server", address, *arguments]
    return CliRunner().invoke(app, [str(one) for one in command])


@pytest.mark.parametrize("n_songs", [1, 2])
def test_a_server_writes_the_files_of_a_local_run_and_tells_the_same(
    songs: Path, n_songs: int
) -> None:
    files = [songs / "one.wav", songs / "two.flac"][:n_songs]
    is_plotted = n_songs == 1 and find_spec("matplotlib") is not None
    for folder in ("here", "there"):
        for name in ("csv", "click", "beats", "activations", "plot"):
            (songs / folder / name).mkdir(parents=True)
    here = run(songs, *files, "--json", *outputs(songs / "here", is_plotted))
    assert here.exit_code == 0, here.output
    with running_server(library=Library(songs / "artifacts", EngineOptions("cpu", 1))) as (
        address,
        _,
    ):
        there = run_remote(address, *files, "--json", *outputs(songs / "there", is_plotted))
    assert there.exit_code == 0, there.output
    for ours, theirs in zip(here.stdout.splitlines(), there.stdout.splitlines(), strict=True):
        reports = json.loads(ours), json.loads(theirs)
        assert len(reports[0]["beats"]) > 10
        assert set(reports[0]) == set(reports[1])
        assert set(reports[0]["seconds"]) == set(reports[1]["seconds"])
        for report in reports:
            del report["seconds"], report["realtime_factor"], report["files"]
        assert reports[0] == reports[1]
        assert reports[0]["stems_from"] == "tiny.fp32"
    written = sorted(p.relative_to(songs / "here") for p in (songs / "here").rglob("*.*"))
    assert len(written) == n_songs * (5 if is_plotted else 4)
    assert written == sorted(p.relative_to(songs / "there") for p in (songs / "there").rglob("*.*"))
    for name in written:
        got, wanted = songs / "there" / name, songs / "here" / name
        assert got.read_bytes() == wanted.read_bytes(), name


def test_of_several_files_of_a_server_a_bad_one_fails_alone(songs: Path) -> None:
    bad = songs / "bad.wav"
    bad.write_text("no audio")
    with running_server(library=Library(songs / "artifacts", EngineOptions("cpu", 1))) as (
        address,
        _,
    ):
        done = run_remote(address, songs / "one.wav", bad, "--beats", songs / "out")
        assert done.exit_code == 1
        assert str(bad) in done.stdout
        assert [path.name for path in (songs / "out").iterdir()] == ["one.beats"]
        refused = run_remote(address, songs / "one.wav", "-m", "tiny")
        assert refused.exit_code == 2
        assert "tiny.fp32 gives stems and finds no beats" in refused.stderr
        refused = run_remote(address, songs / "one.wav", "--separator", "two")
        assert refused.exit_code == 2
        assert "two.fp32 gives rest, vocals" in refused.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--device", "cpu"), "--device"),
        (("--threads", "2"), "--threads"),
        (("--allow-untrained",), "--allow-untrained"),
        (("--stems-from", "stems"), "--stems-from"),
    ],
)
def test_what_a_server_has_no_use_for_is_refused(
    songs: Path, options: tuple[str, ...], says: str
) -> None:
    done = run_remote("127.0.0.1:1", songs / "one.wav", *options)
    assert isinstance(done.exception, RequestError)
    assert says in str(done.exception)


def test_the_token_of_a_file_opens_the_server(songs: Path) -> None:
    token = songs / "token"
    token.write_text("open sesame\n")
    library = Library(songs / "artifacts", EngineOptions("cpu", 1))
    with running_server(library=library, token_file=token) as (address, _):
        refused = run_remote(address, songs / "one.wav")
        assert refused.exit_code == 1
        assert "token" in refused.stderr
        assert run_remote(address, songs / "one.wav", "--token-file", token).exit_code == 0


def test_nobody_at_the_address_is_told(songs: Path) -> None:
    done = run_remote("127.0.0.1:1", songs / "one.wav")
    assert done.exit_code == 1
    assert "no stemline server answers at 127.0.0.1:1" in done.stderr


def test_a_model_of_the_other_kind_is_refused_with_the_command_to_run(songs: Path) -> None:
    done = run(songs, songs / "one.wav", "-m", "tiny")
    assert isinstance(done.exception, WrongModelError)
    assert "stemline separate -m tiny" in str(done.exception)
    command = ["separate", "--artifacts", songs / "artifacts", "-m", "clicks", songs / "one.wav"]
    refused = CliRunner().invoke(whole_app, [str(one) for one in command])
    assert isinstance(refused.exception, WrongModelError)
    assert "stemline beats -m clicks" in str(refused.exception)


def test_the_list_has_the_task_inputs_and_outputs_of_models(songs: Path) -> None:
    command = ["models", "--artifacts", str(songs / "artifacts"), "--json"]
    done = CliRunner().invoke(whole_app, command)
    assert done.exit_code == 0, done.output
    rows = {row["model"]: row for row in json.loads(done.stdout)}
    clicks, tiny = rows["clicks"], rows["tiny"]
    assert (clicks["task"], tiny["task"]) == ("beats", "separate")
    assert (clicks["outputs"], clicks["input_stems"]) == (["beats", "sections"], list(STEMS))
    assert (clicks["stems"], tiny["input_stems"]) == ([], [])
    assert tiny["outputs"] == tiny["stems"] == list(ORDER)
    assert [one["artifact"] for one in clicks["artifacts"]] == ["clicks.fp32"]
    assert rows["mini-beats"]["outputs"] == ["beats", "sections"]
    plain = CliRunner().invoke(whole_app, command[:-1]).stdout
    assert "beats, sections" in plain


def test_with_json_every_line_is_an_object_failures_too(folder: Path) -> None:
    bad = folder / "separated" / "bad.wav"
    bad.write_text("no audio")
    done = run(folder, folder / "song.wav", bad, "--stems-from", folder / "separated", "--json")
    assert done.exit_code == 1
    good, failed = (json.loads(line) for line in done.stdout.splitlines())
    assert good["bpm"] == 120 and str(bad) in failed["input"] and failed["error"]
