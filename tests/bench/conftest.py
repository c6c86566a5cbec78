"""A small exported network, measured once."""

from pathlib import Path

import pytest
from export_helpers import spec_of, tiny_config

from stemline.bench.results import Report
from stemline.bench.run import BenchOptions, run_bench
from stemline.export.export import export_model


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `tiny.fp32`, of random weights. Not to be changed."""
    root = tmp_path_factory.mktemp("artifacts")
    export_model(spec_of(tiny_config()), weights="random", root=root)
    return root


@pytest.fixture(scope="session")
def report(artifacts: Path) -> Report:
    """All that there is to measure, PyTorch named last."""
    options = BenchOptions(
        models=("tiny",),
        engines=("onnx", "torch"),
        batches=(2, 1),
        rounds=2,
        overlaps=(2, 0.5, 8),
        track_s=1.0,
        clip_s=0.5,
    )
    return run_bench(artifacts, options)
