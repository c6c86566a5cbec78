"""Engines side by side on the same rows: seconds per chunk, memory, and fidelity to PyTorch.

Each engine has a process of its own; they run one at a time, alternately, so that what
else the machine does hits all alike. At most two are alive: the anchor, which is PyTorch where
it is measured, meets the others one after another.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stemline.engines import ModelInfo
from stemline.errors import BenchError
from stemline.evaluation.parity import compare
from stemline.evaluation.signal import music_like
from stemline.families import family_of
from stemline.temporary_folders import temporary_folder

from .engines import REFERENCE, Subject
from .processes import EngineSetting, WorkerProcess
from .results import EngineRow, spread_of
from .tracks import layout_of, measured_samples


@dataclass
class _Run:
    """One engine's worker and what it has measured."""

    subject: Subject
    worker: WorkerProcess
    outputs: Path
    seconds: list[float] = field(default_factory=list)
    peak_rss_mb: float = 0.0

    def warm_up(self) -> None:
        """The first run: its outputs are kept, its time is not."""
        self.peak_rss_mb = self.worker.ask("run", save_to=str(self.outputs))["peak_rss_mb"]

    def measure(self) -> None:
        answer = self.worker.ask("run")
        self.seconds.append(answer["seconds"])
        self.peak_rss_mb = answer["peak_rss_mb"]


def measure_batch(
    subjects: Sequence[Subject],
    batch: int,
    setting: EngineSetting,
    announce: Callable[[str], None] = lambda _: None,
) -> list[EngineRow]:
    """A row for each engine of one model, in the order of `subjects`. Raises BenchError."""
    anchor = next((s for s in subjects if s.engine.name == REFERENCE), subjects[0])
    others = [subject for subject in subjects if subject is not anchor]
    rows: dict[str, EngineRow] = {}
    with temporary_folder() as inputs, ExitStack() as stack:
        write_rows(subjects[0].artifact.info, batch, inputs)

        def started(subject: Subject, stack: ExitStack) -> _Run:
            announce(f"{subject.label}, batch {batch}")
            label = f"{subject.label} at batch {batch}"
            worker = setting.worker(label, "engine", subject, inputs=str(inputs))
            stack.enter_context(worker)
            outputs = inputs / f"outputs-{subject.engine.name}"
            outputs.mkdir()
            run = _Run(subject, worker, outputs)
            run.warm_up()
            return run

        first = started(anchor, stack)
        for other in others:
            with ExitStack() as inner:
                run = started(other, inner)
                before = len(first.seconds)
                for _ in range(setting.rounds):
                    first.measure()
                    run.measure()
                rows[other.engine.name] = _row(
                    run, batch, setting, first if anchor.engine.name == REFERENCE else None, before
                )
        for _ in range(0 if others else setting.rounds):
            first.measure()
        rows[anchor.engine.name] = _row(first, batch, setting, None, 0)
    return [rows[subject.engine.name] for subject in subjects]


def write_rows(info: ModelInfo, batch: int, folder: Path) -> None:
    """`batch` different chunks of music-like signal as the network takes them, an .npy an input."""
    chunks = np.stack(
        [
            music_like(measured_samples(info), info.sample_rate_hz, info.channels, seed=row)
            for row in range(batch)
        ]
    )  # (batch, channels, chunk_samples)
    for name, rows in family_of(info.family, info.model).encode(info, chunks).items():
        np.save(folder / f"{name}.npy", rows)


def _row(
    run: _Run, batch: int, setting: EngineSetting, reference: _Run | None, first_round: int
) -> EngineRow:
    """What `run` measured, alternating with `reference` since that one's `first_round`."""
    info, opened = run.subject.artifact.info, run.worker.opened
    is_reference = run.subject.engine.name == REFERENCE
    whole = spread_of(run.seconds)
    chunk_s = measured_samples(info) / info.sample_rate_hz
    per_chunk = whole.median / batch
    # A second of audio takes as many chunks as hops begin in it.
    layout = layout_of(info, info.default_overlap)
    hop_s = chunk_s * layout.hop_samples / info.chunk_samples
    speedup = speedup_min = 1.0 if is_reference else None
    if reference is not None:
        beside = spread_of(reference.seconds[first_round:])
        speedup, speedup_min = beside.median / whole.median, beside.min / whole.min
    return EngineRow(
        model=info.artifact_stem,
        engine=run.subject.engine.name,
        precision=info.precision,
        device=opened["device"],
        provider=opened["provider"],
        trained=info.trained,
        threads=setting.threads,
        batch=batch,
        rounds=len(run.seconds),
        seconds_per_chunk=per_chunk,
        seconds_per_chunk_min=whole.min / batch,
        seconds_per_chunk_max=whole.max / batch,
        chunk_s=chunk_s,
        realtime_factor=chunk_s / per_chunk,
        default_overlap=info.default_overlap,
        seconds_per_audio_s=per_chunk / hop_s,
        realtime_factor_at_overlap=hop_s / per_chunk,
        peak_rss_mb=run.peak_rss_mb,
        size_mb=opened["size_bytes"] / 1e6,
        load_s=opened["load_s"],
        snr_db=None if reference is None else _snr_db(run, reference, batch),
        speedup_over_torch=speedup,
        speedup_over_torch_min=speedup_min,
    )


def _snr_db(run: _Run, reference: _Run, batch: int) -> float | None:
    """The worst stem's; None where both are the same.

    Raises BenchError when an output is not finite, or silent where PyTorch's is not.
    """
    stems = run.subject.artifact.info.stems
    worst = math.inf
    for path in sorted(reference.outputs.glob("*.npy")):
        wanted, got = _load(path), _load(run.outputs / path.name)
        for parity in compare(path.stem, stems, wanted, got, batch):
            if not parity.snr_db > -math.inf:
                raise BenchError(
                    f"{run.subject.label}: stem {parity.stem} is not finite, or PyTorch's is "
                    "silent; look at it with: stemline verify"
                )
            worst = min(worst, parity.snr_db)
    return None if worst == math.inf else worst


def _load(path: Path) -> Any:
    return np.load(path, mmap_mode="r")
