"""`stemline demo` from end to end, and that what it says is true."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import psutil
import pytest
import soundfile
from check_demo import disagreements, si_sdr_db
from check_demo_beats import f_measure, greatest_matching
from cli_helpers import run, run_without_torch

from stemline.band import STEMS, compose, excerpt, perform
from stemline.errors import RemoteError
from stemline.evaluation import beat_scores
from stemline.evaluation.held_out import held_out
from stemline.evaluation.si_sdr import is_silent
from stemline.evaluation.si_sdr import si_sdr_db as ours
from stemline.export import verify
from stemline.serving.cli.demo import DEMO_SEED, _mean, _scores, demo
from stemline.serving.cli.demo_call import analyze
from stemline.serving.cli.demo_report import print_demo, stemline_command
from stemline.serving.cli.server_process import running_server
from stemline.serving.client.client import StemlineClient
from stemline.training.mini.songs import FIRST_SEED as FIRST_TRAINING_SEED

COMMAND = Path(sys.executable).parent / "stemline"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `demo` and `artifacts`, of a six-second song. Not to be changed."""
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        # Minutes of songs for the cards are no better a test of the demo than these.
        patch.setattr(verify, "CARD_SONGS", held_out(1, 1.5))
        patch.setattr(verify, "CARD_BEAT_SONGS", held_out(1, 6.0))
        demo(out=root / "demo", duration_s=6, artifacts=root / "artifacts")
    return root


def report_of(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def test_every_figure_is_what_an_independent_program_finds(made: Path) -> None:
    assert disagreements(made / "demo") == []


def test_the_server_has_separated_the_song_and_has_ended(made: Path) -> None:
    report = report_of(made / "demo")
    assert report["model"]["export"] == "exported"
    assert report["model"]["parity_db"] >= report["model"]["budget_db"]
    assert [row["stem"] for row in report["stems"]] == list(STEMS)
    assert report["beats_model"]["export"] == "exported"
    log = (made / "demo" / "server.log").read_text()
    assert "mini.fp32 and beats of mini-beats.fp32, 6.0 s of audio in" in log
    assert "draining: 0 calls are under way" in log
    assert servers_over(made / "artifacts") == []


def test_the_song_is_the_bands(made: Path) -> None:
    report = report_of(made / "demo")["song"]
    assert report["held_out"] is True
    score = compose(report["seed"])
    song = perform(excerpt(score, report["start_s"], 6))
    got, rate = soundfile.read(made / "demo" / "mixture.wav", dtype="float32")
    assert rate == 44100
    np.testing.assert_array_equal(got.T, song.mixture)


def test_its_beats_are_the_bands(made: Path) -> None:
    report = report_of(made / "demo")
    song = report["song"]
    truth = excerpt(compose(song["seed"]), song["start_s"], 6).truth
    lines = (made / "demo/truth/song.beats").read_text().splitlines()
    assert lines == [f"{beat.time_s:.6f}\t{beat.position}" for beat in truth.beats]
    assert [
        (one["start"], one["end"], one["label"]) for one in report["beats"]["true_segments"]
    ] == [(one.start_s, one.end_s, one.label) for one in truth.sections]
    assert report["beats"]["true_bpm"] == truth.tempo_bpm


def test_beats_are_those_of_the_command(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "song.beats"
    done = run(
        "beats", made / "demo/mixture.wav", "--artifacts", made / "artifacts", "--beats", out,
        "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert out.read_text() == (made / "demo/song.beats").read_text()
    said, report = json.loads(done.stdout), report_of(made / "demo")["beats"]
    assert (said["bpm"], said["segments"]) == (report["bpm"], report["segments"])
    assert report["n_beats"] > 6


def test_the_picture_can_be_read_at_its_width(made: Path) -> None:
    height, width = matplotlib.image.imread(made / "demo" / "stems.png").shape[:2]
    assert width == 1200
    assert height > 5 * 150  # five rows


def test_the_demo_song_has_every_stem_and_no_training_song() -> None:
    score = compose(DEMO_SEED)
    song = perform(excerpt(score, score.duration_s / 2 - 15, 30))
    assert not [stem for stem in STEMS if is_silent(song.stems[stem])]
    assert DEMO_SEED > FIRST_TRAINING_SEED + 1_000_000


def test_a_second_demo_keeps_the_artifact_and_tells_the_same_on_both_outputs(
    made: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(made, tmp_path / "made"))
    arguments = ["--artifacts", root / "artifacts", "--duration-s", "2"]
    done = run("demo", "-o", root / "demo", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said.pop("out") == str(root / "demo")
    assert said == report_of(root / "demo")
    assert (said["model"]["export"], said["beats_model"]["export"]) == ("unchanged",) * 2
    assert disagreements(root / "demo") == []


def test_what_is_printed_is_what_the_report_has(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = report_of(made / "demo")
    print_demo(report, made / "demo", made / "artifacts")
    said = capsys.readouterr()
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in said.out.splitlines()}
    vocals = report["stems"][3]
    assert rows["vocals"] != []
    assert f"vocals\t{vocals['mixture_si_sdr_db']:.2f} dB\t{vocals['si_sdr_db']:.2f} dB" in said.out
    assert rows["real-time factor"][0] == f"{report['grpc']['realtime_factor']:.2f}×"
    assert rows["PyTorch"][0] == f"{report['latency']['torch_ms']:.1f} ms"
    assert rows["ONNX Runtime"][0] == f"{report['latency']['onnx_ms']:.1f} ms"
    assert rows["picture"] == [str(made / "demo" / "stems.png")]
    beats = report["beats"]
    assert rows["tempo"][:2] == [f"{beats['bpm']} bpm", f"{beats['true_bpm']:.4g} bpm"]
    for what in ("beat", "downbeat"):
        figures = [str(beats[f"n_{what}s"]), str(beats[f"n_true_{what}s"])]
        figures.append(f"{beats['scores'][what]:.3f}, within 70 ms")
        assert rows[f"{what}s"] == figures
    first, true = beats["segments"][0], beats["true_segments"][0]
    line = f"0.00 to {first['end']:.2f} s {first['label']}"
    assert rows[line] == [f"0.00 to {true['end']:.2f} s {true['label']}"]
    assert "training never heard it" in said.err
    where = f"--artifacts {made / 'artifacts'}"
    assert f"stemline separate song.wav {where}" in said.err
    assert f"stemline beats song.wav {where}" in said.err
    assert f"stemline export htdemucs {where}, then -m htdemucs" in said.err


def test_what_is_told_to_do_next_is_a_command_that_works(
    made: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # no virtual environment is activated
    artifacts = Path(shutil.copytree(made / "artifacts", tmp_path / "its artifacts"))
    print_demo(report_of(made / "demo"), made / "demo", artifacts)
    said = capsys.readouterr().err
    song, out, beats = (
        shlex.quote(str(path))
        for path in (made / "demo/truth/bass.wav", tmp_path / "out", tmp_path / "bass.beats")
    )
    for told, options in (("song of your own: ", f"-o {out}"), ("its beats: ", f"--beats {beats}")):
        (line,) = (line for line in said.splitlines() if told in line)
        command = f"{line.partition(told)[2].replace('song.wav', song)} {options}"
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/bass/vocals.wav").is_file()
    assert (tmp_path / "bass.beats").is_file()


def test_the_command_told_is_the_one_of_this_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my clone" / ".venv" / "bin"
    folder.mkdir(parents=True)
    script = folder / "stemline"
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", str(COMMAND.parent))  # another stemline's
    assert stemline_command() == f"'{folder / 'python'}' -m stemline.serving.cli"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert stemline_command() == f"'{script}'"
    monkeypatch.chdir(tmp_path / "my clone")
    assert stemline_command() == ".venv/bin/stemline"
    monkeypatch.setenv("PATH", str(folder))
    assert stemline_command() == "stemline"


def test_of_official_models_is_told_only_where_there_is_none(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made / "artifacts/mini.fp32", tmp_path / "mini.fp32")
    shutil.copytree(made / "artifacts/mini.fp32", tmp_path / "mdx23c.fp32")
    path = tmp_path / "mdx23c.fp32/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["model"]["model"] = "mdx23c"
    path.write_text(json.dumps(manifest))
    print_demo(report_of(made / "demo"), made / "demo", tmp_path)
    said = capsys.readouterr().err
    assert "separate a song of your own with mdx23c: " in said
    assert "official models" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--duration-s", "0.5"], "1 to 60 seconds"),
        (["--duration-s", "61"], "1 to 60 seconds"),
        (["--duration-s", "nan"], "1 to 60 seconds"),
        (["--seed", "-1"], "seed"),
    ],
)
def test_what_is_asked_wrongly_is_said(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = run("demo", "-o", tmp_path / "demo", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert not (tmp_path / "demo").exists()


def test_with_torch_absent_it_says_what_to_install(tmp_path: Path) -> None:
    done = run_without_torch("demo", "-o", tmp_path / "demo")
    assert done.returncode == 3
    assert "pip install 'stemline[export]'" in done.stderr
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("matplotlib.figure", "bench"),
        ("psutil", "bench"),
        ("onnxruntime", "cpu"),
        ("onnxscript", "export"),
        ("grpc_health.v1", "serve"),
    ],
)
def test_with_an_extra_absent_it_says_what_to_install(
    tmp_path: Path, module: str, extra: str
) -> None:
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        f"sys.argv = ['stemline', 'demo', '-o', {str(tmp_path / 'demo')!r}]\n"
        "from stemline.serving.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert f"pip install 'stemline[{extra}]'" in done.stderr
    assert not (tmp_path / "demo").exists()


# The server's process.


def servers_over(artifacts: Path) -> list[int]:
    """Processes that serve a folder."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        command = process.info["cmdline"] or []
        if "serve" in command and str(artifacts) in command:
            found.append(process.info["pid"])
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_told_to_end_takes_its_server_along(
    made: Path, tmp_path: Path, number: signal.Signals
) -> None:
    artifacts = Path(shutil.copytree(made / "artifacts", tmp_path / "artifacts"))
    command = [COMMAND, "demo", "-o", tmp_path / "demo", "--artifacts", artifacts]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_interrupts
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "separating over gRPC" in line:
                break
        assert len(servers_over(artifacts)) == 1
        process.send_signal(number)
        said = process.stderr.read()
    assert process.returncode != 0
    assert servers_over(artifacts) == []
    assert "Traceback" not in said
    assert not (tmp_path / "demo" / "report.json").exists()


def test_a_signal_does_not_strike_inside_a_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = threading.Event()

    def call(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)
        undisturbed.set()

    monkeypatch.setattr("stemline.serving.cli.demo_call.separate_file", call)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            analyze(tmp_path / "song.wav", tmp_path, "127.0.0.1:1", "mini", "mini-beats")
    finally:
        signal.signal(signal.SIGINT, before)
    assert undisturbed.wait(10)


SERVE_AND_WAIT = """
import sys, time
from pathlib import Path
from stemline.serving.cli.server_process import running_server
with running_server(Path(sys.argv[1]), "mini", Path(sys.argv[2])) as address:
    print(address, flush=True)
    time.sleep(600)
"""


def test_a_server_does_not_outlive_a_parent_that_is_killed(made: Path, tmp_path: Path) -> None:
    artifacts = Path(shutil.copytree(made / "artifacts", tmp_path / "artifacts"))
    log = tmp_path / "log"
    command = [sys.executable, "-c", SERVE_AND_WAIT, artifacts, log]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline()
        assert len(servers_over(artifacts)) == 1, address
        process.kill()
    until = time.monotonic() + 60
    while servers_over(artifacts) and time.monotonic() < until:
        time.sleep(0.05)
    assert servers_over(artifacts) == []
    assert "draining" in log.read_text()


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), OSError("no process")])
def test_a_server_that_is_never_started_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: BaseException
) -> None:
    def popen(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(subprocess, "Popen", popen)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(type(raised)), running_server(tmp_path, "mini", tmp_path / "log"):
        pytest.fail("it started")
    assert signal.getsignal(signal.SIGTERM) is before


def _hear_interrupts() -> None:
    """A shell's job in the background, as this may be, has been told not to."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_server_is_not_configured_by_the_users_environment(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    monkeypatch.setenv("STEMLINE_TOKEN_FILE", str(token))
    before = signal.getsignal(signal.SIGTERM)
    log = tmp_path / "log"
    with (
        running_server(made / "artifacts", "mini", log) as address,
        StemlineClient(address) as client,
    ):
        assert {model.name for model in client.list_models()} == {"mini", "mini-beats"}
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        pytest.raises(RemoteError, match=r"did not start \(exit status 3\).*nothing is exported"),
        running_server(tmp_path / "none", "mini", log),
    ):
        pytest.fail("it started")


def test_a_server_that_dies_is_not_taken_for_one_that_ended_well(
    made: Path, tmp_path: Path
) -> None:
    artifacts = Path(shutil.copytree(made / "artifacts", tmp_path / "artifacts"))
    with (
        pytest.raises(RemoteError, match="ended with exit status -9"),
        running_server(artifacts, "mini", tmp_path / "log"),
    ):
        (pid,) = servers_over(artifacts)
        os.kill(pid, signal.SIGKILL)
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)


# The independent check, which must be able to find a lie.


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "demo", tmp_path / "demo"))


def test_its_formula_is_si_sdr() -> None:
    random = np.random.default_rng(0)
    reference, noise = random.standard_normal((2, 50_000))
    estimate = 0.3 * reference + 0.1 * noise
    assert si_sdr_db(estimate, reference) == pytest.approx(ours(estimate, reference), abs=1e-9)


def test_its_formula_has_no_figure_for_a_signal_and_itself() -> None:
    signal_ = np.random.default_rng(0).standard_normal(50_000)
    assert si_sdr_db(signal_, signal_) is None
    assert si_sdr_db(-0.3 * signal_, signal_) is None
    assert si_sdr_db(np.zeros(50_000), signal_) == -np.inf


def test_a_stem_that_came_out_empty_counts_as_the_failure_it_is(copy: Path) -> None:
    path = copy / "separated/drums.wav"
    samples, rate = soundfile.read(path, dtype="float32")
    soundfile.write(path, np.zeros_like(samples), rate, subtype="FLOAT")
    # The report of before is found untrue, and so is one that leaves the stem out.
    (line,) = (line for line in disagreements(copy) if line.startswith("drums, separated"))
    assert line.endswith("the files -100.0 dB")
    report = report_of(copy)
    before_db = report["mean_improvement_db"]
    _write_scores(copy, report, _scores(copy, STEMS))
    drums = report["stems"][0]
    assert drums["si_sdr_db"] == -100
    assert drums["improvement_db"] == pytest.approx(-100 - drums["mixture_si_sdr_db"])
    assert report["mean_improvement_db"] < before_db - 10
    assert disagreements(copy) == []
    left_out = {**drums, "si_sdr_db": None, "improvement_db": None}
    _write_scores(copy, report, [left_out, *report["stems"][1:]])
    assert [line.partition(":")[0] for line in disagreements(copy)] == [
        "drums, separated",
        "drums, improvement",
        "mean improvement",
    ]


def test_a_stem_that_rests_or_sounds_alone_has_no_figures(copy: Path) -> None:
    for stem in STEMS:
        path = copy / f"truth/{stem}.wav"
        samples, rate = soundfile.read(copy / "mixture.wav", dtype="float32")
        given = samples if stem == "bass" else np.zeros_like(samples)
        soundfile.write(path, given, rate, subtype="FLOAT")
    report = report_of(copy)
    _write_scores(copy, report, _scores(copy, STEMS))
    assert {value for row in report["stems"] for value in row.values()} == {*STEMS, None}
    assert report["mean_improvement_db"] is None
    assert disagreements(copy) == []


def _write_scores(folder: Path, report: dict[str, Any], scores: list[dict[str, Any]]) -> None:
    """A report with other figures of its stems, and the mean that follows."""
    report["stems"] = scores
    report["mean_improvement_db"] = _mean([score["improvement_db"] for score in scores])
    (folder / "report.json").write_text(json.dumps(report))


def test_it_finds_figures_that_are_not_those_of_the_files(copy: Path) -> None:
    report = report_of(copy)
    report["stems"][1]["si_sdr_db"] += 0.02
    report["mean_improvement_db"] += 0.02
    report["grpc"]["realtime_factor"] *= 2
    (copy / "report.json").write_text(json.dumps(report))
    found = disagreements(copy)
    assert [line.partition(":")[0] for line in found] == [
        "bass, separated",
        "mean improvement",
        "the real-time factor is not the audio's length over the time it took",
    ]


@pytest.mark.parametrize(
    ("late_s", "words"), [(0.08, "beats: the report"), (0.08, "no click on"), (0.005, "is no beat")]
)
def test_it_finds_beats_that_are_elsewhere(copy: Path, late_s: float, words: str) -> None:
    path = copy / "song.beats"
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    path.write_text("".join(f"{float(at) + late_s:.3f}\t{place}\n" for at, place in lines))
    assert words in " ".join(disagreements(copy))


def test_it_finds_figures_of_beats_that_are_not_those_of_the_files(copy: Path) -> None:
    report = report_of(copy)
    beats = report["beats"]
    beats["bpm"] += 1
    beats["n_downbeats"] += 1
    beats["scores"]["downbeat"] -= 0.001
    beats["scores"]["label"] += 0.001
    beats["true_segments"][0]["end"] += 0.5
    (copy / "report.json").write_text(json.dumps(report))
    assert [line.partition(":")[0] for line in disagreements(copy)][:5] == [
        "number of downbeats",
        "downbeats",
        "tempo",
        "the true sections do not fill the song",
        "labels",
    ]


def test_it_finds_clicks_where_there_is_no_beat(copy: Path) -> None:
    path = copy / "clicks.wav"
    samples, rate = soundfile.read(path, dtype="float32")
    before = (copy / "song.beats").read_text().splitlines()
    samples[: rate // 2] = samples[rate // 2 : rate]
    soundfile.write(path, samples, rate)
    assert before
    assert "is no beat" in " ".join(disagreements(copy))


def test_its_matching_is_the_greatest() -> None:
    # In one pass from the left, 0 would take what 1 alone can have.
    assert greatest_matching([[0, 1], [0], [2], [2]]) == 3
    random = np.random.default_rng(0)
    for _ in range(50):
        true, found = (np.sort(random.uniform(0, 5, random.integers(1, 40))) for _ in range(2))
        wanted = beat_scores.f_measure(true, found, 0.07)
        assert f_measure(true.tolist(), found.tolist(), 0.07) == pytest.approx(wanted, abs=1e-12)


def test_it_finds_files_that_are_not_those_of_the_figures(copy: Path) -> None:
    shutil.copy(copy / "separated/bass.wav", copy / "separated/drums.wav")
    shutil.copy(copy / "truth/vocals.wav", copy / "truth/other.wav")
    found = " ".join(disagreements(copy))
    assert "drums, separated" in found
    assert "add up to something" in found


def test_the_check_as_a_command(copy: Path) -> None:
    script = Path(__file__).parents[2] / "check_demo.py"
    command = [sys.executable, script, copy]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    (copy / "stems.png").write_bytes(b"no picture")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "the picture is no PNG\n")
