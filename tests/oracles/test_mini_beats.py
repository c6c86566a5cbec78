"""Our scores of beats and sections beside mir_eval's."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from stemline.evaluation.beat_scores import (
    BEAT_WINDOW_S,
    boundary_f_measure,
    f_measure,
    inner_boundary_f_measure,
)

pytestmark = pytest.mark.oracles


@pytest.fixture(scope="module")
def mir_eval() -> Any:
    """Imported when a test runs: tests are collected where it is not installed, too."""
    return import_module("mir_eval")


def events(rng: np.random.Generator, grid_s: float) -> np.ndarray:
    """Ascending times, often closer than a window, on a grid so that some lie on its very edge."""
    n = int(rng.integers(1, 60))
    return np.unique(np.round(rng.uniform(0, 8, n) / grid_s) * grid_s)


@pytest.mark.parametrize("seed", range(300))
def test_beats_score_as_in_mir_eval(seed: int, mir_eval: Any) -> None:
    rng = np.random.default_rng(seed)
    grid_s = float(rng.choice([1e-6, 0.01, 0.07]))
    reference, found = events(rng, grid_s), events(rng, grid_s)
    # Both divide whole numbers of matches; they may only round differently.
    wanted = mir_eval.beat.f_measure(reference, found, BEAT_WINDOW_S)
    assert f_measure(reference, found) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("window_s", [0.5, 3.0])
@pytest.mark.parametrize("seed", range(60))
def test_boundaries_score_as_in_mir_eval(seed: int, window_s: float, mir_eval: Any) -> None:
    rng = np.random.default_rng(seed)
    duration_s = 90.0
    starts = [
        np.unique(np.append(0.0, np.round(rng.uniform(1, 89, int(rng.integers(1, 12))), 6)))
        for _ in range(2)
    ]
    intervals = [np.stack([s, np.append(s[1:], duration_s)], 1) for s in starts]
    for trim in (False, True):
        wanted = mir_eval.segment.detection(*intervals, window=window_s, trim=trim)[2]
        found = (
            inner_boundary_f_measure(*starts, window_s)
            if trim
            else boundary_f_measure(*starts, duration_s, window_s)
        )
        assert found == pytest.approx(wanted, abs=1e-12)
