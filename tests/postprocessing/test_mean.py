import numpy as np
import pytest
from numpy.typing import NDArray

from stemline.postprocessing.mean import WeightedMean

WEIGHTS = np.array([[1, 0, 2], [0.5, 1, 1]], np.float32)


def noise(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_it_is_the_weighted_mean_of_each_stem() -> None:
    first, second = noise(3, 2, 50), noise(3, 2, 50, seed=1)
    mean = WeightedMean(WEIGHTS)
    assert mean.add(0, first).shape == (3, 2, 0)
    found = mean.add(1, second)
    for stem, (one, other) in enumerate(WEIGHTS.T):
        wanted = (one * first[stem] + other * second[stem]) / (one + other)
        # Two products and a division in float32.
        np.testing.assert_allclose(found[stem], wanted, atol=1e-6)


def test_however_the_results_come_the_mean_is_the_same() -> None:
    results, random = noise(3, 2, 2, 500), np.random.default_rng(2)
    mean = WeightedMean(np.ones((3, 2), np.float32))
    at, out = [0, 0, 0], []
    while min(at) < 500:
        result = int(random.integers(3))
        end = min(500, at[result] + int(random.integers(60)))
        out.append(mean.add(result, results[result][..., at[result] : end]))
        at[result] = end
        assert sum(block.shape[-1] for block in out) == min(at)
    wanted = (results[0] + results[1] + results[2]) / np.float32(3)
    np.testing.assert_array_equal(np.concatenate(out, axis=-1), wanted)


def test_blocks_that_were_given_are_left_as_they_were() -> None:
    blocks = noise(2, 3, 2, 50)
    before, mean = blocks.copy(), WeightedMean(WEIGHTS)
    mean.add(0, blocks[0])
    mean.add(1, blocks[1])
    np.testing.assert_array_equal(blocks, before)


def test_one_result_is_passed_on_whatever_it_weighs() -> None:
    block = noise(3, 2, 50)
    assert WeightedMean(np.full((1, 3), 0.3, np.float32)).add(0, block) is block


def test_a_stem_without_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="must add up to more than 0"):
        WeightedMean(np.array([[1, 0], [1, 0]], np.float32))
