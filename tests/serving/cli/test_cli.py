"""The command as a user calls it, over a tiny exported network."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli_helpers import RATE, run, run_without_torch, separate
from helpers import music, snr_db

from stemline.engines import open_engine, read_artifact
from stemline.preprocessing.tags import read_tags
from stemline.serving.separator import Separator


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, music(30000).T, RATE, subtype="FLOAT")
    return path


def test_stems_are_written_as_the_python_api_gives_them(
    artifacts: Path, song: Path, tmp_path: Path
) -> None:
    done = separate(artifacts, song, "-o", tmp_path / "out", "--bits", "32")
    assert done.returncode == 0, done.stderr
    artifact = read_artifact(artifacts / "tiny.fp32")
    separator = Separator(open_engine(artifact.engine_path), artifact.info)
    mixture = soundfile.read(song, dtype="float32", always_2d=True)[0].T
    wanted = separator.separate(np.ascontiguousarray(mixture), RATE)
    separator.close()
    for stem, samples in wanted.items():
        path = tmp_path / "out" / "song" / f"{stem}.wav"
        assert str(path) in done.stdout
        got, rate = soundfile.read(path, dtype="float32")
        assert rate == RATE
        np.testing.assert_array_equal(got.T, samples)


def test_json_tells_what_was_done(artifacts: Path, song: Path, tmp_path: Path) -> None:
    done = separate(artifacts, song, "-m", "tiny", "-o", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["input"] == str(song)
    assert (report["model"], report["artifact"]) == ("tiny", "tiny.fp32")
    assert report["provider"] == "CPUExecutionProvider"
    assert report["artifact_sha256"] == read_artifact(artifacts / "tiny.fp32").sha256
    assert report["n_samples"] == 30000
    assert set(report["stems"]) == {"vocals", "instrumental"}
    assert {"input", "preprocess", "engine", "postprocess", "encode", "wall"} <= set(
        report["seconds"]
    )


@pytest.mark.parametrize(
    ("container", "bits", "subtype"),
    [("wav", 16, "PCM_16"), ("wav", 24, "PCM_24"), ("flac", 24, "PCM_24"), ("mp3", 16, None)],
)
def test_containers_and_bits(
    artifacts: Path, song: Path, tmp_path: Path, container: str, bits: int, subtype: str | None
) -> None:
    done = separate(artifacts, song, "-o", tmp_path, "--format", container, "--bits", str(bits))
    assert done.returncode == 0, done.stderr
    info = soundfile.info(tmp_path / "song" / f"vocals.{container}")
    assert (info.samplerate, info.channels) == (RATE, 2)
    if subtype is not None:
        assert (info.subtype, info.frames) == (subtype, 30000)


def test_two_stems_are_the_stem_and_the_rest(artifacts: Path, song: Path, tmp_path: Path) -> None:
    done = separate(artifacts, song, "-o", tmp_path, "--bits", "32", "--two-stems", "Vocals")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "song"
    assert sorted(path.name for path in folder.iterdir()) == ["no_vocals.wav", "vocals.wav"]
    parts = [soundfile.read(folder / name)[0] for name in ("vocals.wav", "no_vocals.wav")]
    mixture = soundfile.read(song)[0]
    assert snr_db(mixture, parts[0] + parts[1]) > 120  # a float32 difference and its sum


def test_a_lone_onnx_file_is_enough_and_needs_no_torch(
    artifacts: Path, song: Path, tmp_path: Path
) -> None:
    lone = tmp_path / "elsewhere" / "carried.onnx"
    lone.parent.mkdir()
    lone.write_bytes((artifacts / "tiny.fp32" / "1" / "model.onnx").read_bytes())
    done = run_without_torch(
        "separate", song, "-m", lone, "-o", tmp_path / "a", "--allow-untrained", "--no-tags"
    )  # tags have the name of the model
    assert done.returncode == 0, done.stderr
    again = separate(artifacts, song, "-m", "tiny", "-o", tmp_path / "b", "--no-tags")
    assert again.returncode == 0, again.stderr
    a, b = (tmp_path / x / "song" / "vocals.wav" for x in ("a", "b"))
    assert a.read_bytes() == b.read_bytes()


def test_random_weights_are_refused_unless_allowed(
    artifacts: Path, song: Path, tmp_path: Path
) -> None:
    done = run("separate", "--artifacts", artifacts, song, "-o", tmp_path / "out")
    assert done.returncode == 3
    assert "--allow-untrained" in done.stderr
    assert not (tmp_path / "out").exists()


def test_one_bad_file_among_good_ones_fails_alone(
    artifacts: Path, song: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_text("no audio at all")
    other = tmp_path / "other.wav"
    soundfile.write(other, music(5000, seed=1).T, RATE)
    done = separate(artifacts, song, bad, other, "-o", tmp_path / "out", "--jobs", "2")
    assert done.returncode == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["other", "song"]
    assert str(bad) in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_done_is_told_before_the_next_file_has_ended(
    artifacts: Path, song: Path, tmp_path: Path, jobs: int
) -> None:
    never = tmp_path / "never.wav"
    os.mkfifo(never)
    command = [
        Path(sys.executable).parent / "stemline", "separate", "--artifacts", artifacts,
        "--allow-untrained", song, never, "-o", tmp_path / "out", "--json", "--jobs", str(jobs),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            first = json.loads(process.stdout.readline())
            assert process.poll() is None
        finally:
            process.send_signal(signal.SIGINT)
            if jobs > 1:  # a thread waits for who opens the other end
                os.close(os.open(never, os.O_WRONLY))
        assert process.wait(60) != 0
    assert first["input"] == str(song)
    assert Path(first["stems"]["vocals"]).exists()


def test_of_several_jobs_all_is_told_in_the_order_given(artifacts: Path, tmp_path: Path) -> None:
    songs = [tmp_path / f"{name}.wav" for name in ("long", "short", "bad", "middle")]
    for path, n_samples in zip(songs, (60_000, 2_000, 0, 20_000), strict=True):
        soundfile.write(path, music(max(1, n_samples)).T[:n_samples], RATE)
    done = separate(artifacts, *songs, "-o", tmp_path / "out", "--json", "--jobs", "3")
    assert done.returncode == 1, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [line["input"] for line in lines] == [str(path) for path in songs]
    assert ["error" in line for line in lines] == [False, False, True, False]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--stems", "drums"], 2, "no stem 'drums'; it has vocals, instrumental"),
        (["--overlap", "1"], 2, "overlap"),
        (["--stems", "vocals", "--two-stems", "vocals"], 2, "exclude each other"),
        (["-m", "htdemocs"], 3, "no model 'htdemocs'"),
        (["--device", "cuda"], 3, "no CUDA"),
        (["--device", "gpu"], 3, "use auto, cpu, cuda"),
        (["--format", "flac", "--bits", "32"], 2, "flac"),
        (["--bits", "12"], 2, "bits"),
        (["--format", "ogg"], 2, "ogg"),
        (["--server", "127.0.0.1:1"], 2, "are the server's to choose"),
    ],
)
def test_what_is_asked_wrongly_is_one_line_and_the_right_exit_code(
    artifacts: Path, song: Path, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    done = separate(artifacts, song, "-o", tmp_path / "out", *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_server_that_is_not_there_is_named(song: Path, tmp_path: Path) -> None:
    done = run("separate", song, "-o", tmp_path / "out", "--server", "127.0.0.1:1")
    assert done.returncode == 1
    assert "no stemline server answers at 127.0.0.1:1" in done.stderr
    assert not (tmp_path / "out").exists()


def test_two_inputs_of_one_name_do_not_overwrite_each_other(
    artifacts: Path, song: Path, tmp_path: Path
) -> None:
    done = separate(artifacts, song, song.with_suffix(".flac"), "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "would both write to" in done.stderr


def test_a_stem_is_not_written_over_the_input(artifacts: Path, song: Path, tmp_path: Path) -> None:
    own = tmp_path / "out" / "vocals" / "vocals.wav"
    own.parent.mkdir(parents=True)
    own.write_bytes(song.read_bytes())
    done = separate(artifacts, own, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "would be written over the input" in done.stderr
    assert own.read_bytes() == song.read_bytes()
    assert list(own.parent.iterdir()) == [own]


def test_an_output_that_cannot_be_written_is_named(
    artifacts: Path, song: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    done = separate(artifacts, song, "-o", tmp_path / "file" / "below")
    assert done.returncode == 1
    assert "below" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_leaves_no_half_written_file(
    artifacts: Path, song: Path, tmp_path: Path
) -> None:
    # A limit on the size of a file stands for the disk: the same write fails the same way.
    command = (
        f"ulimit -f 64; exec {Path(sys.executable).parent / 'stemline'} separate "
        f"--artifacts {artifacts} --allow-untrained {song} -o {tmp_path / 'out'}"
    )
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_models_shows_what_is_exported_and_untrained(artifacts: Path) -> None:
    done = run("models", "--artifacts", artifacts)
    assert done.returncode == 0
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("tiny\t")]
    assert "fp32 (random weights)" in row
    listed = json.loads(run("models", "--artifacts", artifacts, "--json").stdout)
    of_table = [row for row in listed if not row["artifacts"]]
    assert [row["model"] for row in of_table if row["stems"]] == [
        "mini", "mdx23c", "mdx23c-drumsep", "mdx23c-drumsep5", "htdemucs", "htdemucs_ft",
        "htdemucs_6s", "hdemucs_mmi", "mdx_extra", "mdx_extra_q", "audiosep",
    ]  # fmt: skip
    found = {
        row["model"]: (row["outputs"], row["input_stems"])
        for row in of_table
        if row["task"] == "beats"
    }
    of_stems = (["beats", "sections"], ["bass", "drums", "other", "vocals"])
    assert found == {
        **dict.fromkeys(["mini-beats", "allin1", *(f"allin1-fold{i}" for i in range(8))], of_stems),
        "madmom-downbeats": (["beats"], []),
    }


def test_verify_recomputes_the_card_and_finds_damage(artifacts: Path, tmp_path: Path) -> None:
    done = run("verify", "tiny", "--artifacts", artifacts, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["ok"] is True
    assert {row["batch"] for row in report["card"]["parity"]} == {1, 3}
    copy = tmp_path / "tiny.fp32"
    subprocess.run(["cp", "-r", artifacts / "tiny.fp32", copy], check=True)
    content = bytearray((copy / "1" / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "1" / "model.onnx").write_bytes(content)
    done = run("verify", copy)
    assert done.returncode == 1
    assert "SHA-256 differs" in done.stdout


def test_a_graph_that_is_not_its_descriptions_is_refused(
    artifacts: Path, song: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "artifacts" / "tiny.fp32"
    copy.parent.mkdir()
    subprocess.run(["cp", "-r", artifacts / "tiny.fp32", copy], check=True)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["model"]["stems"] = ["drums", "bass", "other"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    done = separate(tmp_path / "artifacts", song, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "do not belong together" in done.stderr


def test_exporting_again_changes_nothing(artifacts: Path) -> None:
    manifest = (artifacts / "tiny.fp32" / "manifest.json").read_bytes()
    done = run(
        "export", "tiny", "--family", "mdx23c", "--config", artifacts.parent / "tiny.yaml",
        "--weights", "random", "--artifacts", artifacts, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["artifacts"][0]["status"] == "unchanged"
    assert (artifacts / "tiny.fp32" / "manifest.json").read_bytes() == manifest


def test_a_checkpoint_that_does_not_fit_is_one_line(artifacts: Path, tmp_path: Path) -> None:
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    done = run(
        "export", "mine", "--family", "mdx23c", "--config", artifacts.parent / "tiny.yaml",
        "--weights", tmp_path / "text.ckpt", "--artifacts", tmp_path / "artifacts",
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert "no checkpoint torch can read" in done.stderr.splitlines()[-1]
    assert not list((tmp_path / "artifacts").glob("*"))


def test_the_server_gives_the_files_the_local_command_gives(
    artifacts: Path, song: Path, tmp_path: Path
) -> None:
    command = [
        Path(sys.executable).parent / "stemline", "serve", "--port", "0", "--artifacts", artifacts,
        "--allow-untrained",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            address = next(
                line.split()[-1] for line in server.stderr if line.startswith("serving on ")
            )
            remote = run("separate", song, "-o", tmp_path / "remote", "--server", address)
            assert remote.returncode == 0, remote.stderr
        finally:
            server.terminate()
            server.stderr.read()
        assert server.wait(30) == 0
    local = separate(artifacts, song, "-o", tmp_path / "local")
    assert local.returncode == 0, local.stderr
    for stem in ("vocals", "instrumental"):
        a, b = (tmp_path / x / "song" / f"{stem}.wav" for x in ("remote", "local"))
        assert a.read_bytes() == b.read_bytes()
        assert read_tags(a).tags.fields == {
            "title": (f"song ({stem})",),
            "stemline_model": ("tiny",),
        }
