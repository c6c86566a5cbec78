import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from stemline.errors import OverlapError
from stemline.preprocessing.chunks import Chunk, ChunkPlan, hop_samples_for, iter_chunks

CHUNK = 100
OVERLAPS = [2, 4, 6, 8, 16, 0.3, 0.5, 0.9, 0.97]


def plan_for(overlap: float, chunk_samples: int = CHUNK) -> ChunkPlan:
    return ChunkPlan(chunk_samples, hop_samples_for(chunk_samples, overlap))


def lengths_for(plan: ChunkPlan) -> list[int]:
    """Every length at which the rule changes its mind, and some long ones."""
    chunk, hop, border = plan.chunk_samples, plan.hop_samples, plan.border_samples
    around = [hop, chunk // 2, chunk, border, 2 * border, border + hop, 2 * border + hop]
    near = {edge + by for edge in around for by in (-1, 0, 1)}
    return sorted(n for n in near | {1, 2, 3 * chunk, 5 * chunk + 17, 723} if n > 0)


def noise(n_samples: int, channels: int = 2, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((channels, n_samples)).astype(np.float32)


def random_blocks(
    track: NDArray[np.float32], longest: int, seed: int = 0
) -> Iterator[NDArray[np.float32]]:
    sizes = np.random.default_rng(seed)
    at = 0
    while at < track.shape[1]:
        size = int(sizes.integers(0, longest + 1))
        yield track[:, at : at + size]
        at += size


def whole_track_chunks(track: NDArray[np.float32], plan: ChunkPlan) -> list[Chunk]:
    """The rule of `iter_chunks`, written over the whole array, chunks behind the end included."""
    chunk, hop, border = plan.chunk_samples, plan.hop_samples, plan.border_samples
    n_samples = track.shape[1]
    bordered = n_samples > 2 * border
    if bordered:
        track = np.pad(track, ((0, 0), (border, border)), mode="reflect")
    shift = border if bordered else 0
    chunks = []
    for i in range(0, track.shape[1], hop):
        part = track[:, i : i + chunk]
        valid = part.shape[1]
        mode = "reflect" if valid > chunk // 2 else "constant"
        is_last = i + hop >= track.shape[1]
        chunks.append(
            Chunk(
                samples=np.pad(part, ((0, 0), (0, chunk - valid)), mode=mode),  # type: ignore[call-overload]
                start=i - shift,
                valid=valid,
                first=i == 0,
                last=is_last and i > 0,
                final_until=min(max(0, i - shift + hop), n_samples),
            )
        )
    return chunks


def test_a_plan_is_cut_as_the_overlap_says() -> None:
    # (overlap, hop): N is chunk // N, a fraction is int(chunk · (1 − f)).
    assert [hop_samples_for(261120, n) for n in (2, 4, 8, 16)] == [130560, 65280, 32640, 16320]
    assert [hop_samples_for(1000, f) for f in (0.25, 0.5, 0.75)] == [750, 500, 250]
    assert hop_samples_for(1000, 7) == 142
    assert plan_for(4).border_samples == 75


@pytest.mark.parametrize(
    "overlap", [0, 1, 1.5, 2.5, -1, -4, float("nan"), float("inf"), 0.05, 101, 0.999]
)
def test_an_overlap_that_means_nothing_is_refused_by_its_name(overlap: float) -> None:
    with pytest.raises(OverlapError, match=f"overlap.*{overlap:g}"):
        hop_samples_for(CHUNK, overlap)


def test_the_smallest_fraction_just_lets_the_fades_meet() -> None:
    assert hop_samples_for(1000, 0.1) == 900
    with pytest.raises(OverlapError, match=r"at least 0\.1"):
        hop_samples_for(1000, 0.099)


@pytest.mark.parametrize("hop", [0, -1, CHUNK, CHUNK + 1])
def test_a_plan_without_overlap_is_refused(hop: int) -> None:
    with pytest.raises(OverlapError):
        ChunkPlan(CHUNK, hop)


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("longest_block", [1, 13, 64, 1000])
def test_chunks_of_a_stream_are_those_of_the_whole_track(
    overlap: float, longest_block: int
) -> None:
    plan = plan_for(overlap)
    for n_samples in lengths_for(plan):
        track = noise(n_samples)
        wanted = [c for c in whole_track_chunks(track, plan) if c.start < n_samples]
        found = list(iter_chunks(random_blocks(track, longest_block, seed=n_samples), plan))
        assert len(found) == len(wanted)
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(ours.samples, theirs.samples)
            for name in ("start", "valid", "first", "last", "final_until"):
                assert getattr(ours, name) == getattr(theirs, name), (n_samples, name)


@pytest.mark.parametrize("chunk_samples", [2, 3, 9, 11, 101])
def test_odd_and_tiny_chunks_follow_the_same_rule(chunk_samples: int) -> None:
    for hop in {1, chunk_samples // 2, chunk_samples - 1}:
        plan = ChunkPlan(chunk_samples, hop)
        for n_samples in range(1, 4 * chunk_samples):
            track = noise(n_samples, channels=1)
            wanted = [c for c in whole_track_chunks(track, plan) if c.start < n_samples]
            found = list(iter_chunks([track], plan))
            assert [c.start for c in found] == [c.start for c in wanted]
            for ours, theirs in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(ours.samples, theirs.samples)
                assert (ours.valid, ours.last, ours.final_until) == (
                    theirs.valid,
                    theirs.last,
                    theirs.final_until,
                )


@pytest.mark.parametrize("blocks", [[], [np.zeros((2, 0), np.float32)] * 3])
def test_an_empty_track_has_no_chunks(blocks: list[NDArray[np.float32]]) -> None:
    assert list(iter_chunks(blocks, plan_for(4))) == []


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_final_blocks_tile_the_track(overlap: float) -> None:
    plan = plan_for(overlap)
    for n_samples in lengths_for(plan):
        ends = [chunk.final_until for chunk in iter_chunks([noise(n_samples)], plan)]
        assert ends == sorted(ends)
        assert ends[-1] == n_samples


@pytest.mark.parametrize("overlap", [2, 4, 16, 0.3])
def test_a_chunk_comes_as_soon_as_its_samples_are_known(overlap: float) -> None:
    """The n-th chunk needs the borders decided (2 · border + 1 samples) and its own samples."""
    plan = plan_for(overlap)
    track = noise(1000)
    seen = 0

    def one_by_one() -> Iterator[NDArray[np.float32]]:
        nonlocal seen
        for i in range(track.shape[1]):
            seen += 1
            yield track[:, i : i + 1]

    for n, chunk in enumerate(iter_chunks(one_by_one(), plan)):
        if chunk.start + plan.chunk_samples <= track.shape[1]:
            assert seen == max(2 * plan.border_samples + 1, (n + 1) * plan.hop_samples)


def test_chunks_do_not_share_memory_with_what_comes_later() -> None:
    plan = plan_for(4)
    track = noise(1000)
    kept = list(iter_chunks(random_blocks(track, 30), plan))
    inside = [c for c in kept if c.start >= 0 and c.start + CHUNK <= 1000]
    for chunk in inside:
        np.testing.assert_array_equal(chunk.samples, track[:, chunk.start : chunk.start + CHUNK])


@pytest.mark.parametrize("overlap", [2, 16])
def test_memory_does_not_grow_with_the_track(overlap: float) -> None:
    plan = plan_for(overlap, chunk_samples=10_000)
    block = noise(1000)
    tracemalloc.start()
    try:
        for _ in iter_chunks((block for _ in range(500)), plan):
            pass
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A chunk and two borders are kept, two chunks are on their way out, one is moved along.
    assert peak_bytes < 7 * 10_000 * 2 * 4


def test_a_change_of_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="1 channels in a track of 2"):
        list(iter_chunks([noise(10), noise(10, channels=1)], plan_for(4)))
