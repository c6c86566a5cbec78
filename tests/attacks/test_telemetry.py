"""The attack: a link where temporary files are, to which ONNX Runtime's telemetry wrote `.ses`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from demucs_track_helpers import gain_info, write_gains

from stemline.engines.onnxruntime import import_onnxruntime

OPENING = """
import sys
from stemline import load_separator
from stemline.engines.onnxruntime import import_onnxruntime
with load_separator("tiny", artifacts=sys.argv[1]):
    print(import_onnxruntime().get_available_providers())
"""


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    write_gains(tmp_path / "artifacts", gain_info("tiny", stems=("a",)), [1.0])
    return tmp_path / "artifacts"


def loaded(artifacts: Path, folder: Path, **variables: str) -> None:
    """Load a model in a process whose files would go to `folder`."""
    env = {"HOME": str(folder), "TMPDIR": str(folder), **variables}
    command = [sys.executable, "-c", OPENING, str(artifacts)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "CPUExecutionProvider" in done.stdout


def test_loading_the_runtime_leaves_nothing_and_follows_no_link(
    artifacts: Path, tmp_path: Path
) -> None:
    others = tmp_path / "others"
    others.write_text("theirs")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".ses").symlink_to(others)
    loaded(artifacts, folder)
    assert [each.name for each in folder.iterdir()] == [".ses"]
    assert others.read_text() == "theirs"


def test_whoever_wants_the_runtimes_telemetry_has_it(artifacts: Path, tmp_path: Path) -> None:
    loaded(artifacts, tmp_path, ORT_DISABLE_TELEMETRY="0")
    assert (tmp_path / ".cache").exists()


def test_the_environment_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    import_onnxruntime()
    assert "ORT_DISABLE_TELEMETRY" not in os.environ
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    import_onnxruntime()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"
