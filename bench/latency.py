"""One chunk of music in PyTorch and in ONNX Runtime, by turns in this process: the short answer.

`stemline bench` is the long one: a process for each engine, pinned cores, memory.
"""

import time
from contextlib import closing
from dataclasses import dataclass
from statistics import median

import numpy as np

from stemline.arrays import Array, Arrays
from stemline.engines import Artifact, Engine
from stemline.errors import MissingExtraError
from stemline.families import family_of

from .engines import REFERENCE, Opening, find_engine

_ROUNDS = 5
# With several, PyTorch's wait for each other after every operator: on a machine that does other
# work too, that was seen to take ten times as long, and would tell nothing of the engines.
THREADS = 1


@dataclass(frozen=True)
class Latency:
    """Medians of both engines on the CPU."""

    chunk_s: float
    """Seconds of audio in the chunk."""
    threads: int
    """Of each engine."""
    rounds: int
    """Runs counted of each; the first, a warm-up, is not among them."""
    torch_ms: float
    onnx_ms: float

    @property
    def ratio(self) -> float:
        """PyTorch's time over ONNX Runtime's: above 1, the artifact is faster."""
        return self.torch_ms / self.onnx_ms


def measure_latency(artifact: Artifact, mixture: Array, rounds: int = _ROUNDS) -> Latency:
    """Run the middle chunk of a mixture (channels, n) through both engines.

    Raises BenchError, or MissingExtraError without PyTorch.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", "export") from error
    info = artifact.info
    start = max(0, (mixture.shape[1] - info.chunk_samples) // 2)
    chunk = np.zeros((1, info.channels, info.chunk_samples), np.float32)
    middle = mixture[:, start : start + info.chunk_samples]
    chunk[0, :, : middle.shape[1]] = middle
    inputs = family_of(info.family, info.model).encode(info, chunk)
    before = torch.get_num_threads()
    opening = Opening(artifact.engine_path, None, "cpu", THREADS)
    seconds: dict[str, list[float]] = {REFERENCE: [], "onnx": []}
    try:
        with (
            closing(find_engine(REFERENCE).open(opening).engine) as reference,
            closing(find_engine("onnx").open(opening).engine) as engine,
        ):
            for _ in range(1 + rounds):
                seconds[REFERENCE].append(_timed(reference, inputs))
                seconds["onnx"].append(_timed(engine, inputs))
    finally:
        torch.set_num_threads(before)  # the process's, and not only this measurement's
    return Latency(
        chunk_s=info.chunk_samples / info.sample_rate_hz,
        threads=THREADS,
        rounds=rounds,
        torch_ms=1e3 * median(seconds[REFERENCE][1:]),
        onnx_ms=1e3 * median(seconds["onnx"][1:]),
    )


def _timed(engine: Engine, inputs: Arrays) -> float:
    started = time.perf_counter()
    engine.run(inputs)
    return time.perf_counter() - started
