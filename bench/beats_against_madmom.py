"""Our beats and sections against the originals: CPU time by turns, memory, and the results.

    python -m stemline.bench.beats_against_madmom --madmom-python .venv/madmom/bin/python

Each side is a process of its own, one of them run by madmom's Python: this file is that
process's program too, so it imports at the top what both have. They do the same work by turns,
so that what else the machine does hits both alike.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

FPS = 100
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Call = Callable[[], Any]


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


def write_music(folder: Path, length_s: int) -> None:
    """Activations like a network's, float32 (n_frames, 2): drifting beats in bars of four."""
    random, n_frames = np.random.default_rng(length_s), length_s * FPS
    frames, out = np.arange(n_frames), np.zeros((n_frames, 2))
    at, interval, number = 20.0, 50.0, 0
    while at < n_frames:
        near = slice(max(0, int(at) - 8), int(at) + 9)
        bump = np.exp(-0.5 * ((frames[near] - at) / 1.3) ** 2)
        out[near, int(number % 4 == 0)] += random.uniform(0.3, 0.9) * bump
        interval *= np.exp(random.normal(0, 0.004))
        at, number = at + interval + random.normal(0, 0.5), number + 1
    out += 0.05 * random.random(out.shape)
    out /= np.maximum(1, 1.01 * out.sum(axis=1, keepdims=True))
    np.save(folder / "activations.npy", out.astype(np.float32))


def write_logits(folder: Path, length_s: int) -> None:
    """Logits of boundaries (n_frames,) and of labels (10, n_frames), with a section each 20 s."""
    random, n_frames = np.random.default_rng(length_s), length_s * FPS
    boundaries = random.normal(-5, 1, n_frames)
    boundaries[:: 20 * FPS] = random.normal(2, 1, len(boundaries[:: 20 * FPS]))
    np.save(folder / "boundaries.npy", boundaries.astype(np.float32))
    np.save(folder / "labels.npy", random.normal(0, 2, (10, n_frames)).astype(np.float32))


def madmom_dbn(folder: Path) -> Call:
    """The DBN of madmom over bars of three and four."""
    module = importlib.import_module("madmom.features.downbeats")
    processor = module.DBNDownBeatTrackingProcessor(beats_per_bar=[3, 4], fps=FPS)
    activations = np.load(folder / "activations.npy")
    return lambda: processor(activations).tolist()


def our_dbn(folder: Path) -> Call:
    """Ours."""
    module = importlib.import_module("stemline.postprocessing.dbn")
    tracker = module.DownbeatTracker(beats_per_bar=[3, 4], fps=FPS)
    activations = np.load(folder / "activations.npy")
    return lambda: tracker(activations).tolist()


def original_sections(folder: Path) -> Call:
    """All-In-One's boundaries and labels, from tensors as its network gives them."""
    torch = importlib.import_module("torch")
    functional = original_postprocessing("functional")
    logits = types.SimpleNamespace(
        logits_section=torch.from_numpy(np.load(folder / "boundaries.npy"))[None],
        logits_function=torch.from_numpy(np.load(folder / "labels.npy"))[None],
    )
    settings = types.SimpleNamespace(min_hops_per_beat=24, fps=FPS, hop_size=441, sample_rate=44100)
    return lambda: [
        (float(section.start), float(section.end), section.label)
        for section in functional.postprocess_functional_structure(logits, settings)
    ]


def our_sections(folder: Path) -> Call:
    """Ours."""
    module = importlib.import_module("stemline.postprocessing.sections")
    boundaries, labels = np.load(folder / "boundaries.npy"), np.load(folder / "labels.npy")
    return lambda: [
        (section.start, section.end, section.label)
        for section in module.find_sections(boundaries, labels)
    ]


def original_postprocessing(name: str) -> Any:
    """A module of `allin1.postprocessing`, without what its packages import and it does not use.

    Its tracker of beats is ours: whoever has madmom's changes one import. Raises ImportError.
    """
    if "allin1.postprocessing" not in sys.modules:
        _stand_in_for_packages()
    return importlib.import_module(f"allin1.postprocessing.{name}")


def _stand_in_for_packages() -> None:
    found = find_spec("allin1")
    if found is None or found.submodule_search_locations is None:
        raise ImportError("allin1 is not installed: pip install --no-deps allin1==1.1.0")
    folder = Path(next(iter(found.submodule_search_locations)))

    def stand_in(module_name: str, **contents: Any) -> None:
        module = types.ModuleType(module_name)
        vars(module).update(contents)
        sys.modules[module_name] = module

    def frames_to_time(frames: Any, sr: int, hop_length: int) -> Any:
        return np.asarray(frames) * hop_length / float(sr)

    tracker = importlib.import_module("stemline.postprocessing.dbn").DownbeatTracker
    our_labels = importlib.import_module("stemline.postprocessing.sections").HARMONIX_LABELS
    stand_in("librosa", frames_to_time=frames_to_time)
    stand_in("madmom", __path__=[])
    stand_in("madmom.features", __path__=[])
    stand_in("madmom.features.downbeats", DBNDownBeatTrackingProcessor=tracker)
    stand_in("allin1", __path__=[str(folder)])
    stand_in("allin1.config", Config=object, HARMONIX_LABELS=list(our_labels))
    stand_in("allin1.postprocessing", __path__=[str(folder / "postprocessing")])


WORK: dict[str, Callable[[Path], Call]] = {
    work.__name__: work for work in (madmom_dbn, our_dbn, original_sections, our_sections)
}


@dataclass(frozen=True)
class Comparison:
    """One line of the table: what goes in, and the two that take it."""

    row: str
    write: Callable[[Path, int], None]
    original: Callable[[Path], Call]
    by_madmom: bool
    """Whether the original runs in madmom's Python."""
    ours: Callable[[Path], Call]


COMPARISONS = (
    Comparison("dbn", write_music, madmom_dbn, True, our_dbn),
    Comparison("sections", write_logits, original_sections, False, our_sections),
)


def resident_mb(field: str) -> float:
    """VmRSS or VmHWM of this process, in units of 10⁶ bytes; Linux."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"/proc/self/status has no {field}")


def work(name: str, folder: Path) -> None:
    """Be one side: for each line of input do the work, and say what one call cost.

    The first line is one call; then a line is as many as take a twentieth of a second.
    """
    warnings.simplefilter("ignore")
    call, n_calls = WORK[name](folder), 1
    for _ in sys.stdin:
        before_mb, started_s = resident_mb("VmRSS"), time.process_time()
        for _ in range(n_calls):
            result = call()
        cpu_s = (time.process_time() - started_s) / n_calls
        growth_mb = resident_mb("VmHWM") - before_mb
        n_calls = max(1, round(0.05 / cpu_s))
        print(json.dumps({"cpu_s": cpu_s, "growth_mb": growth_mb, "result": result}), flush=True)


@contextmanager
def side(python: str, name: str, folder: Path) -> Iterator[Call]:
    """A process that does one side's work when called."""
    command = [python, "-P", str(Path(__file__).resolve()), "--work", name, str(folder)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **_ONE_THREAD},
    )
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise RuntimeError("a process has both pipes")

    def once() -> Any:
        stdin.write("\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise RuntimeError(f"{name} died with exit status {process.wait()}")
        return json.loads(line)

    with process:
        yield once


def compared(comparison: Comparison, length_s: int, rounds: int, madmom_python: str) -> Row:
    """One line of the table. Raises RuntimeError when a side dies."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        comparison.write(folder, length_s)
        python = madmom_python if comparison.by_madmom else sys.executable
        original = stack.enter_context(side(python, comparison.original.__name__, folder))
        ours = stack.enter_context(side(sys.executable, comparison.ours.__name__, folder))
        first, our_first = original(), ours()  # the first call is for the memory alone
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
        same_result=first["result"] == our_first["result"],
    )


def main() -> None:
    """Compare, and print JSON; the exit status is 1 when a result differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--madmom-python", default=".venv/madmom/bin/python")
    parser.add_argument("--rows", nargs="+", default=[each.row for each in COMPARISONS])
    parser.add_argument("--lengths-s", nargs="+", type=int, default=[30, 180, 600])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", nargs=2, metavar=("SIDE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work[0], Path(options.work[1]))
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rows = [
        compared(comparison, length_s, options.rounds, options.madmom_python)
        for comparison in COMPARISONS
        if comparison.row in options.rows
        for length_s in options.lengths_s
    ]
    print(json.dumps({"rows": [asdict(row) for row in rows]}, indent=2))
    sys.exit(not all(row.same_result for row in rows))


if __name__ == "__main__":
    main()
