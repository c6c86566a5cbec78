import numpy as np
import pytest

from stemline.arrays import Array
from stemline.postprocessing.triangle_add import TriangleAdd, triangle
from stemline.preprocessing.segments import SegmentPlan, iter_segments, segment_hop_samples

SEGMENT = 100
OVERLAPS = [0, 0.1, 0.25, 0.5, 0.75, 0.9]
NETWORKS = [None, SEGMENT, SEGMENT + 37]
LENGTHS = [1, 2, 25, 49, 51, 74, 75, 76, 99, 100, 101, 174, 175, 176, 723]
N_STEMS = 3


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def network(samples: Array) -> Array:
    """(channels, n) -> (stems, channels, n), no shift commutes with it, and context is heard."""
    weights = noise(N_STEMS, 1, 300, seed=1)[..., : samples.shape[-1]]
    return weights * samples + samples.mean(dtype=np.float32)


def whole_track(track: Array, plan: SegmentPlan) -> Array:
    """`apply_model` with `split` over the whole array, from its description."""
    result = np.zeros((N_STEMS, *track.shape), np.float32)
    total = np.zeros(track.shape[1], np.float32)
    half = SEGMENT // 2
    weights = np.array([*range(1, half + 1), *range(SEGMENT - half, 0, -1)], np.float32)
    weights /= weights.max()
    sea = np.pad(track, ((0, 0), (SEGMENT, 2 * SEGMENT)))
    for start in range(0, track.shape[1], plan.hop_samples):
        valid = min(SEGMENT, track.shape[1] - start)
        skip = 0 if plan.network_samples is None else (SEGMENT - valid) // 2
        length = valid if plan.network_samples is None else SEGMENT
        low = SEGMENT + start - skip
        part = sea[:, low : low + length]
        if plan.network_samples is not None:
            part = np.pad(part, ((0, 0), (0, plan.network_samples - SEGMENT)))
        stems = network(part)[..., skip : skip + valid]
        result[..., start : start + valid] += stems * weights[:valid]
        total[start : start + valid] += weights[:valid]
    return result / total


def streamed(track: Array, plan: SegmentPlan, lead: int = 0) -> tuple[Array, list[int]]:
    """The same through `iter_segments` and `TriangleAdd`: the result and its blocks' lengths."""
    adder = TriangleAdd(N_STEMS, track.shape[0], plan.segment_samples, plan.hop_samples)
    blocks = [
        adder.add(network(s.samples), s.start, s.valid, s.skip, s.final_until)
        for s in iter_segments([track], plan, (lead,))
    ]
    return np.concatenate(blocks, axis=-1), [block.shape[-1] for block in blocks]


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("taken", NETWORKS)
def test_streaming_gives_exactly_what_the_whole_track_gives(
    overlap: float, taken: int | None
) -> None:
    plan = SegmentPlan(SEGMENT, segment_hop_samples(SEGMENT, overlap), taken)
    for n_samples in LENGTHS:
        track = noise(2, n_samples, seed=n_samples)
        # Equal to the bit: the same additions in the same order.
        np.testing.assert_array_equal(streamed(track, plan)[0], whole_track(track, plan))


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("lead", [1, 30, 99, 250])
def test_what_comes_before_the_track_is_cut_away(overlap: float, lead: int) -> None:
    plan = SegmentPlan(SEGMENT, segment_hop_samples(SEGMENT, overlap), SEGMENT)
    for n_samples in LENGTHS:
        track = noise(2, n_samples, seed=n_samples)
        led = np.pad(track, ((0, 0), (lead, 0)))
        wanted = whole_track(led, plan)[..., lead:]
        np.testing.assert_array_equal(streamed(track, plan, lead)[0], wanted)


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("n_samples", [1, 49, 51, 99, 101, 201, 1234])
def test_a_network_that_changes_nothing_gives_the_track_back(
    overlap: float, n_samples: int
) -> None:
    plan = SegmentPlan(SEGMENT, segment_hop_samples(SEGMENT, overlap), SEGMENT)
    track = noise(2, n_samples)
    adder = TriangleAdd(1, 2, plan.segment_samples, plan.hop_samples)
    blocks = [
        adder.add(s.samples[np.newaxis], s.start, s.valid, s.skip, s.final_until)
        for s in iter_segments([track], plan)
    ]
    # A mean of up to 10 equal numbers in float32.
    np.testing.assert_allclose(np.concatenate(blocks, axis=-1)[0], track, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("overlap", [0, 0.25, 0.75])
def test_every_segment_makes_one_hop_final(overlap: float) -> None:
    plan = SegmentPlan(SEGMENT, segment_hop_samples(SEGMENT, overlap), SEGMENT)
    _, lengths = streamed(noise(2, 1010), plan)
    assert sum(lengths) == 1010
    assert set(lengths[:-1]) == {plan.hop_samples}


def test_the_triangle_rises_to_one_and_never_touches_zero() -> None:
    np.testing.assert_allclose(triangle(4), [0.5, 1, 1, 0.5])
    np.testing.assert_allclose(triangle(5), [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3])
    np.testing.assert_allclose(triangle(1), [1])
    assert triangle(343_980).dtype == np.float32
    assert triangle(343_980)[0] > 0


def test_a_missing_segment_is_noticed() -> None:
    adder = TriangleAdd(1, 1, SEGMENT, 50)
    stems = np.ones((1, 1, SEGMENT), np.float32)
    adder.add(stems, 0, SEGMENT, 0, 50)
    with pytest.raises(ValueError, match="the segment at 50 comes next, not the one at 100"):
        adder.add(stems, 100, SEGMENT, 0, 150)


@pytest.mark.parametrize("hop", [0, SEGMENT + 1])
def test_a_hop_that_leaves_gaps_is_refused(hop: int) -> None:
    with pytest.raises(ValueError, match="hop"):
        TriangleAdd(1, 1, SEGMENT, hop)
