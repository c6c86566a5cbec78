import numpy as np
import pytest

from stemline.bench.tracks import longest_track, n_chunks
from stemline.bench.worker import looped
from stemline.preprocessing.chunks import ChunkPlan, iter_chunks

PLANS = [ChunkPlan(40, hop) for hop in (20, 13, 10, 5, 2, 36)]


@pytest.mark.parametrize("plan", PLANS)
def test_chunks_are_counted_as_they_are_cut(plan: ChunkPlan) -> None:
    for n_samples in range(1, 6 * plan.chunk_samples):
        track = [np.zeros((2, n_samples), np.float32)]
        assert n_chunks(n_samples, plan) == len(list(iter_chunks(track, plan))), n_samples


@pytest.mark.parametrize("plan", PLANS)
def test_the_longest_track_of_so_many_chunks_cannot_be_longer(plan: ChunkPlan) -> None:
    for most in range(1, 80):
        n_samples = longest_track(most, plan)
        assert 1 <= n_chunks(n_samples, plan) <= most < n_chunks(n_samples + 1, plan)


@pytest.mark.parametrize("n_samples", [1, 99_999, 100_000, 100_001, 250_000])
def test_a_track_is_its_clip_over_and_over(n_samples: int) -> None:
    clip = np.arange(200_000, dtype=np.float32).reshape(2, 100_000)
    track = np.concatenate(list(looped(clip, n_samples)), axis=1)
    np.testing.assert_array_equal(track, np.tile(clip, 3)[:, :n_samples])
