"""Our beats and sections against the originals: CPU time, memory, and the results.

    python -m stemline.bench.studies.beats_against_madmom --madmom-python .venv/madmom/bin/python

Each side is a process of its own (beat_work.py), one of them run by madmom's Python. They do the
same work alternately on one core, so that what else the machine does hits both alike. Last comes
all of ours that is left after separation when the network costs nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import beat_work
from .beat_work import AFTER_SEPARATION, COMPARISONS, Comparison, original_postprocessing
from .beats_markdown import comparison_markdown
from .common import add_outputs, one_core, write_outputs

__all__ = ["AfterSeparation", "Row", "compared", "original_postprocessing"]

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Ask = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """What both sides did, and what it cost."""

    row: str
    length_s: int
    rounds: int
    original_cpu_ms: float
    """Median over the rounds, as all that follows but the minima."""
    ours_cpu_ms: float
    times_faster: float
    original_cpu_ms_min: float
    ours_cpu_ms_min: float
    times_faster_min: float
    """The ratio of the minima."""
    original_peak_growth_mb: float
    """Peak resident memory of the first call, less what was resident before it; 10⁶ bytes."""
    ours_peak_growth_mb: float
    same_result: bool
    """Whether no number is farther from the original's than the tolerance; 0 is bit for bit."""
    tolerance: float
    largest_difference: float | None
    """None where the results are not of one shape."""


@dataclass(frozen=True)
class AfterSeparation:
    """Four stereo stems in memory to beats and sections, but for the network."""

    length_s: int
    rounds: int
    cpu_ms: float
    """Median over the rounds, as all that follows but the minima."""
    wall_ms: float
    cpu_ms_min: float
    wall_ms_min: float
    stages_ms: dict[str, float]
    """Wall time by stage; the spectrogram's with that of mixing to mono."""
    peak_growth_mb: float
    """Peak resident memory of the first call, less what was resident before it; 10⁶ bytes."""
    n_beats: int


@contextmanager
def side(python: str, row: str, name: str, folder: Path) -> Iterator[Ask]:
    """A process that does one side's work when called, and says what it cost."""
    process = subprocess.Popen(
        # -P: a folder that this is called in must not shadow a package.
        [python, "-P", beat_work.__file__, row, name, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **_ONE_THREAD},
    )
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise RuntimeError("a process has both pipes")

    def once() -> dict[str, Any]:
        try:
            stdin.write("\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"{row}, {name}: died with exit status {process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    with process:
        try:
            yield once
        finally:
            with suppress(BrokenPipeError):  # it died with a line unread
                stdin.close()


def compared(comparison: Comparison, length_s: int, rounds: int, madmom_python: str) -> Row:
    """One row of the table. Raises RuntimeError when a side dies."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        comparison.write(folder, length_s)
        python = madmom_python if comparison.by_madmom else sys.executable
        original = stack.enter_context(side(python, comparison.row, "original", folder))
        ours = stack.enter_context(side(sys.executable, comparison.row, "ours", folder))
        first, our_first = original(), ours()  # the first call is for the memory alone
        largest = largest_difference(*(np.load(folder / f"{s}.npy") for s in ("original", "ours")))
        theirs_ms, ours_ms = [], []
        for _ in range(rounds):
            theirs_ms.append(1e3 * original()["cpu_s"])
            ours_ms.append(1e3 * ours()["cpu_s"])
    return Row(
        row=comparison.row,
        length_s=length_s,
        rounds=rounds,
        original_cpu_ms=float(np.median(theirs_ms)),
        ours_cpu_ms=float(np.median(ours_ms)),
        times_faster=float(np.median(theirs_ms) / np.median(ours_ms)),
        original_cpu_ms_min=min(theirs_ms),
        ours_cpu_ms_min=min(ours_ms),
        times_faster_min=min(theirs_ms) / min(ours_ms),
        original_peak_growth_mb=first["growth_mb"],
        ours_peak_growth_mb=our_first["growth_mb"],
        same_result=largest is not None and largest <= comparison.tolerance,
        tolerance=comparison.tolerance,
        largest_difference=largest,
    )


def largest_difference(
    original: "np.ndarray[Any, Any]", ours: "np.ndarray[Any, Any]"
) -> float | None:
    """Between numbers in the same place; None for other shapes and for what is no number."""
    if original.shape != ours.shape:
        return None
    largest = float(np.max(np.abs(original.astype(np.float64) - ours), initial=0.0))
    return largest if np.isfinite(largest) else None


def after_separation(length_s: int, rounds: int) -> AfterSeparation:
    """Measure ours alone. Raises RuntimeError when it dies."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        beat_work.write_song(folder, length_s)
        with side(sys.executable, AFTER_SEPARATION, "ours", folder) as ours:
            first = ours()
            answers = [ours() for _ in range(rounds)]
            n_beats = len(np.load(folder / "ours.npy"))
    cpu_ms, wall_ms = ([1e3 * one[of] for one in answers] for of in ("cpu_s", "wall_s"))
    return AfterSeparation(
        length_s=length_s,
        rounds=rounds,
        cpu_ms=float(np.median(cpu_ms)),
        wall_ms=float(np.median(wall_ms)),
        cpu_ms_min=min(cpu_ms),
        wall_ms_min=min(wall_ms),
        stages_ms={
            stage: 1e3 * float(np.median([one["stages"][stage] for one in answers]))
            for stage in ("spectrogram", "decode")
        },
        peak_growth_mb=first["growth_mb"],
        n_beats=n_beats,
    )


def original_versions(madmom_python: str) -> dict[str, str]:
    """The versions that ours is compared with, each as its own Python has it.

    Raises CalledProcessError.
    """
    code = "from importlib.metadata import version; print(version({!r}))"
    pythons = {"allin1": sys.executable, "madmom": madmom_python}
    return {
        name: subprocess.run(
            [python, "-P", "-c", code.format(name)], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name, python in pythons.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, and print JSON; the exit status is 1 when a result differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    rows = (*(each.row for each in COMPARISONS), AFTER_SEPARATION)
    parser.add_argument("--madmom-python", default=".venv/madmom/bin/python")
    parser.add_argument("--rows", nargs="+", choices=rows, default=rows, metavar="ROW")
    parser.add_argument("--lengths-s", nargs="+", type=int, default=[30, 180, 600])
    parser.add_argument("--rounds", type=int, default=5)
    add_outputs(parser)
    options = parser.parse_args(arguments)
    with one_core() as machine:
        machine["versions"] |= original_versions(options.madmom_python)
        found = [
            compared(comparison, length_s, options.rounds, options.madmom_python)
            for comparison in COMPARISONS
            if comparison.row in options.rows
            for length_s in options.lengths_s
        ]
        alone = [
            after_separation(length_s, options.rounds)
            for length_s in options.lengths_s
            if AFTER_SEPARATION in options.rows
        ]
    report = {
        "machine": machine,
        "rows": [asdict(row) for row in found],
        "after_separation": [asdict(row) for row in alone],
    }
    write_outputs(report, options, "beats_against_madmom", comparison_markdown(report))
    sys.exit(not all(row.same_result for row in found))


if __name__ == "__main__":
    main()
