import numpy as np
import pytest
from numpy.typing import NDArray

from stemline.postprocessing.level import restored
from stemline.preprocessing.level import LevelMeter, level_of, normalised, plain_level_of


def noise(n_samples: int, channels: int = 2, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((channels, n_samples)).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("block_samples", [1, 7, 1000])
def test_it_is_the_mean_and_the_unbiased_deviation_of_the_mono_mix(
    channels: int, block_samples: int
) -> None:
    track = 0.2 * noise(1000, channels) + np.float32(0.5)
    level = level_of(track[:, i : i + block_samples] for i in range(0, 1000, block_samples))
    mono = track.astype(np.float64).mean(axis=0)
    # Float64 sums of 1000 numbers.
    assert level.mean == pytest.approx(mono.mean(), rel=1e-13)
    assert level.scale == pytest.approx(mono.std(ddof=1) + 1e-8, rel=1e-12)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_plain_level_is_numpys_and_silence_has_the_scale_1(channels: int) -> None:
    track = 0.2 * noise(1000, channels) + np.float32(0.5)
    level = plain_level_of([track[:, :300], track[:, 300:]])
    mono = track.astype(np.float64).mean(axis=0)
    assert level.mean == pytest.approx(mono.mean(), rel=1e-12)
    assert level.scale == pytest.approx(mono.std(), rel=1e-12)
    silence = np.zeros((channels, 100), np.float32)
    for one in (silence, silence[:, :0]):
        assert (plain_level_of([one]).mean, plain_level_of([one]).scale) == (0.0, 1.0)


def test_a_long_faint_track_beside_a_great_offset_loses_no_digits() -> None:
    """Σ x² − (Σ x)² / n would: the squares are 10¹² times the variance."""
    block = 1 + np.float32(2.0**-20) * np.sign(noise(1000, 1))
    level = level_of(block for _ in range(1000))
    assert level.scale == pytest.approx(block.astype(np.float64).std() + 1e-8, rel=1e-5)


def test_the_level_so_far_can_be_asked_for() -> None:
    meter, track = LevelMeter(), noise(1000)
    meter.push(track[:, :300])
    assert meter.level == level_of([track[:, :300]])
    meter.push(track[:, 300:])
    assert meter.level.mean == pytest.approx(level_of([track]).mean, rel=1e-12)


@pytest.mark.parametrize("n_samples", [0, 1])
def test_less_than_two_samples_have_no_deviation(n_samples: int) -> None:
    assert level_of([noise(n_samples)]).scale == 1e-8


def test_silence_stays_silence() -> None:
    silence = np.zeros((2, 100), np.float32)
    assert (normalised(silence, level_of([silence])) == 0).all()


def test_channels_that_cancel_out_give_finite_numbers() -> None:
    track = noise(100, 1).repeat(2, axis=0) * np.array([[1], [-1]], np.float32)
    level = level_of([track])
    assert level.scale == 1e-8
    levelled = normalised(track, level)
    assert np.isfinite(levelled).all()
    np.testing.assert_allclose(restored(levelled, level.mean, level.scale), track, rtol=1e-6)


def test_a_normalised_track_has_mean_0_and_deviation_1_and_comes_back() -> None:
    track = 0.2 * noise(10_000) + np.float32(0.5)
    level = level_of([track])
    levelled = normalised(track, level)
    again = level_of([levelled])
    assert levelled.dtype == np.float32
    # Float32 samples of 10⁴ near 1, each rounded.
    assert again.mean == pytest.approx(0, abs=1e-6)
    assert again.scale == pytest.approx(1, abs=1e-6)
    back = restored(levelled[np.newaxis], level.mean, level.scale)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back[0], track, atol=2e-7)


def test_the_block_that_was_given_is_left_as_it_was() -> None:
    block = noise(10)
    before = block.copy()
    level = level_of([block])
    restored(normalised(block, level), level.mean, level.scale)
    np.testing.assert_array_equal(block, before)
