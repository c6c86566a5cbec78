import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_helpers import run

from stemline.engines import open_engine, read_artifact
from stemline.evaluation.held_out import held_out
from stemline.evaluation.quality import measure_quality
from stemline.export.download import cache_path
from stemline.export.models import MODELS
from stemline.serving.cli.models import models
from stemline.serving.cli.verify import verify


@pytest.fixture
def root(artifacts: Path, tmp_path: Path) -> Path:
    """A copy of `artifacts` that may be changed."""
    return Path(shutil.copytree(artifacts, tmp_path / "artifacts"))


def made_from(root: Path, sha256: str) -> None:
    """Have the manifest of `tiny` say that it was made from this checkpoint."""
    path = root / "tiny.fp32/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["weights"]["sha256"] = sha256
    path.write_text(json.dumps(manifest))


def test_weights_of_another_artifact_are_one_clear_line(artifacts: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.ckpt"
    wrong.write_bytes(b"wrong")
    done = run("verify", "tiny", "--weights", wrong, "--artifacts", artifacts)
    assert done.returncode == 3
    assert "wrong.ckpt is not the checkpoint that tiny.fp32 was made from" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_damaged_checkpoint_fails_the_artifact(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "damaged.ckpt"
    damaged.write_bytes(b"damaged")
    made_from(root, hashlib.sha256(b"damaged").hexdigest())
    with pytest.raises(typer.Exit) as caught:
        verify(["tiny"], weights=damaged, artifacts=root)
    assert caught.value.exit_code == 1
    assert "damaged.ckpt is refused" in capsys.readouterr().out


def test_a_cached_file_that_is_not_the_published_one_fails_the_artifact(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("STEMLINE_CACHE", str(tmp_path / "cache"))
    spec = replace(MODELS["mdx23c"], name="tiny", sha256="0" * 64)
    monkeypatch.setitem(MODELS, "tiny", spec)
    cache_path(spec).parent.mkdir(parents=True)
    cache_path(spec).write_bytes(b"other")
    made_from(root, "0" * 64)
    with pytest.raises(typer.Exit) as caught:
        verify(["tiny"], artifacts=root)
    assert caught.value.exit_code == 1
    assert "has SHA-256" in capsys.readouterr().out


def test_one_that_fails_does_not_keep_the_others_from_being_verified(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "locked.fp32").mkdir()
    (root / "locked.fp32/manifest.json").mkdir()  # a file that cannot be read
    with pytest.raises(typer.Exit) as caught:
        verify(["none", str(root / "locked.fp32"), "tiny"], artifacts=root, as_json=True)
    assert caught.value.exit_code == 1
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(report["artifact"], report["ok"]) for report in reports] == [
        ("none", False),
        ("locked.fp32", False),
        ("tiny.fp32", True),
    ]
    assert "no model 'none'" in reports[0]["error"]


_NO_EXPORT_PACKAGES = """
import sys
for name in ("torch", "onnx", "yaml", "pooch"): sys.modules[name] = None
from stemline.serving.cli.app import main
main()
"""


def without_export_packages(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _NO_EXPORT_PACKAGES, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_without_torch_the_golden_values_are_taken(artifacts: Path) -> None:
    done = without_export_packages("verify", "tiny", "--artifacts", artifacts, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["card"]["reference"] == "golden"


def test_without_torch_weights_that_were_given_are_not_ignored(
    artifacts: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "own.ckpt"
    weights.write_bytes(b"own")
    done = without_export_packages(
        "verify", "tiny", "--weights", weights, "--artifacts", artifacts, "--json"
    )
    assert done.returncode == 3, done.stderr
    assert "torch is not installed" in json.loads(done.stdout)["error"]


# How well it separates. The stems of random weights are noise, but the same noise each time.


@pytest.fixture(scope="module")
def measured(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny` with its quality on one short song in its card. Not to be changed."""
    root = Path(shutil.copytree(artifacts, tmp_path_factory.mktemp("measured") / "artifacts"))
    artifact = read_artifact(root / "tiny.fp32")
    engine = open_engine(artifact.engine_path, device="cpu")
    quality = measure_quality(engine, artifact.info, held_out(1, 1.0))
    engine.close()
    assert quality is not None
    set_quality(root, quality.to_json())
    return root


def set_quality(root: Path, quality: object) -> None:
    path = root / "tiny.fp32/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["card"]["quality"] = quality
    path.write_text(json.dumps(manifest))


def stored(root: Path) -> dict[str, Any]:
    quality: dict[str, Any] = json.loads((root / "tiny.fp32/manifest.json").read_text())["card"][
        "quality"
    ]
    return quality


def test_verify_shows_the_quality_beside_what_export_measured(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify(["tiny"], artifacts=measured)
    said = capsys.readouterr()
    lines = [line.split("\t") for line in said.out.splitlines()]
    header = lines.index(["stem", "SI-SDR", "improvement", "at export", "songs"])
    assert [line[0] for line in lines[header + 1 :]] == ["vocals", "instrumental"]
    for line in lines[header + 1 :]:
        assert line[2].endswith(" dB") and line[2] == line[3] and line[4] == "1"
    assert said.err == ""
    verify(["tiny"], artifacts=measured, as_json=True)
    report = json.loads(capsys.readouterr().out)
    assert report["card"]["quality"]["mean_improvement_db"] == pytest.approx(
        stored(measured)["mean_improvement_db"], abs=1e-3
    )


@pytest.mark.parametrize(("gained_db", "code"), [(0.05, None), (0.5, 1)])
def test_stems_that_became_worse_fail_the_artifact(
    measured: Path,
    tmp_path: Path,
    gained_db: float,
    code: int | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = Path(shutil.copytree(measured, tmp_path / "artifacts"))
    quality = stored(root)
    for stem in quality["stems"]:
        stem["improvement_db"] += gained_db
        stem["si_sdr_db"] += gained_db
    set_quality(root, quality)
    if code is None:
        verify(["tiny"], artifacts=root)
        return
    with pytest.raises(typer.Exit) as caught:
        verify(["tiny"], artifacts=root)
    assert caught.value.exit_code == code
    assert "on the same songs" in capsys.readouterr().out


def test_other_songs_than_exports_are_told_of(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(measured, tmp_path / "artifacts"))
    quality = stored(root)
    quality["stems"][0]["si_sdr_db"] += 9
    set_quality(root, quality)
    verify(["tiny"], artifacts=root)
    said = " ".join(capsys.readouterr().err.split())
    assert "plays other songs than export's" in said


def test_models_shows_the_improvement_of_what_is_exported(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models(artifacts=measured)
    header, *rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    row = next(dict(zip(header, row, strict=True)) for row in rows if row[0] == "tiny")
    quality = stored(measured)
    shown = row["quality on the synthetic band"]
    assert shown.startswith(f"SI-SDR improvement {quality['mean_improvement_db']:.1f} dB (vocals ")
    assert shown.endswith("); 1 song of 1 s")
    models(artifacts=measured, as_json=True)
    listed = {row["model"]: row for row in json.loads(capsys.readouterr().out)}
    assert listed["tiny"]["artifacts"][0]["quality"] == quality
    assert quality["measured_on"] == "held-out songs of the synthetic band"
    assert listed["mdx23c"]["artifacts"] == []


def damaged(quality: dict[str, Any]) -> list[object]:
    """Qualities that are none."""
    stem = quality["stems"][0]
    return [
        0,
        "x",
        {"stems": 3},
        {**quality, "stems": []},
        {**quality, "stems": [{**stem, "si_sdr_db": "x"}]},
        {**quality, "stems": [{**stem, "si_sdr_db": None}]},
        {**quality, "seconds_each": 0.2},
    ]


@pytest.mark.parametrize("case", range(7))
def test_verify_fails_an_artifact_whose_quality_is_damaged(
    measured: Path, tmp_path: Path, case: int, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(measured, tmp_path / "artifacts"))
    set_quality(root, damaged(stored(root))[case])
    with pytest.raises(typer.Exit):
        verify(["tiny"], artifacts=root, as_json=True)
    assert "its card is damaged" in json.loads(capsys.readouterr().out)["error"]


def test_verify_says_why_there_is_no_quality(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(measured, tmp_path / "artifacts"))
    set_quality(root, None)
    path = root / "tiny.fp32/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["card"]["quality_skipped"] = "it takes an hour"
    path.write_text(json.dumps(manifest))
    verify(["tiny"], artifacts=root)
    assert "not measured how well it separates: it takes an hour" in capsys.readouterr().err


@pytest.mark.parametrize("case", range(7))
def test_models_lists_an_artifact_whose_quality_is_damaged(
    measured: Path, tmp_path: Path, case: int, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(measured, tmp_path / "artifacts"))
    set_quality(root, damaged(stored(root))[case])
    models(artifacts=root, as_json=True)
    said = capsys.readouterr()
    listed = {row["model"]: row for row in json.loads(said.out)}
    assert listed["tiny"]["artifacts"][0]["quality"] is None
    assert "its card is damaged" in " ".join(said.err.split())
