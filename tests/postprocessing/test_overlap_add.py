import numpy as np
import pytest

from stemline.arrays import Array
from stemline.postprocessing.overlap_add import OverlapAdd, faded_window
from stemline.preprocessing.chunks import ChunkPlan, hop_samples_for, iter_chunks

CHUNK = 100
OVERLAPS = [2, 4, 6, 8, 16, 0.1, 0.3, 0.5, 0.9]
N_STEMS = 3


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def network(chunk: Array) -> Array:
    """A network (channels, chunk) -> (stems, channels, chunk) that no shift commutes with.

    Its weights depend on the position within the chunk and its mean on the whole chunk, so
    that every sample the rule puts into a chunk, fill included, shows in the result.
    """
    weights = noise(N_STEMS, 1, chunk.shape[-1], seed=1)
    return weights * chunk + chunk.mean(dtype=np.float32)


def whole_track_demix(track: Array, chunk: int, hop: int) -> Array:
    """MSST's generic `demix` at batch size 1 over the whole array, from its description."""
    border, fade, n_samples = chunk - hop, chunk // 10, track.shape[1]
    bordered = n_samples > 2 * border and border > 0
    if bordered:
        track = np.pad(track, ((0, 0), (border, border)), mode="reflect")
    result = np.zeros((N_STEMS, *track.shape), np.float32)
    counter = np.zeros((N_STEMS, *track.shape), np.float32)
    i = 0
    while i < track.shape[1]:
        part = track[:, i : i + chunk]
        valid = part.shape[1]
        if valid > chunk // 2:
            part = np.pad(part, ((0, 0), (0, chunk - valid)), mode="reflect")
        else:
            part = np.pad(part, ((0, 0), (0, chunk - valid)))
        window = np.ones(chunk, np.float32)
        window[:fade] = np.linspace(0, 1, fade)
        window[chunk - fade :] = np.linspace(1, 0, fade)
        if i == 0:
            window[:fade] = 1
        elif i + hop >= track.shape[1]:
            window[chunk - fade :] = 1
        result[..., i : i + valid] += network(part)[..., :valid] * window[:valid]
        counter[..., i : i + valid] += window[:valid]
        i += hop
    with np.errstate(invalid="ignore"):
        mean = np.nan_to_num(result / counter, nan=0.0)
    return mean[..., border : border + n_samples] if bordered else mean


def streamed_demix(track: Array, plan: ChunkPlan) -> tuple[Array, list[int]]:
    """The same through `iter_chunks` and `OverlapAdd`: the result and its blocks' lengths."""
    adder = OverlapAdd(N_STEMS, track.shape[0], plan.chunk_samples, plan.hop_samples)
    blocks = [
        adder.add(network(c.samples), c.start, c.valid, c.first, c.last, c.final_until)
        for c in iter_chunks([track], plan)
    ]
    return np.concatenate(blocks, axis=-1), [block.shape[-1] for block in blocks]


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_streaming_gives_exactly_what_the_whole_track_gives(overlap: float) -> None:
    plan = ChunkPlan(CHUNK, hop_samples_for(CHUNK, overlap))
    hop, border = plan.hop_samples, plan.border_samples
    edges = (hop, CHUNK // 2, CHUNK, 2 * border, 2 * border + hop, 4 * CHUNK)
    for n_samples in sorted({1, *(e + by for e in edges for by in (-1, 0, 1) if e + by > 0), 723}):
        track = noise(2, n_samples, seed=n_samples)
        streamed, _ = streamed_demix(track, plan)
        # Equal to the bit: the same additions in the same order.
        np.testing.assert_array_equal(streamed, whole_track_demix(track, CHUNK, hop))


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("n_samples", [1, 49, 51, 99, 101, 199, 201, 1234])
def test_a_network_that_changes_nothing_gives_the_track_back(
    overlap: float, n_samples: int
) -> None:
    plan = ChunkPlan(CHUNK, hop_samples_for(CHUNK, overlap))
    track = noise(2, n_samples)
    adder = OverlapAdd(1, 2, plan.chunk_samples, plan.hop_samples)
    blocks = [
        adder.add(c.samples[np.newaxis], c.start, c.valid, c.first, c.last, c.final_until)
        for c in iter_chunks([track], plan)
    ]
    result = np.concatenate(blocks, axis=-1)[0]
    heard = result != 0
    # A lone chunk keeps its fade-out, whose end has no weight: the rule gives 0 there.
    assert heard.all() or n_samples <= CHUNK
    # A mean of up to 16 equal numbers in float32.
    np.testing.assert_allclose(result[heard], track[heard], rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("overlap", [2, 4, 0.3])
def test_every_chunk_behind_the_border_makes_one_hop_final(overlap: float) -> None:
    plan = ChunkPlan(CHUNK, hop_samples_for(CHUNK, overlap))
    _, lengths = streamed_demix(noise(2, 1000), plan)
    assert sum(lengths) == 1000
    n_in_border = (plan.border_samples - 1) // plan.hop_samples
    assert lengths[:n_in_border] == [0] * n_in_border
    assert set(lengths[n_in_border + 1 : -1]) == {plan.hop_samples}


def test_the_window_ramps_over_a_tenth_and_touches_zero_and_one() -> None:
    window = faded_window(50)
    np.testing.assert_allclose(window[:5], [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(window[-5:], [1, 0.75, 0.5, 0.25, 0])
    assert (window[5:-5] == 1).all()
    assert (faded_window(50, fade_in=False)[:45] == 1).all()
    assert (faded_window(50, fade_out=False)[5:] == 1).all()
    assert (faded_window(9) == 1).all()


def test_a_missing_chunk_is_noticed() -> None:
    adder = OverlapAdd(1, 1, CHUNK, 50)
    stems = np.ones((1, 1, CHUNK), np.float32)
    adder.add(stems, -50, CHUNK, True, False, 0)
    with pytest.raises(ValueError, match="the chunk at 0 comes next, not the one at 50"):
        adder.add(stems, 50, CHUNK, False, False, 100)


@pytest.mark.parametrize("hop", [0, CHUNK])
def test_a_hop_that_is_no_overlap_is_refused(hop: int) -> None:
    with pytest.raises(ValueError, match="hop"):
        OverlapAdd(1, 1, CHUNK, hop)
