import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from cli_helpers import run

from stemline.export.download import cache_path
from stemline.export.models import MODELS
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
