"""A resident worker against a process for every file: seconds to the stems, and memory in a row.

    python -m stemline.bench.studies.worker --artifacts artifacts --markdown docs/worker.md

Both are used as their users use them: `stemline separate` is spawned for each file, the worker is
spawned once and asked by lines of JSON. They take turns, all on one core; a figure is the median.
The files that a process reads are in the system's cache for both: cold is a new process.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import soundfile

from ..pages import machine_line, short, table
from .common import add_outputs, one_core, run_measured, write_outputs

CLIPS_S = (0.5, 4.0, 30.0, 180.0)
ROUNDS = 5
JOBS_IN_A_ROW = 200
_SETTLING_JOBS = 20
_STEMLINE = str(Path(sys.executable).parent / "stemline")
_RATE_HZ = 44100


@dataclass(frozen=True)
class Start:
    """What comes before the first file; seconds."""

    ready_s: float
    """From spawning a worker to its first answer."""
    first_load_s: float
    second_load_s: float
    first_stems_s: float
    """From spawning a worker, whose first request is a clip of `CLIPS_S[1]`, to its stems."""


@dataclass(frozen=True)
class Clip:
    """One file, both ways; seconds."""

    clip_s: float
    spawned_s: float
    resident_s: float
    spawned_mb: float
    """Peak resident memory of the process of one file; 10⁶ bytes."""

    @property
    def ratio(self) -> float:
        """How many times faster the resident one is."""
        return self.spawned_s / self.resident_s


@dataclass(frozen=True)
class Row:
    """Many jobs one after another in one worker."""

    n_jobs: int
    seconds: float
    before_mb: float
    """Resident after the first `_SETTLING_JOBS`."""
    after_mb: float


class Resident:
    """A worker under way; `ask` waits for the answer."""

    def __init__(self, artifacts: Path, out: Path) -> None:
        self._out = out
        self._process = subprocess.Popen(
            [_STEMLINE, "worker", "--artifacts", str(artifacts), "--threads", "1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a request. Raises RuntimeError for an error."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps({"id": 1, "method": method, "params": params}) + "\n")
        stdin.flush()
        while "event" in (answer := json.loads(stdout.readline())):
            pass
        if "result" not in answer:
            raise RuntimeError(f"{method}: {answer}")
        result: dict[str, Any] = answer["result"]
        return result

    def separate(self, path: Path, model: str) -> None:
        """Stems of one file."""
        self.ask("separate", file=str(path), model=model, out=str(self._out))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class _Study:
    """What every measurement needs."""

    def __init__(self, artifacts: Path, model: str, folder: Path) -> None:
        self._artifacts = artifacts
        self._model = model
        self._folder = folder

    def resident(self) -> Resident:
        """A new worker."""
        return Resident(self._artifacts, self._folder / "resident")

    def clip(self, duration_s: float) -> Path:
        """A file of seeded noise: how long a network takes does not depend on what it gets."""
        path = self._folder / f"{duration_s:g}.wav"
        if not path.exists():
            rng = np.random.default_rng(1)
            noise = rng.standard_normal((round(duration_s * _RATE_HZ), 2), dtype=np.float32)
            soundfile.write(path, 0.1 * noise, _RATE_HZ)
        return path

    def start(self) -> Start:
        """One start of each kind."""
        began = time.perf_counter()
        with self.resident() as worker:
            worker.ask("stats")
            ready_s = time.perf_counter() - began
            first_load_s = _seconds(lambda: worker.ask("load_model", model=self._model))
            second_load_s = _seconds(lambda: worker.ask("load_model", model=self._model))
        clip = self.clip(CLIPS_S[1])
        began = time.perf_counter()
        with self.resident() as worker:
            worker.separate(clip, self._model)
            first_stems_s = time.perf_counter() - began
        return Start(ready_s, first_load_s, second_load_s, first_stems_s)

    def both(self, worker: Resident, duration_s: float) -> Clip:
        """One file, both ways, one after the other."""
        path = self.clip(duration_s)
        command = (
            _STEMLINE, "separate", str(path), "-m", self._model, "--artifacts",
            str(self._artifacts), "--threads", "1", "-q", "-o", str(self._folder / "spawned"),
        )  # fmt: skip
        spawned_s, spawned_mb = run_measured(command)
        resident_s = _seconds(lambda: worker.separate(path, self._model))
        return Clip(duration_s, spawned_s, resident_s, spawned_mb)

    def row(self, n_jobs: int) -> Row:
        """Many jobs of the shortest clip."""
        path = self.clip(CLIPS_S[0])
        with self.resident() as worker:
            for _ in range(_SETTLING_JOBS):
                worker.separate(path, self._model)
            before_mb = worker.ask("stats")["resident_mb"]
            began = time.perf_counter()
            for _ in range(n_jobs):
                worker.separate(path, self._model)
            seconds = time.perf_counter() - began
            return Row(n_jobs, seconds, before_mb, worker.ask("stats")["resident_mb"])


def _seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def medians(found: Sequence[Any]) -> Any:
    """Of several of one dataclass, each field's median."""
    kind = type(found[0])
    rows = [asdict(one) for one in found]
    return kind(**{name: statistics.median(row[name] for row in rows) for name in rows[0]})


def measure(artifacts: Path, model: str, rounds: int, n_jobs: int) -> dict[str, Any]:
    """All of it; dataclasses by name."""
    with tempfile.TemporaryDirectory() as name:
        study = _Study(artifacts, model, Path(name))
        starts = [study.start() for _ in range(rounds)]
        clips: list[Clip] = []
        with study.resident() as worker:
            worker.ask("load_model", model=model)
            for duration_s in CLIPS_S:
                study.both(worker, duration_s)  # so that nothing is there for the first time
                clips.append(medians([study.both(worker, duration_s) for _ in range(rounds)]))
        return {"start": medians(starts), "clips": clips, "row": study.row(n_jobs)}


def markdown(found: dict[str, Any], machine: dict[str, Any], command: str, model: str) -> str:
    """The figures as tables and sentences."""
    start: Start = found["start"]
    row: Row = found["row"]
    begins = [
        ["worker spawned, until it answers", short(start.ready_s)],
        ["first `load_model`", short(start.first_load_s)],
        ["second `load_model`", short(start.second_load_s)],
        [f"worker spawned, until the stems of {CLIPS_S[1]:g} s", short(start.first_stems_s)],
    ]
    clips = [
        [
            f"{one.clip_s:g} s",
            short(one.spawned_s),
            short(one.resident_s),
            f"{short(one.ratio)} ×",
            short(one.spawned_mb),
        ]
        for one in found["clips"]
    ]
    header = ("clip", "process a file, s", "resident, s", "faster", "process a file, MB")
    each_s, before, after = row.seconds / row.n_jobs, short(row.before_mb), short(row.after_mb)
    return (
        f"    {command}\n\n{machine_line(machine)} `{model}`, one core, by turns, medians.\n\n"
        f"{table(('start', 'seconds'), begins)}\n{table(header, clips)}\n"
        f"{row.n_jobs} clips of {CLIPS_S[0]:g} s in a row: {short(each_s)} s each; the worker has "
        f"{before} MB before them and {after} MB after.\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--model", default="mini")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--in-a-row", type=int, default=JOBS_IN_A_ROW)
    add_outputs(parser)
    options = parser.parse_args(arguments)
    with one_core() as machine:
        found = measure(
            options.artifacts.resolve(), options.model, options.rounds, options.in_a_row
        )
    command = f"python -m {__package__}.worker --artifacts artifacts --markdown docs/worker.md"
    report = {
        "machine": machine,
        "model": options.model,
        "start": asdict(found["start"]),
        "clips": [asdict(one) for one in found["clips"]],
        "row": asdict(found["row"]),
    }
    write_outputs(report, options, "worker", markdown(found, machine, command, options.model))


if __name__ == "__main__":
    main()
