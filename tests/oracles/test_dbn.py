"""Beats and their numbers are madmom's, on more than a thousand tracks.

Paths of equal probability are told apart by the last bit, and numpy's logarithms differ there
from version to version and from processor to processor. So both sides run with the C library's,
which numpy takes when it is told to leave AVX-512 alone; then nothing may differ, log
probabilities included. Tracks like music have no such ties: on these our beats with the
logarithms of this process are compared too.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from activation_helpers import ADVERSARIAL, FPS, REALISTIC, activations

from stemline.postprocessing.dbn import DownbeatTracker

pytestmark = pytest.mark.oracles

HERE = Path(__file__).parent
MADMOM = Path(os.environ.get("MADMOM_PYTHON", HERE.parents[1] / ".venv/madmom/bin/python"))
LIBRARY_LOGARITHMS = {
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL "
    "X86_V4",
    "PYTHONWARNINGS": "ignore",  # of features that one of the two numpys does not know
    "OMP_NUM_THREADS": "1",
}
N_PROCESSES = min(4, os.cpu_count() or 1)

DEFAULTS: dict[str, Any] = {"beats_per_bar": [3, 4], "fps": 100}
BAR_OPTIONS: list[dict[str, Any]] = [
    {"correct": False},
    {"threshold": 0},
    {"threshold": 0.3},
    {"beats_per_bar": [4]},
    {"beats_per_bar": [2, 3, 4, 5, 6, 7], "num_tempi": 20},
    {"beats_per_bar": [1, 9], "num_tempi": 15, "correct": False},
    {"num_tempi": None},
    {"transition_lambda": 5},
    {"transition_lambda": [100, 300], "num_tempi": [60, 30]},
    {"transition_lambda": None},
    {"transition_lambda": 0, "num_tempi": 20},
    {"observation_lambda": 4},
    {"observation_lambda": 2, "min_bpm": [40, 80], "max_bpm": [180, 300]},
    {"fps": 50, "observation_lambda": 6},
    {"fps": 31.25, "max_bpm": 400, "num_tempi": 25},  # intervals below any block of frames
    {"fps": 10, "min_bpm": 60, "max_bpm": 600, "num_tempi": None, "transition_lambda": 2},
]
PLAIN_OPTIONS: list[dict[str, Any]] = [
    {},
    {"correct": False},
    {"threshold": 0.1, "num_tempi": 40},
    {"observation_lambda": 4, "transition_lambda": 20, "correct": False},
    {"fps": 50, "min_bpm": 80, "max_bpm": 160},
    {"fps": 20, "max_bpm": 1200, "transition_lambda": 3, "observation_lambda": 1},
]


@dataclass(frozen=True)
class Case:
    """A track and the parameters it is decoded with."""

    name: str
    group: str
    kind: str
    options: dict[str, Any]
    activations: Any


def default_cases() -> Iterator[Case]:
    lengths_s = np.random.default_rng(1).uniform(10, 13, 1050)
    for seed, length_s in enumerate(lengths_s):
        group, kinds = ("realistic", REALISTIC) if seed % 2 else ("adversarial", ADVERSARIAL)
        make = kinds[seed // 2 % len(kinds)]
        heard = activations(make, seed // 2, int(length_s * FPS))
        yield Case(f"{group}-{seed}-{make.__name__}", group, "bars", DEFAULTS, heard)


def long_cases() -> Iterator[Case]:
    for seed, (make, length_s) in enumerate(
        [(REALISTIC[0], 600), (REALISTIC[1], 300), (ADVERSARIAL[0], 300)]
        + [(make, 180) for make in REALISTIC]
        + [(make, 60) for make in ADVERSARIAL]
    ):
        name = f"long-{length_s}-{make.__name__}"
        yield Case(name, "long", "bars", DEFAULTS, activations(make, seed, length_s * FPS))


def short_cases() -> Iterator[Case]:
    for n_frames in (1, 2, 3, 5, 27, 28, 29, 30, 63, 64, 65, 120, 400):
        for seed, make in enumerate([*REALISTIC, *ADVERSARIAL]):
            name = f"short-{n_frames}-{make.__name__}"
            yield Case(name, "short", "bars", DEFAULTS, activations(make, seed, n_frames))


def parameter_cases() -> Iterator[Case]:
    kinds = [*REALISTIC, *REALISTIC, *REALISTIC, *ADVERSARIAL]
    for number, options in enumerate(BAR_OPTIONS):
        for seed in range(12):
            make = kinds[(5 * number + seed) % len(kinds)]
            heard = activations(make, seed, 1200)
            name = f"bars-{number}-{seed}-{make.__name__}"
            yield Case(name, "parameters", "bars", {**DEFAULTS, **options}, heard)
    for number, options in enumerate(PLAIN_OPTIONS):
        for seed in range(20):
            make = kinds[(5 * number + seed) % len(kinds)]
            heard = np.ascontiguousarray(activations(make, seed, 1500).max(axis=1))
            name = f"plain-{number}-{seed}-{make.__name__}"
            yield Case(name, "plain", "plain", {"fps": 100, **options}, heard)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [*default_cases(), *long_cases(), *short_cases(), *parameter_cases()]


def run_on(python: str | Path, script: str, folders: list[Path]) -> None:
    running = [
        subprocess.Popen([python, HERE / script, folder], env={**os.environ, **LIBRARY_LOGARITHMS})
        for folder in folders
    ]
    codes = [process.wait() for process in running]
    assert not any(codes), f"{script} failed"


@pytest.fixture(scope="module")
def folder_of(cases: list[Case], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where each case's results are."""
    if not MADMOM.exists():
        pytest.fail(f"{MADMOM} is not there; make test-oracles makes it")
    # The longest first, and by turns: all processes end at about the same time.
    ordered = sorted(cases, key=lambda case: -len(case.activations))
    folders, where = [], {}
    for number in range(N_PROCESSES):
        folder = tmp_path_factory.mktemp("cases")
        mine = ordered[number::N_PROCESSES]
        for case in mine:
            np.save(folder / f"{case.name}.npy", case.activations)
            where[case.name] = folder
        told = [{"name": case.name, "kind": case.kind, "options": case.options} for case in mine]
        (folder / "cases.json").write_text(json.dumps(told))
        folders.append(folder)
    run_on(MADMOM, "madmom_dbn.py", folders)
    run_on(sys.executable, "stemline_dbn.py", folders)
    return where


def madmom_beats(case: Case, folder: Path) -> Any:
    """As 0.17, which gives no beats where 0.16.1 finds no path and fails."""
    path = folder / f"{case.name}.beats.npy"
    if path.exists():
        return np.load(path)
    return np.empty((0, 2) if case.kind == "bars" else 0)


def test_there_are_a_thousand_tracks_and_most_have_beats(
    cases: list[Case], folder_of: dict[str, Path]
) -> None:
    default = [case for case in cases if case.options == DEFAULTS]
    assert sum(len(case.activations) >= 10 * FPS for case in default) >= 1000
    with_beats = sum(len(madmom_beats(case, folder_of[case.name])) > 0 for case in cases)
    assert with_beats >= 0.6 * len(cases)


@pytest.mark.parametrize(
    "group", ["realistic", "adversarial", "long", "short", "parameters", "plain"]
)
def test_beats_and_numbers_are_madmoms(
    group: str, cases: list[Case], folder_of: dict[str, Path]
) -> None:
    mine = [case for case in cases if case.group == group]
    different = [
        case.name
        for case in mine
        if not np.array_equal(
            np.load(folder_of[case.name] / f"{case.name}.ours.npy"),
            madmom_beats(case, folder_of[case.name]),
        )
    ]
    assert mine and not different


def test_log_probabilities_are_madmoms_to_the_last_bit_by_every_way(
    cases: list[Case], folder_of: dict[str, Path]
) -> None:
    for case in cases:
        folder = folder_of[case.name]
        theirs = np.load(folder / f"{case.name}.log_probabilities.npy")
        for ours in np.load(folder / f"{case.name}.our_log_probabilities.npy"):
            np.testing.assert_array_equal(ours, theirs, err_msg=case.name)


def test_tracks_like_music_have_madmoms_beats_with_any_logarithm(
    cases: list[Case], folder_of: dict[str, Path]
) -> None:
    tracker = DownbeatTracker(**DEFAULTS)
    for case in cases:
        if case.group == "realistic":
            wanted = madmom_beats(case, folder_of[case.name])
            np.testing.assert_array_equal(tracker(case.activations), wanted, err_msg=case.name)
