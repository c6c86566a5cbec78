"""What an engine's runs take of memory, and leave."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from helpers import tiny_info
from onnx import TensorProto, helper

# A row for each frame, as wide as this many float32 numbers: 100 MB for 6400 frames.
_WIDTH, _N_FRAMES = 4096, 6400

_PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from stemline.engines import open_engine
def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
engine = open_engine(Path(sys.argv[1]), "cpu", threads=1)
engine.run({"x": np.ones((1, 1), np.float32)})
before = resident_mb()
out = engine.run({"x": np.ones((1, int(sys.argv[2])), np.float32)})["y"]
assert (out == int(sys.argv[3])).all()
print(resident_mb() - before)
"""


def write_widener(path: Path, metadata: dict[str, str]) -> Path:
    """x (batch, frames) → the sums over wide rows of each, which only a run holds."""
    values = {
        "one": helper.make_tensor("one", TensorProto.FLOAT, [1, 1, _WIDTH], [1.0] * _WIDTH),
        "last": helper.make_tensor("last", TensorProto.INT64, [1], [2]),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Unsqueeze", ["x", "last"], ["column"]),
            helper.make_node("Mul", ["column", "one"], ["wide"]),
            helper.make_node("Sin", ["wide"], ["bent"]),
            helper.make_node("Sub", ["bent", "bent"], ["nothing"]),
            helper.make_node("Add", ["nothing", "one"], ["ones"]),
            helper.make_node("ReduceSum", ["ones", "last"], ["y"], keepdims=0),
        ],
        "widener",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "frames"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", "frames"])],
        list(values.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
def test_what_a_long_track_took_is_given_back(tmp_path: Path) -> None:
    info = replace(tiny_info(), memory_arena=True, dynamic_length=True)
    path = write_widener(tmp_path / "widener.onnx", info.to_metadata())
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(path), str(_N_FRAMES), str(_WIDTH)],
        capture_output=True,
        text=True,
        check=True,
    )
    # At least two of the wide tensors, 210 MB, were there at once; a few MB are fragments.
    assert float(done.stdout) < 50
