import numpy as np
import pytest
from numpy.typing import NDArray

from stemline.errors import AudioError
from stemline.preprocessing.channels import from_channels, output_channels, to_channels

HALF = 0.5**0.5


def noise(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def test_mono_is_heard_on_both_sides_and_comes_back_to_the_bit() -> None:
    block = noise(1, 50)
    stereo = to_channels(block, 2)
    np.testing.assert_array_equal(stereo, np.concatenate([block, block]))
    np.testing.assert_array_equal(from_channels(stereo, 1), block)


def test_stereo_to_mono_is_the_mean() -> None:
    block = noise(2, 50)
    wanted = block.mean(axis=0, keepdims=True)
    np.testing.assert_allclose(to_channels(block, 1), wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("channels", [1, 2])
def test_channels_that_fit_are_left_alone(channels: int) -> None:
    block = noise(channels, 5)
    assert to_channels(block, channels) is block
    assert from_channels(block, channels) is block


# What each speaker of WAVE's order gives to (left, right), before scaling.
@pytest.mark.parametrize(
    ("channels", "left"),
    [
        (3, [1, 0, HALF]),
        (4, [1, 0, HALF, 0]),
        (5, [1, 0, HALF, HALF, 0]),
        (6, [1, 0, HALF, 0, HALF, 0]),
        (7, [1, 0, HALF, 0, 0.5, HALF, 0]),
        (8, [1, 0, HALF, 0, HALF, 0, HALF, 0]),
    ],
)
def test_surround_is_mixed_down_as_bs_775_has_it(channels: int, left: list[float]) -> None:
    mixed = to_channels(np.eye(channels, dtype=np.float32), 2)
    np.testing.assert_allclose(mixed[0], np.array(left) / sum(left), atol=1e-7)
    # Left and right mirror each other: the same coefficients, once sorted.
    np.testing.assert_allclose(np.sort(mixed[1]), np.sort(mixed[0]))


@pytest.mark.parametrize("channels", range(3, 9))
def test_full_scale_everywhere_does_not_clip(channels: int) -> None:
    # Rows add up to 1 but for the rounding of float32 coefficients.
    assert np.abs(to_channels(np.ones((channels, 3), np.float32), 2)).max() <= 1 + 1e-6


def test_surround_to_mono_is_the_mean_of_its_stereo() -> None:
    block = noise(6, 9)
    wanted = to_channels(block, 2).mean(axis=0, keepdims=True)
    np.testing.assert_allclose(to_channels(block, 1), wanted, atol=1e-7)


def test_from_channels_keeps_leading_axes() -> None:
    stems = noise(4, 2, 7)
    np.testing.assert_allclose(
        from_channels(stems, 1), stems.mean(axis=1, keepdims=True), rtol=1e-5, atol=1e-7
    )
    assert from_channels(stems[:, :1], 2).shape == (4, 2, 7)


def test_stems_are_mono_only_of_mono() -> None:
    assert [output_channels(c) for c in range(1, 9)] == [1, 2, 2, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("channels", [0, 9, 64])
def test_more_channels_than_a_layout_names_are_refused(channels: int) -> None:
    with pytest.raises(AudioError, match=f"1 to 8 channels; got {channels}"):
        output_channels(channels)
    with pytest.raises(AudioError):
        to_channels(np.zeros((channels, 4), np.float32), 2)
