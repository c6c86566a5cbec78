import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stemline.bench.engines import Opening
from stemline.bench.processes import WorkerProcess, opening_values
from stemline.bench.speed import write_rows
from stemline.engines import open_engine, read_artifact
from stemline.errors import BenchError


@pytest.fixture
def engine_values(artifacts: Path, tmp_path: Path) -> dict[str, Any]:
    """What a worker needs to run `tiny` at batch 2."""
    artifact = read_artifact(artifacts / "tiny.fp32")
    write_rows(artifact.info, 2, tmp_path)
    return {
        "engine": "onnx",
        "opening": opening_values(Opening(artifact.engine_path, None, "cpu", 1)),
        "inputs": str(tmp_path),
    }


def test_a_worker_runs_the_rows_it_is_asked_to(
    artifacts: Path, engine_values: dict[str, Any], tmp_path: Path
) -> None:
    with WorkerProcess("tiny", "engine", 1, **engine_values) as worker:
        assert worker.ask("run", save_to=str(tmp_path))["seconds"] > 0
        assert worker.opened["provider"] == "CPUExecutionProvider"
    mixture = np.load(tmp_path / "mixture.npy")
    assert not np.array_equal(mixture[0], mixture[1])  # a batch of different rows
    engine = open_engine(read_artifact(artifacts / "tiny.fp32").engine_path, "cpu", 1)
    wanted = engine.run({"mixture": mixture})["stems"]
    np.testing.assert_array_equal(np.load(tmp_path / "stems.npy"), wanted)


def test_a_worker_that_is_killed_is_reported(engine_values: dict[str, Any]) -> None:
    with WorkerProcess("tiny at batch 2", "engine", 1, **engine_values) as worker:
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(BenchError, match=r"tiny at batch 2 died \(by SIGKILL, .*memory"):
            worker.ask("run")
        with pytest.raises(BenchError, match="died"):  # and is still dead
            worker.ask("run")


def test_a_fault_in_a_worker_is_reported_with_its_last_line(engine_values: dict[str, Any]) -> None:
    with (
        WorkerProcess("tiny", "engine", 1, **engine_values) as worker,
        pytest.raises(BenchError, match=r"died \(exit status 1\): KeyError: 'jump'"),
    ):
        worker.ask("jump")


def test_a_refusal_of_a_worker_leaves_it_alive(engine_values: dict[str, Any]) -> None:
    with WorkerProcess("tiny", "engine", 1, **engine_values) as worker:
        with pytest.raises(BenchError, match="nowhere"):
            worker.ask("run", save_to="/nowhere/at/all")
        assert worker.ask("run")["seconds"] > 0


def test_what_cannot_be_opened_is_an_error_with_its_exit_code(
    engine_values: dict[str, Any],
) -> None:
    engine_values["opening"]["device"] = "tpu"
    with pytest.raises(BenchError, match="tiny: device 'tpu'") as caught:
        WorkerProcess("tiny", "engine", 1, **engine_values)
    assert caught.value.exit_code == 3


def test_a_worker_ends_with_its_block(engine_values: dict[str, Any]) -> None:
    with WorkerProcess("tiny", "engine", 1, **engine_values) as worker:
        pid = worker.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
