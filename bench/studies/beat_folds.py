"""All-In-One's eight folds: in one graph, in a graph each, and in PyTorch, on one core.

    python -m stemline.bench.studies.beat_folds --lengths-s 30,180 --rounds 3

All have the same random weights at the official size. CPU seconds are of one track's spectrograms,
the engines opened before; the mean of the folds' logits is taken in all three ways. Peak memory is
that of a process that runs one way once, loading included.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np

from stemline.arrays import Array
from stemline.engines import open_engine
from stemline.engines.beat_info import SPECTROGRAM
from stemline.evaluation.parity import snr_db
from stemline.export.model_info import model_info
from stemline.export.models import MODELS
from stemline.export.reference import torch_engine
from stemline.export.weights import random_network
from stemline.families import find_family
from stemline.families.allin1.config import OUTPUTS
from stemline.families.allin1.graph.writer import export_allin1
from stemline.families.allin1.network.all_in_one import AllInOne, FoldMean
from stemline.families.family import Tensors

from ..machine import describe_machine, pinned
from ..memory import peak_rss_mb

Run = Callable[[Array], dict[str, Array]]

MODEL = "allin1"
_FPS = 100


@dataclass(frozen=True)
class Row:
    """One length, one way."""

    length_s: int
    way: str
    cpu_s: list[float]
    median_cpu_s: float
    times_faster_than_torch: float
    """The ratio of the medians."""
    peak_rss_mb: int
    snr_db: float
    """The worst output's, against PyTorch."""


def write_graphs(folder: Path) -> None:
    """`one.onnx` with all folds, and `0.onnx` and so on with one each."""
    networks = _networks()
    metadata = model_info(MODELS[MODEL], "fp32", "random:0").to_metadata()
    export_allin1(networks, folder / "one.onnx", metadata)
    for index, network in enumerate(networks):
        export_allin1([network], folder / f"{index}.onnx", metadata)


def _networks() -> list[AllInOne]:
    return [
        cast("AllInOne", random_network(fold.config, fold.seed)) for fold in MODELS[MODEL].folds
    ]


def in_one_graph(folder: Path) -> Run:
    """One engine."""
    engine = open_engine(folder / "one.onnx", "cpu", threads=1)
    return lambda x: engine.run({SPECTROGRAM: x})


def in_a_graph_each(folder: Path) -> Run:
    """Eight engines, one after the other."""
    n_folds = len(MODELS[MODEL].folds)
    engines = [open_engine(folder / f"{i}.onnx", "cpu", threads=1) for i in range(n_folds)]

    def run(x: Array) -> dict[str, Array]:
        outputs = [engine.run({SPECTROGRAM: x}) for engine in engines]
        return {name: np.mean([one[name] for one in outputs], axis=0) for name in OUTPUTS}

    return run


def _tensors() -> Tensors:
    spec = MODELS[MODEL]
    return find_family(spec.family).tensors(model_info(spec, "fp32", "random:0"))


def in_pytorch(folder: Path) -> Run:
    """Eight networks, one after the other."""
    engine = torch_engine(FoldMean(_networks()), _tensors(), threads=1)
    return lambda x: engine.run({SPECTROGRAM: x})


WAYS = {"one graph": in_one_graph, "a graph each": in_a_graph_each, "pytorch": in_pytorch}


def spectrogram(length_s: int) -> Array:
    """(1, 4, n_frames, 81), as loud as music's."""
    rng = np.random.default_rng(length_s)
    return rng.random((1, 4, length_s * _FPS, 81), np.float32) * np.float32(1.5)


def compare(folder: Path, lengths_s: Sequence[int], rounds: int) -> list[Row]:
    """Every way, alternately."""
    runs = {way: make(folder) for way, make in WAYS.items()}
    rows = []
    for length_s in lengths_s:
        x = spectrogram(length_s)
        outputs: dict[str, dict[str, Array]] = {}
        cpu_s: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way, run in runs.items():
                start = time.process_time()
                outputs[way] = run(x)
                cpu_s[way].append(time.process_time() - start)
        reference, torch_s = outputs["pytorch"], median(cpu_s["pytorch"])
        for way in WAYS:
            worst_db = min(snr_db(reference[name], outputs[way][name]) for name in OUTPUTS)
            rows.append(
                Row(
                    length_s=length_s,
                    way=way,
                    cpu_s=[round(s, 3) for s in cpu_s[way]],
                    median_cpu_s=round(median(cpu_s[way]), 3),
                    times_faster_than_torch=round(torch_s / median(cpu_s[way]), 3),
                    peak_rss_mb=_peak_of(folder, way, length_s),
                    snr_db=round(min(worst_db, 999.0), 1),
                )
            )
            print(json.dumps(asdict(rows[-1])), file=sys.stderr, flush=True)
    return rows


def _peak_of(folder: Path, way: str, length_s: int) -> int:
    command = [sys.executable, "-m", __spec__.name, "--peak", way]
    command += ["--lengths-s", str(length_s), "--work", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return round(float(done.stdout))


def main() -> None:
    """Measure; one JSON object on standard output."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--lengths-s", default="30,180", help="Of tracks, by commas.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args()
    lengths_s = [int(length) for length in options.lengths_s.split(",")]
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    if options.peak:
        WAYS[options.peak](options.work)(spectrogram(lengths_s[0]))
        print(peak_rss_mb())
        return
    machine = describe_machine(1)
    with TemporaryDirectory(prefix="stemline-bench-") as folder, pinned(1):
        write_graphs(Path(folder))
        rows = compare(Path(folder), lengths_s, options.rounds)
    report = {"machine": asdict(machine), "rows": [asdict(row) for row in rows]}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
