"""`stemline demo` from end to end, and that what it says is true."""

import json
import logging
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import soundfile
from check_demo import disagreements, f_measure, si_sdr_db
from cli_helpers import run

from stemline.band import STEMS, compose, excerpt, perform
from stemline.evaluation import beat_scores
from stemline.evaluation.held_out import held_out
from stemline.evaluation.si_sdr import is_silent
from stemline.evaluation.si_sdr import si_sdr_db as ours
from stemline.export import verify
from stemline.serving.cli.demo import DEMO_SEED, analyze, demo
from stemline.serving.cli.demo_report import print_demo, stem_scores, stemline_command
from stemline.serving.client.client import StemlineClient
from stemline.training.mini.songs import FIRST_SEED as FIRST_TRAINING_SEED

COMMAND = Path(sys.executable).parent / "stemline"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `demo` and `artifacts`, of a six-second song. Not to be changed."""
    root = tmp_path_factory.mktemp("made")
    (root / "token").write_text("secret")
    with pytest.MonkeyPatch.context() as patch:
        # Minutes of songs for the cards are no better a test of the demo than these.
        patch.setattr(verify, "CARD_SONGS", held_out(1, 1.5))
        patch.setattr(verify, "CARD_BEAT_SONGS", held_out(1, 6.0))
        patch.setattr(logging.root, "handlers", [])
        patch.setattr(logging.root, "level", logging.WARNING)
        # The demo's server is not the one that the user has configured.
        patch.setenv("STEMLINE_TOKEN_FILE", str(root / "token"))
        demo(out=root / "demo", duration_s=6, artifacts=root / "artifacts")
    return root


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "demo", tmp_path / "demo"))


def report_of(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def test_every_figure_is_what_an_independent_program_finds(made: Path) -> None:
    assert disagreements(made / "demo") == []
    report = report_of(made / "demo")
    for model in (report["model"], report["beats_model"]):
        assert model["export"] == "exported" and model["parity_db"] >= model["budget_db"]
    assert [row["stem"] for row in report["stems"]] == list(STEMS)
    log = (made / "demo" / "server.log").read_text()
    assert "mini.fp32 and beats of mini-beats.fp32, 6.0 s of audio in" in log
    height, width = matplotlib.image.imread(made / "demo" / "stems.png").shape[:2]
    assert width == 1200 and height > 5 * 150  # five rows


def test_song_and_beats_are_the_bands(made: Path) -> None:
    report = report_of(made / "demo")
    said = report["song"]
    assert said["held_out"] is True and DEMO_SEED > FIRST_TRAINING_SEED + 1_000_000
    song = perform(excerpt(compose(said["seed"]), said["start_s"], 6))
    got, rate = soundfile.read(made / "demo" / "mixture.wav", dtype="float32")
    assert rate == 44100
    np.testing.assert_array_equal(got.T, song.mixture)
    lines = (made / "demo/truth/song.beats").read_text().splitlines()
    assert lines == [f"{beat.time_s:.6f}\t{beat.position}" for beat in song.truth.beats]
    true = [(one["start"], one["end"], one["label"]) for one in report["beats"]["true_segments"]]
    assert true == [(one.start_s, one.end_s, one.label) for one in song.truth.sections]
    assert report["beats"]["true_bpm"] == song.truth.tempo_bpm


def test_the_demo_song_has_every_stem() -> None:
    score = compose(DEMO_SEED)
    song = perform(excerpt(score, score.duration_s / 2 - 15, 30))
    assert not [stem for stem in STEMS if is_silent(song.stems[stem])]


def test_beats_are_those_of_the_command(made: Path, tmp_path: Path) -> None:
    out, song = tmp_path / "song.beats", made / "demo/mixture.wav"
    done = run("beats", song, "--artifacts", made / "artifacts", "--beats", out, "--json")
    assert done.returncode == 0, done.stderr
    assert out.read_text() == (made / "demo/song.beats").read_text()
    said, report = json.loads(done.stdout), report_of(made / "demo")["beats"]
    assert (said["bpm"], said["segments"]) == (report["bpm"], report["segments"])
    assert report["n_beats"] > 6


def test_a_second_demo_keeps_the_artifacts_and_says_the_same_on_both_outputs(
    made: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(made, tmp_path / "made"))
    arguments = ["--artifacts", root / "artifacts", "--duration-s", "2", "--json"]
    done = run("demo", "-o", root / "demo", *arguments)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said.pop("out") == str(root / "demo")
    assert said == report_of(root / "demo")
    assert (said["model"]["export"], said["beats_model"]["export"]) == ("unchanged",) * 2
    assert disagreements(root / "demo") == []


def test_what_is_printed_is_what_the_report_has_and_what_comes_next_works(
    made: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # no virtual environment is activated
    report = report_of(made / "demo")
    artifacts = Path(shutil.copytree(made / "artifacts", tmp_path / "its artifacts"))
    print_demo(report, made / "demo", artifacts)
    said = capsys.readouterr()
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in said.out.splitlines()}
    vocals, beats, latency = report["stems"][3], report["beats"], report["latency"]
    assert f"vocals\t{vocals['mixture_si_sdr_db']:.2f} dB\t{vocals['si_sdr_db']:.2f} dB" in said.out
    assert rows["real-time factor"][0] == f"{report['grpc']['realtime_factor']:.2f}×"
    assert rows["PyTorch"][0] == f"{latency['torch_ms']:.1f} ms"
    assert rows["ONNX Runtime"][0] == f"{latency['onnx_ms']:.1f} ms"
    assert rows["picture"] == [str(made / "demo" / "stems.png")]
    assert rows["tempo"][:2] == [f"{beats['bpm']} bpm", f"{beats['true_bpm']:.4g} bpm"]
    for what in ("beat", "downbeat"):
        figures = [str(beats[f"n_{what}s"]), str(beats[f"n_true_{what}s"])]
        assert rows[f"{what}s"] == [*figures, f"{beats['scores'][what]:.3f}, within 70 ms"]
    first, true = beats["segments"][0], beats["true_segments"][0]
    line = f"0.00 to {first['end']:.2f} s {first['label']}"
    assert rows[line] == [f"0.00 to {true['end']:.2f} s {true['label']}"]
    assert "training never heard it" in said.err
    assert f"export htdemucs --artifacts '{artifacts}', then -m htdemucs" in said.err
    song = shlex.quote(str(made / "demo/truth/bass.wav"))
    for words, option, out in (("of your own: ", "-o", "out"), ("its beats: ", "--beats", "b")):
        (line,) = (line for line in said.err.splitlines() if words in line)
        command = line.partition(words)[2].replace("song.wav", song)
        command += f" {option} {shlex.quote(str(tmp_path / out))}"
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/bass/vocals.wav").is_file() and (tmp_path / "b").is_file()


def test_official_models_are_named_only_where_there_is_none(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("mini", "mdx23c"):
        shutil.copytree(made / "artifacts/mini.fp32", tmp_path / f"{name}.fp32")
    path = tmp_path / "mdx23c.fp32/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["model"]["model"] = "mdx23c"
    path.write_text(json.dumps(manifest))
    print_demo(report_of(made / "demo"), made / "demo", tmp_path)
    said = capsys.readouterr().err
    assert "separate a song of your own with mdx23c: " in said
    assert "official models" not in said


def test_the_command_shown_is_the_one_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "my clone" / "stemline"
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", str(COMMAND.parent))  # another stemline's
    assert stemline_command() == f"{shlex.quote(sys.executable)} -m stemline"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert stemline_command() == f"'{script}'"
    monkeypatch.setenv("PATH", str(script.parent))
    assert stemline_command() == "stemline"


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


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("torch", "export"),
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_ends_and_leaves_no_report(
    made: Path, tmp_path: Path, number: signal.Signals
) -> None:
    command = [COMMAND, "demo", "-o", tmp_path / "demo", "--artifacts", made / "artifacts"]
    restored = [signal.SIGINT, signal.default_int_handler]  # a shell's background job ignores it
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(*restored)
    ) as process:
        assert process.stderr is not None
        assert any("separating over gRPC" in line for line in process.stderr)
        process.send_signal(number)
        said = process.stderr.read()
    assert process.returncode != 0
    assert "Traceback" not in said
    assert not (tmp_path / "demo" / "report.json").exists()


def test_a_signal_does_not_strike_inside_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = threading.Event()

    def call(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)
        undisturbed.set()

    monkeypatch.setattr(StemlineClient, "analyze", call)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            analyze([], "127.0.0.1:1", "mini", "mini-beats")
    finally:
        signal.signal(signal.SIGINT, before)
    assert undisturbed.wait(10)


# The independent check, which must be able to find a lie.


def test_its_formulas_are_those_of_the_figures() -> None:
    random = np.random.default_rng(0)
    reference, noise = random.standard_normal((2, 50_000))
    estimate = 0.3 * reference + 0.1 * noise
    assert si_sdr_db(estimate, reference) == pytest.approx(ours(estimate, reference), abs=1e-9)
    assert si_sdr_db(-0.3 * reference, reference) == pytest.approx(100)
    assert si_sdr_db(np.zeros(50_000), reference) == pytest.approx(-100)
    for _ in range(50):
        true, found = (np.sort(random.uniform(0, 5, random.integers(1, 40))) for _ in range(2))
        wanted = beat_scores.f_measure(true, found, 0.07)
        assert f_measure(true.tolist(), found.tolist(), 0.07) == pytest.approx(wanted, abs=1e-12)


def sounds(folder: Path, kind: str) -> dict[str, Any]:
    files = {stem: soundfile.read(folder / kind / f"{stem}.wav", dtype="float32") for stem in STEMS}
    return {stem: samples.T for stem, (samples, _) in files.items()}


def write(path: Path, samples: Any) -> None:
    soundfile.write(path, samples.T, 44100, subtype="FLOAT")


def rescored(folder: Path, changed: dict[str, Any] | None = None) -> dict[str, Any]:
    """The report with the figures of the stems that are in the folder now, some of them changed."""
    report = report_of(folder)
    mixture = soundfile.read(folder / "mixture.wav", dtype="float32")[0].T
    song: Any = SimpleNamespace(mixture=mixture, stems=sounds(folder, "truth"))
    report["stems"] = stem_scores(sounds(folder, "separated"), song)
    report["stems"][0] |= changed or {}
    gains = [row["improvement_db"] for row in report["stems"] if row["improvement_db"] is not None]
    report["mean_improvement_db"] = sum(gains) / len(gains) if gains else None
    (folder / "report.json").write_text(json.dumps(report))
    return report


def test_a_stem_that_came_out_empty_counts_as_the_failure_it_is(copy: Path) -> None:
    write(copy / "separated/drums.wav", np.zeros_like(sounds(copy, "separated")["drums"]))
    # The report of before is found untrue, and so is one that leaves the stem out.
    (line,) = (line for line in disagreements(copy) if line.startswith("drums, separated"))
    assert line.endswith("the files -100.0")
    before_db = report_of(copy)["mean_improvement_db"]
    report = rescored(copy)
    drums = report["stems"][0]
    assert drums["si_sdr_db"] == -100
    assert drums["improvement_db"] == pytest.approx(-100 - drums["mixture_si_sdr_db"])
    assert report["mean_improvement_db"] < before_db - 10
    assert disagreements(copy) == []
    rescored(copy, {"si_sdr_db": None, "improvement_db": None})
    assert [line.partition(":")[0] for line in disagreements(copy)] == [
        "drums, separated",
        "drums, improvement",
        "mean improvement",
    ]


def test_a_stem_that_rests_or_sounds_alone_has_no_figures(copy: Path) -> None:
    for stem, samples in sounds(copy, "truth").items():
        write(copy / f"truth/{stem}.wav", np.zeros_like(samples))
    shutil.copy(copy / "mixture.wav", copy / "truth/bass.wav")
    report = rescored(copy)
    assert {value for row in report["stems"] for value in row.values()} == {*STEMS, None}
    assert report["mean_improvement_db"] is None
    assert disagreements(copy) == []


def test_it_finds_figures_that_are_not_those_of_the_files(copy: Path) -> None:
    report = report_of(copy)
    beats = report["beats"]
    report["stems"][1]["si_sdr_db"] += 0.02
    report["mean_improvement_db"] += 0.02
    report["grpc"]["realtime_factor"] *= 1.0001
    report["latency"]["ratio"] *= 1.0001
    beats["bpm"] += 1
    beats["n_downbeats"] += 1
    beats["scores"]["downbeat"] -= 0.001
    beats["scores"]["label"] += 0.001
    beats["true_segments"][0]["end"] += 0.5
    (copy / "report.json").write_text(json.dumps(report))
    assert [line.partition(":")[0] for line in disagreements(copy)] == [
        "bass, separated",
        "mean improvement",
        "number of downbeats",
        "downbeats",
        "tempo",
        "the true sections do not fill the song",
        "labels",
        "real-time factor",
        "speed-up over PyTorch",
    ]


def test_it_finds_files_that_are_not_those_of_the_figures(copy: Path) -> None:
    path = copy / "song.beats"
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    for late_s, words in ((0.005, "more than beats"), (0.08, "no click on a beat")):
        path.write_text("".join(f"{float(at) + late_s:.3f}\t{place}\n" for at, place in lines))
        assert words in " ".join(disagreements(copy))
    assert "beats: the report" in " ".join(disagreements(copy))
    shutil.copy(copy / "separated/bass.wav", copy / "separated/drums.wav")
    shutil.copy(copy / "truth/vocals.wav", copy / "truth/other.wav")
    found = " ".join(disagreements(copy))
    assert "drums, separated" in found and "add up to something" in found


def test_the_check_as_a_command(copy: Path) -> None:
    script = Path(__file__).parents[2] / "check_demo.py"
    command = [sys.executable, script, copy]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    (copy / "stems.png").write_bytes(b"no picture")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "picture is no PNG\n")
