"""Chunks without borders: as few as cover a track, handed over where networks know most."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from audiosep_helpers import SEPARATOR
from helpers import in_blocks, music, tiny_info

from stemline.arrays import Array
from stemline.families.audiosep.processing import chunk_layout, chunk_plan
from stemline.postprocessing.overlap_add import OverlapAdd, handover_window
from stemline.preprocessing.chunks import ChunkPlan, iter_chunks

CHUNK, HOP = 1000, 600
PLAN = ChunkPlan(CHUNK, HOP, has_borders=False)
SPOILED = 3 * (CHUNK - HOP) // 8


@dataclass
class Through:
    """A track through a network that changes nothing but the outer ends of chunks."""

    runs: int = 0
    held: int = 0

    def __call__(self, samples: Array, block: int) -> Iterator[Array]:
        add = OverlapAdd(
            1, len(samples), CHUNK, HOP, lambda **fades: handover_window(CHUNK, HOP, **fades)
        )
        for chunk in iter_chunks(in_blocks(samples, block), PLAN):
            self.runs += 1
            out = chunk.samples.copy()
            if not chunk.first:
                out[:, :SPOILED] = 1e9
            if not chunk.last:
                out[:, -SPOILED:] = -1e9
            yield add.add(
                out[np.newaxis], chunk.start, chunk.valid, chunk.first, chunk.last,
                chunk.final_until,
            )[0]  # fmt: skip


@pytest.mark.parametrize("block", [1, 999, 1000, 5000])
@pytest.mark.parametrize(
    ("n_samples", "runs"),
    [(1, 1), (2, 1), (999, 1), (1000, 1), (1001, 2), (1600, 2), (1601, 3), (5200, 8), (5201, 9)],
)
def test_as_few_chunks_as_cover_the_track_and_their_ends_do_not_count(
    n_samples: int, runs: int, block: int
) -> None:
    """The original runs every chunk in the interior twice, and none for a track of one."""
    samples = music(n_samples)
    through = Through()
    got = np.concatenate(list(through(samples, block)), axis=1)
    np.testing.assert_allclose(got, samples, atol=1e-6)
    assert through.runs == runs


def test_the_weights_of_neighbours_add_up_to_one() -> None:
    window = handover_window(CHUNK, HOP)
    np.testing.assert_allclose(window[HOP:] + window[: CHUNK - HOP], 1, atol=1e-6)
    assert not np.any(window[:SPOILED]) and not np.any(window[-SPOILED:])
    assert np.all(handover_window(CHUNK, HOP, fade_in=False)[:HOP] == 1)
    assert np.all(handover_window(CHUNK, HOP, fade_out=False)[-HOP:] == 1)


def test_the_layout_counts_what_is_run() -> None:
    info = replace(
        tiny_info(sample_rate_hz=32000),
        chunk_samples=SEPARATOR.chunk_samples,
        default_overlap=SEPARATOR.default_overlap,
    )
    layout, plan = chunk_layout(info), chunk_plan(info)
    for n_samples in (0, 1, 7999, 8000, 8001, 12800, 12801, 40_000):
        n_chunks = len(list(iter_chunks(in_blocks(music(n_samples, 1), 1111), plan)))
        assert layout.n_pieces(n_samples) == n_chunks
    for most in (1, 2, 5):
        longest = layout.longest_track(most)
        assert (layout.n_pieces(longest), layout.n_pieces(longest + 1)) == (most, most + 1)
