import numpy as np
import pytest

from stemline.bench.worker import looped
from stemline.families.separation import PieceLayout
from stemline.preprocessing.chunks import ChunkPlan, iter_chunks

PLANS = [ChunkPlan(40, hop) for hop in (20, 13, 10, 5, 2, 36)]


def layout_of(plan: ChunkPlan) -> PieceLayout:
    return PieceLayout(plan.chunk_samples, plan.hop_samples, plan.border_samples)


@pytest.mark.parametrize("plan", PLANS)
def test_pieces_are_counted_as_they_come(plan: ChunkPlan) -> None:
    layout = layout_of(plan)
    for n_samples in range(1, 6 * plan.chunk_samples):
        track = [np.zeros((2, n_samples), np.float32)]
        assert layout.n_pieces(n_samples) == len(list(iter_chunks(track, plan))), n_samples


@pytest.mark.parametrize("layout", [*map(layout_of, PLANS), PieceLayout(40, 30)])
def test_the_longest_track_of_so_many_pieces_cannot_be_longer(layout: PieceLayout) -> None:
    for most in range(1, 80):
        n_samples = layout.longest_track(most)
        assert 1 <= layout.n_pieces(n_samples) <= most < layout.n_pieces(n_samples + 1)


@pytest.mark.parametrize("n_samples", [1, 99_999, 100_000, 100_001, 250_000])
def test_a_track_is_its_clip_over_and_over(n_samples: int) -> None:
    clip = np.arange(200_000, dtype=np.float32).reshape(2, 100_000)
    track = np.concatenate(list(looped(clip, n_samples)), axis=1)
    np.testing.assert_array_equal(track, np.tile(clip, 3)[:, :n_samples])
