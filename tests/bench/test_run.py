import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from stemline.bench.plot import plot_report
from stemline.bench.results import EngineRow, Report
from stemline.bench.run import BenchOptions, run_bench
from stemline.engines import read_artifact
from stemline.errors import BenchError, OverlapError, RequestError, UnknownModelError
from stemline.families.common.chunked import chunk_plan
from stemline.preprocessing.chunks import iter_chunks

DESIGN_FIELDS = {
    "model", "engine", "precision", "device", "threads", "batch", "seconds_per_chunk",
    "realtime_factor", "peak_rss_mb", "size_mb", "snr_db", "speedup_over_torch",
}  # fmt: skip
TRACK_S, CLIP_S = 1.0, 0.5  # as conftest.py has them measured
QUICK = BenchOptions(models=("tiny",), engines=("onnx",), batches=(1,), rounds=1)


def row_of(report: Report, engine: str, batch: int) -> EngineRow:
    (row,) = (r for r in report.rows if (r.engine, r.batch) == (engine, batch))
    return row


def test_every_engine_has_a_row_at_every_batch_in_the_order_asked(report: Report) -> None:
    assert [(row.batch, row.engine) for row in report.rows] == [
        (1, "onnx"),
        (1, "torch"),
        (2, "onnx"),
        (2, "torch"),
    ]
    assert report.failures == ()


def test_a_row_agrees_with_itself(report: Report) -> None:
    chunk_s, hop_s = 7936 / 44100, 7936 // 4 / 44100
    for row in report.rows:
        assert 0 < row.seconds_per_chunk_min <= row.seconds_per_chunk <= row.seconds_per_chunk_max
        assert row.realtime_factor == pytest.approx(chunk_s / row.seconds_per_chunk)
        assert row.realtime_factor_at_overlap == pytest.approx(hop_s / row.seconds_per_chunk)
        assert row.seconds_per_audio_s == pytest.approx(1 / row.realtime_factor_at_overlap)
        assert (row.rounds, row.threads, row.device, row.trained) == (2, 1, "cpu", False)


@pytest.mark.parametrize("batch", [1, 2])
def test_the_speedup_is_the_ratio_to_torch_at_the_same_batch(report: Report, batch: int) -> None:
    onnx, torch = row_of(report, "onnx", batch), row_of(report, "torch", batch)
    assert onnx.speedup_over_torch == pytest.approx(
        torch.seconds_per_chunk / onnx.seconds_per_chunk
    )
    assert onnx.speedup_over_torch_min == pytest.approx(
        torch.seconds_per_chunk_min / onnx.seconds_per_chunk_min
    )
    assert (torch.speedup_over_torch, torch.speedup_over_torch_min) == (1.0, 1.0)


@pytest.mark.parametrize("batch", [1, 2])
def test_onnx_computes_what_torch_computes(report: Report, batch: int) -> None:
    snr_db = row_of(report, "onnx", batch).snr_db
    # The budget of fp32 artifacts; a network this small is far above it. Rows mixed up would be
    # near 0 dB.
    assert snr_db is not None and snr_db > 70
    assert row_of(report, "torch", batch).snr_db is None


def test_memory_and_size_are_those_of_one_engine(report: Report, artifacts: Path) -> None:
    onnx, torch = row_of(report, "onnx", 1), row_of(report, "torch", 1)
    engine_path = read_artifact(artifacts / "tiny.fp32").engine_path
    assert onnx.size_mb == engine_path.stat().st_size / 1e6
    assert 0 < torch.size_mb < onnx.size_mb  # a graph holds the same weights and its nodes
    # Importing torch alone takes more than a tiny network in ONNX Runtime.
    assert 0 < onnx.peak_rss_mb < torch.peak_rss_mb


def test_tracks_are_counted_in_the_chunks_they_are_divided_into(
    report: Report, artifacts: Path
) -> None:
    info = read_artifact(artifacts / "tiny.fp32").info
    track = [np.zeros((2, round(TRACK_S * 44100)), np.float32)]
    assert [row.overlap for row in report.overlaps] == [2, 0.5, 8]
    for row in report.overlaps:
        assert row.n_chunks == len(list(iter_chunks(track, chunk_plan(info, row.overlap))))
        assert (row.n_chunks_run, row.estimated) == (row.n_chunks, False)
        assert row.seconds == row.seconds_run
        assert row.realtime_factor == pytest.approx(TRACK_S / row.seconds)
        assert 0 < row.engine_share <= 1
        assert row.peak_rss_mb > 0


def test_a_track_that_takes_too_long_is_estimated_and_said_to_be(artifacts: Path) -> None:
    report = run_bench(
        artifacts,
        BenchOptions(
            models=("tiny",), engines=("onnx",), batches=(1,), rounds=1, overlaps=(4,), max_s=1e-9
        ),
    )
    (row,) = report.overlaps
    assert (row.estimated, row.n_chunks_run) == (True, 1)
    assert row.n_chunks > 1000
    assert row.seconds == pytest.approx(row.seconds_run * row.n_chunks)


def test_a_clip_in_process_is_set_against_the_same_over_grpc(report: Report) -> None:
    (row,) = report.grpc
    assert (row.clip_s, row.rounds, row.overlap) == (CLIP_S, 2, 4)
    assert row.in_process_s_min <= row.in_process_s <= row.in_process_s_max
    assert row.grpc_s_min <= row.grpc_s <= row.grpc_s_max
    assert row.grpc_ratio == pytest.approx(row.grpc_s / row.in_process_s)
    assert row.grpc_ratio_min == pytest.approx(row.grpc_s_min / row.in_process_s_min)
    assert 0 < row.engine_share <= 1
    assert {"input", "preprocess", "queue", "engine", "postprocess", "wall"} <= set(
        row.stage_seconds
    )


def test_the_report_is_plain_json_with_the_fields_of_the_contract(report: Report) -> None:
    values = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert set(values) == {
        "machine", "rows", "overlaps", "grpc", "quality", "batch_independence", "failures",
    }  # fmt: skip
    for row in values["rows"]:
        assert set(row) >= DESIGN_FIELDS
    machine = values["machine"]
    assert set(machine["versions"]) >= {"python", "numpy", "torch", "onnxruntime", "stemline"}
    assert machine["cpu"] and machine["memory_mb"] > 0 and machine["date"].startswith("20")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="nothing is pinned here")
def test_as_many_cores_are_used_as_threads_and_given_back(artifacts: Path) -> None:
    before = os.sched_getaffinity(0)
    seen: list[set[int]] = []
    report = run_bench(artifacts, QUICK, lambda _: seen.append(os.sched_getaffinity(0)))
    assert seen == [set(report.machine.pinned_to)]
    assert len(report.machine.pinned_to) == 1
    assert os.sched_getaffinity(0) == before


def test_without_torch_there_is_nothing_to_compare_with(artifacts: Path) -> None:
    (row,) = run_bench(artifacts, QUICK).rows
    assert (row.snr_db, row.speedup_over_torch, row.speedup_over_torch_min) == (None, None, None)


def test_a_lone_file_is_measured_and_what_needs_an_artifact_is_a_failure(
    artifacts: Path, tmp_path: Path
) -> None:
    lone = tmp_path / "carried.onnx"
    shutil.copy(read_artifact(artifacts / "tiny.fp32").engine_path, lone)
    options = BenchOptions(
        models=(str(lone),), engines=("onnx",), batches=(1,), rounds=1, clip_s=0.1
    )
    report = run_bench(tmp_path, options)
    assert len(report.rows) == 1
    (failure,) = report.failures
    assert failure.what == "gRPC" and "carried.onnx" in failure.error


def test_a_damaged_artifact_is_named_and_nothing_reported(artifacts: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(artifacts, tmp_path / "artifacts"))
    engine_path = read_artifact(root / "tiny.fp32").engine_path
    engine_path.write_bytes(engine_path.read_bytes()[:1000])
    with pytest.raises(BenchError, match=r"onnx of tiny.fp32 at batch 1: .*model.onnx") as caught:
        run_bench(root, QUICK)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"engines": ("onnx", "abacus")}, RequestError, "no engine 'abacus'; there are torch"),
        ({"engines": ()}, RequestError, "there are torch"),
        ({"engines": ("torch",), "overlaps": (4,)}, RequestError, "onnx"),
        ({"models": ("huge",)}, UnknownModelError, "there are tiny.fp32"),
        ({"models": ("tiny", "tiny"), "weights": Path("w")}, RequestError, "one model"),
        ({"batches": (0, 1)}, RequestError, "from 1 up"),
        ({"overlaps": (1.5,)}, OverlapError, "1.5"),
        ({"threads": 100_000}, RequestError, "cores"),
        ({"max_s": 0.0}, RequestError, "--max-s"),
        ({"clip_s": -1.0}, RequestError, "--clip-s"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_runs(
    artifacts: Path, changes: dict[str, object], error: type[Exception], words: str
) -> None:
    announced: list[str] = []
    with pytest.raises(error, match=words):
        run_bench(artifacts, BenchOptions(**{"models": ("tiny",), **changes}), announced.append)
    assert announced == []


def test_plots_are_png_files(report: Report, tmp_path: Path) -> None:
    paths = plot_report(report, tmp_path)
    assert [path.name for path in paths] == [
        "seconds_per_chunk.png",
        "peak_rss.png",
        "overlaps.png",
    ]
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
