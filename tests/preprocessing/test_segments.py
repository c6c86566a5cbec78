import random
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from stemline.arrays import Array
from stemline.errors import OverlapError
from stemline.preprocessing.segments import (
    Segment,
    SegmentPlan,
    iter_segments,
    segment_hop_samples,
    shift_leads,
)

SEGMENT = 100
OVERLAPS = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 2, 4, 16]
# What the network takes in: any length, a segment, more than a segment.
NETWORKS = [None, SEGMENT, SEGMENT + 37]
LENGTHS = [1, 2, 24, 25, 26, 49, 50, 51, 74, 75, 76, 99, 100, 101, 174, 175, 176, 250, 723]


def plan_for(overlap: float, network: int | None = SEGMENT) -> SegmentPlan:
    return SegmentPlan(SEGMENT, segment_hop_samples(SEGMENT, overlap), network)


def noise(n_samples: int, channels: int = 2, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((channels, n_samples)).astype(np.float32)


def random_blocks(track: Array, longest: int, seed: int = 0) -> Iterator[Array]:
    sizes = np.random.default_rng(seed)
    at = 0
    while at < track.shape[1]:
        size = int(sizes.integers(0, longest + 1))
        yield track[:, at : at + size]
        at += size


def whole_track_segments(track: Array, plan: SegmentPlan, lead: int = 0) -> list[Segment]:
    """The rule of `iter_segments`, written over the whole array between two seas of zeros."""
    sea = 2 * SEGMENT
    led = np.pad(track, ((0, 0), (lead, 0)))
    length = led.shape[1]
    wide = np.pad(led, ((0, 0), (sea, sea)))
    segments = []
    for start in range(0, length, plan.hop_samples):
        valid = min(plan.segment_samples, length - start)
        if plan.network_samples is None:
            skip, samples = 0, led[:, start : start + valid]
        else:
            skip = (plan.segment_samples - valid) // 2
            low = sea + start - skip
            samples = wide[:, low : low + plan.segment_samples]
            missing = plan.network_samples - plan.segment_samples
            samples = np.pad(samples, ((0, 0), (0, missing)))
        final_until = max(0, min(start + plan.hop_samples, length) - lead)
        segments.append(Segment(samples, start - lead, valid, skip, final_until, 0))
    return segments


def check_same(found: list[Segment], wanted: list[Segment]) -> None:
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(ours.samples, theirs.samples)
        for name in ("start", "valid", "skip", "final_until"):
            assert getattr(ours, name) == getattr(theirs, name), (ours.start, name)


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("longest_block", [1, 13, 1000])
def test_segments_of_a_stream_are_those_of_the_whole_track(
    overlap: float, network: int | None, longest_block: int
) -> None:
    plan = plan_for(overlap, network)
    for n_samples in LENGTHS:
        track = noise(n_samples)
        blocks = random_blocks(track, longest_block, seed=n_samples)
        check_same(list(iter_segments(blocks, plan)), whole_track_segments(track, plan))


@pytest.mark.parametrize("segment", [1, 2, 3, 9])
def test_tiny_segments_follow_the_same_rule(segment: int) -> None:
    for hop in range(1, segment + 1):
        for network in (None, segment, segment + 2):
            plan = SegmentPlan(segment, hop, network)
            for n_samples in range(1, 3 * segment + 2):
                track = noise(n_samples, channels=1)
                check_same(list(iter_segments([track], plan)), whole_track_segments(track, plan))


def test_a_short_segment_is_centred_in_the_track_around_it() -> None:
    """NETWORKS' example: 2,000 samples at 18,000 of 20,000 in 8,000."""
    track = np.arange(1, 20_001, dtype=np.float32)[np.newaxis]
    last = list(iter_segments([track], SegmentPlan(8000, 6000, 8000)))[-1]
    assert (last.start, last.valid, last.skip) == (18_000, 2000, 3000)
    np.testing.assert_array_equal(last.samples[0, :5000], track[0, 15_000:])
    assert (last.samples[0, 5000:] == 0).all()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("overlap", [0.25, 0.9])
def test_each_shift_is_the_track_with_zeros_in_front(network: int | None, overlap: float) -> None:
    plan, leads = plan_for(overlap, network), (0, 1, 63, 250)
    for n_samples in (1, 99, 100, 333):
        track = noise(n_samples)
        found = list(iter_segments(random_blocks(track, 20), plan, leads))
        for shift, lead in enumerate(leads):
            ours = [segment for segment in found if segment.shift == shift]
            check_same(ours, whole_track_segments(track, plan, lead))


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_final_blocks_tile_the_track(overlap: float) -> None:
    for n_samples in LENGTHS:
        for lead in (0, 30, 200):
            segments = iter_segments([noise(n_samples)], plan_for(overlap), (lead,))
            ends = [segment.final_until for segment in segments]
            assert ends == sorted(ends)
            assert ends[-1] == n_samples


@pytest.mark.parametrize("overlap", [0, 0.25, 0.9])
def test_a_segment_comes_as_soon_as_its_samples_are_known(overlap: float) -> None:
    track, seen = noise(1000), 0

    def one_by_one() -> Iterator[Array]:
        nonlocal seen
        for i in range(track.shape[1]):
            seen += 1
            yield track[:, i : i + 1]

    for segment in iter_segments(one_by_one(), plan_for(overlap)):
        assert seen == min(1000, segment.start + SEGMENT)


def test_segments_do_not_share_memory_with_what_comes_later() -> None:
    plan, track = plan_for(0.25), noise(1000)
    kept = list(iter_segments(random_blocks(track, 30), plan))
    check_same(kept, whole_track_segments(track, plan))


@pytest.mark.parametrize("network", [None, 10_000])
def test_memory_does_not_grow_with_the_track(network: int | None) -> None:
    plan = SegmentPlan(10_000, 7500, network)
    block = noise(1000)
    tracemalloc.start()
    try:
        for _ in iter_segments((block for _ in range(500)), plan):
            pass
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # One and a half segments are kept, two are on their way out, one is moved along.
    assert peak_bytes < 5 * 10_000 * 2 * 4


@pytest.mark.parametrize("blocks", [[], [np.zeros((2, 0), np.float32)] * 3])
def test_an_empty_track_has_no_segments(blocks: list[Array]) -> None:
    assert list(iter_segments(blocks, plan_for(0.25), (0, 50))) == []


def test_a_change_of_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="1 channels in a track of 2"):
        list(iter_segments([noise(10), noise(10, channels=1)], plan_for(0.25)))


def test_a_hop_is_what_the_overlap_leaves_of_a_segment() -> None:
    # (1 − f) · 7.8 s as `apply_model` rounds it, and N as everywhere else.
    assert segment_hop_samples(343_980, 0.25) == 257_985
    assert segment_hop_samples(1_940_400, 0.25) == 1_455_300
    assert segment_hop_samples(343_980, 0) == 343_980
    assert segment_hop_samples(343_980, 0.1) == int((1 - 0.1) * 343_980)
    assert segment_hop_samples(343_980, 4) == 85_995


@pytest.mark.parametrize("overlap", [1, 1.5, 2.5, -0.1, -1, float("nan"), float("inf"), 101, 0.999])
def test_an_overlap_that_means_nothing_is_refused_by_its_name(overlap: float) -> None:
    with pytest.raises(OverlapError, match=f"overlap.*{overlap:g}"):
        segment_hop_samples(SEGMENT, overlap)


@pytest.mark.parametrize("hop", [0, -1, SEGMENT + 1])
def test_a_plan_with_gaps_is_refused(hop: int) -> None:
    with pytest.raises(OverlapError, match="the hop must be 1 to 100"):
        SegmentPlan(SEGMENT, hop, SEGMENT)


def test_a_segment_longer_than_the_network_takes_in_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than the 99 the network takes in"):
        SegmentPlan(SEGMENT, SEGMENT, SEGMENT - 1)


def test_shifts_are_within_half_a_second_and_the_same_for_the_same_seed() -> None:
    leads = shift_leads(200, 44_100, random.Random(7))
    assert leads == shift_leads(200, 44_100, random.Random(7))
    assert leads != shift_leads(200, 44_100, random.Random(8))
    assert len(set(leads)) > 150
    assert 0 <= min(leads) < 1000 and 21_000 < max(leads) <= 22_050


def test_no_shifts_are_the_track_as_it_is() -> None:
    assert shift_leads(0, 44_100, random.Random(7)) == (0,)
