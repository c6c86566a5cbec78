"""Whole tracks through several passes: weights, shifts and the order of what comes out."""

import random

import numpy as np
import pytest

from stemline.arrays import Array
from stemline.preprocessing.segments import SegmentPlan
from stemline.serving.passes import SegmentPasses, Shifts

RATE = 1000
PLAN = SegmentPlan(100, 75, 100)


def run(passes: SegmentPasses, track: Array, gains: dict[int, tuple[float, ...]]) -> Array:
    """A track (1, n) in blocks of 33 samples; network m gives gains[m][s] · x."""
    blocks = [track[:, start : start + 33] for start in range(0, track.shape[1], 33)]
    out = []
    for samples, cut in passes.cut(blocks):
        gain = np.array(gains[cut.member], np.float32)[list(cut.stems or ())]
        out.append(passes.add(cut, gain[:, None, None] * samples))
    return np.concatenate(out, axis=-1)


def track_of(n_samples: int) -> Array:
    return np.random.default_rng(1).standard_normal((1, n_samples)).astype(np.float32)


@pytest.mark.parametrize("n_samples", [1, 74, 75, 76, 99, 100, 101, 333, 1000])
@pytest.mark.parametrize("n_shifts", [0, 1, 3])
def test_stems_are_the_weighted_mean_of_the_networks(n_samples: int, n_shifts: int) -> None:
    """(Σ w·g / Σ w)·x, whatever the shifts: a gain does not depend on where a segment begins."""
    weights = [[1.0, 0.0, 2.0], [0.0, 0.0, 0.0], [3.0, 0.5, 2.0]]
    gains = {0: (1.0, 100.0, -1.0), 2: (2.0, 0.25, 3.0)}  # the second counts for nothing
    passes = SegmentPasses(PLAN, weights, Shifts(n_shifts, 9), 1, RATE)
    track = track_of(n_samples)
    got = run(passes, track, gains)
    wanted = np.array([(1 + 3 * 2) / 4, 0.25, (-2 + 6) / 4])[:, None, None] * track
    # Float32 sums of up to eight products.
    np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-6 * np.abs(track).max())


def test_every_network_has_shifts_of_its_own() -> None:
    passes = SegmentPasses(PLAN, [[1.0], [1.0]], Shifts(2, 5), 1, RATE)
    first: dict[tuple[int, int], int] = {}
    for _, cut in passes.cut([track_of(400)]):
        first.setdefault((cut.member, cut.place.shift), cut.place.start)  # type: ignore[union-attr]
    drawn = random.Random(5)
    offsets = [drawn.randint(0, RATE // 2) for _ in range(4)]
    assert [member for member, _ in first] == [0, 0, 1, 1]
    # Lead: half a second less the offset; the first segment begins so far before the track.
    assert [-start for start in first.values()] == [RATE // 2 - offset for offset in offsets]
    assert len(set(offsets)) == 4
