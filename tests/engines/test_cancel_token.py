"""A run that is ended from another thread, and what that leaves."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import tiny_info
from onnx import TensorProto, helper

from stemline.engines import CancelToken, EngineSpec, open_engine
from stemline.engines.onnxruntime import OnnxEngine
from stemline.errors import EngineMemoryError, EngineStoppedError

# 400 products of (frames, 1024) with (1024, 1024): of 1024 frames 0.9 TFLOP, which take one core
# about 9 s; of one frame, 20 ms.
_N_PRODUCTS, _WIDTH, _LONG = 400, 1024, 1024
# One product takes 22 ms; the rest is for a machine that is busy.
_SOON_S = 2.0
_SHRINKING = replace(tiny_info(), memory_arena=True, dynamic_length=True).to_metadata()


def write_slow(path: Path, metadata: dict[str, str]) -> Path:
    """x (batch, frames, width) → x, by products with the identity."""
    names = ["x", *(f"x{i}" for i in range(1, _N_PRODUCTS)), "y"]
    axes = ["batch", "frames", _WIDTH]
    identity = onnx.numpy_helper.from_array(np.eye(_WIDTH, dtype=np.float32), "identity")
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", [names[i], "identity"], [names[i + 1]])
            for i in range(_N_PRODUCTS)
        ],
        "slow",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, axes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, axes)],
        [identity],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def rows(n_frames: int) -> dict[str, np.ndarray]:
    shape = (1, n_frames, _WIDTH)
    return {"x": np.arange(n_frames * _WIDTH, dtype=np.float32).reshape(shape) / 1024}


def assert_right(engine: OnnxEngine) -> None:
    np.testing.assert_array_equal(engine.run(rows(1))["y"], rows(1)["x"])


@pytest.mark.parametrize("metadata", [{}, _SHRINKING], ids=["plain", "shrinking"])
def test_a_run_is_ended_from_another_thread_and_no_other_is(
    tmp_path: Path, metadata: dict[str, str]
) -> None:
    engine = open_engine(write_slow(tmp_path / "slow.onnx", metadata), "cpu", threads=1)
    assert isinstance(engine, OnnxEngine)
    cancel = CancelToken()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(engine.run_stoppable, rows(_LONG), cancel)
        assert_right(engine)  # beside it
        assert not running.done()
        began = time.monotonic()
        cancel.set()
        with pytest.raises(EngineStoppedError, match=r"slow\.onnx: the run was ended"):
            running.result()
        assert time.monotonic() - began < _SOON_S
    assert_right(engine)
    cancel.set()  # of a run that is over
    assert_right(engine)
    engine.close()


def test_a_run_that_was_cancelled_before_it_began_ends_at_once(tmp_path: Path) -> None:
    engine = open_engine(write_slow(tmp_path / "slow.onnx", {}), "cpu", threads=1)
    assert isinstance(engine, OnnxEngine)
    cancel = CancelToken()
    cancel.set()
    began = time.monotonic()
    with pytest.raises(EngineStoppedError):
        engine.run_stoppable(rows(_LONG), cancel)
    assert time.monotonic() - began < _SOON_S
    assert_right(engine)
    engine.close()


def test_a_token_that_is_set_is_never_missed_whichever_thread_comes_first() -> None:
    for _ in range(300):
        cancel, ended = CancelToken(), threading.Event()
        setting = threading.Thread(target=cancel.set)
        setting.start()
        cancel.on_set(ended.set)
        setting.join()
        assert ended.is_set()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 3.2 GiB for an array"),
        RuntimeError("Failed to allocate memory for requested buffer of size 99"),
        RuntimeError("std::bad_alloc"),
    ],
)
def test_memory_that_is_short_has_its_own_error(error: Exception) -> None:
    class Session:
        def run(self, *_: object) -> None:
            raise error

    engine = OnnxEngine(Session(), EngineSpec("full", (), (), "none", "cpu"), object)
    with pytest.raises(EngineMemoryError, match="full: no memory on cpu for a batch of 1"):
        engine.run({})
