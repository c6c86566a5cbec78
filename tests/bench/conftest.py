"""A small exported network, measured once."""

from pathlib import Path

import pytest
import torch
from export_helpers import spec_of, tiny_config

from stemline.bench.quality import QualityOptions
from stemline.bench.results import Report
from stemline.bench.run import BenchOptions, run_bench
from stemline.evaluation.held_out import held_out
from stemline.export import verify
from stemline.export.export import export_model
from stemline.export.weights import random_network


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


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that are a file, which counts as trained. Not to be changed."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.ckpt"
    torch.save(random_network(tiny_config(), seed=7).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Path:
    """A folder with `tiny.fp32` of the checkpoint. Not to be changed."""
    root = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "CARD_SONGS", held_out(1, 1.0))
        export_model(spec_of(tiny_config()), weights=checkpoint, root=root)
    return root


@pytest.fixture(scope="session")
def quality_report(trained: Path, checkpoint: Path) -> Report:
    """Quality on two short songs, PyTorch named last."""
    options = BenchOptions(
        models=("tiny",),
        engines=("onnx", "torch"),
        batches=(1,),
        rounds=1,
        weights=checkpoint,
        quality=QualityOptions((2, 4), n_songs=2, song_s=1.0),
    )
    return run_bench(trained, options)
