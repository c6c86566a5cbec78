"""SI-SDR against answers that are known without it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stemline.evaluation.si_sdr import SILENT_RMS, is_silent, si_sdr_db, si_sdr_improvement_db

Signal = NDArray[np.float64]
N = 44100


def tone(periods: int, n_samples: int = N) -> Signal:
    """Whole periods: tones of different numbers of them are orthogonal and of one power."""
    return np.sin(2 * np.pi * periods * np.arange(n_samples) / n_samples)


def noise(*shape: int, seed: int = 0) -> Signal:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("ratio_db", [-20.0, 0.0, 7.5, 40.0, 100.0])
def test_orthogonal_noise_at_a_known_ratio_gives_that_ratio(ratio_db: float) -> None:
    estimate = tone(440) + 10 ** (-ratio_db / 20) * tone(441)
    assert si_sdr_db(estimate, tone(440)) == pytest.approx(ratio_db, abs=1e-6)


@pytest.mark.parametrize("scale", [1.0, 0.5, -4.0])
def test_a_multiple_of_the_reference_is_infinitely_good(scale: float) -> None:
    reference = noise(2, 1000)
    assert si_sdr_db(scale * reference, reference) == np.inf


def test_a_multiple_that_rounds_is_as_good_as_float64_is() -> None:
    reference = noise(2, 1000)
    assert si_sdr_db(0.3 * reference, reference) > 280


@pytest.mark.parametrize("scale", [1e-3, 0.3, -1.0, 25.0])
def test_neither_the_scale_of_the_estimate_nor_of_the_reference_matters(scale: float) -> None:
    reference, estimate = noise(2, 1000), noise(2, 1000) + noise(2, 1000, seed=1)
    wanted = si_sdr_db(estimate, reference)
    assert si_sdr_db(scale * estimate, reference) == pytest.approx(wanted, abs=1e-9)
    assert si_sdr_db(estimate, scale * reference) == pytest.approx(wanted, abs=1e-9)


def test_it_is_the_cosine_of_the_angle_between_them() -> None:
    # ‖target‖² / ‖error‖² = cos² / sin², by another way than the definition's.
    estimate, reference = noise(2, 1000), noise(2, 1000, seed=1) + 0.5 * noise(2, 1000)
    cosine = np.sum(estimate * reference) / np.linalg.norm(estimate) / np.linalg.norm(reference)
    wanted_db = 10 * np.log10(cosine**2 / (1 - cosine**2))
    assert si_sdr_db(estimate, reference) == pytest.approx(wanted_db, abs=1e-9)


def test_the_channels_are_one_signal_with_one_scale() -> None:
    reference = np.stack([tone(440), tone(440)])
    one_side = np.stack([tone(440), np.zeros(N)])
    # a = 1/2: the target is half of both sides, the error half of both: 0 dB.
    assert si_sdr_db(one_side, reference) == pytest.approx(0, abs=1e-9)
    assert si_sdr_db(reference * [[1], [0.5]], reference) == pytest.approx(
        10 * np.log10(0.75**2 / 0.25**2), abs=1e-9
    )


def test_no_mean_is_removed() -> None:
    assert si_sdr_db(tone(440) + 1, tone(440)) == pytest.approx(10 * np.log10(0.5), abs=1e-9)


@pytest.mark.parametrize("reference", [np.zeros((2, 100)), np.full((2, 100), 0.9 * SILENT_RMS)])
def test_nothing_is_told_of_a_silent_reference(reference: Signal) -> None:
    assert is_silent(reference)
    assert np.isnan(si_sdr_db(noise(2, 100), reference))
    assert np.isnan(si_sdr_improvement_db(noise(2, 100), reference, noise(2, 100)))
    assert not is_silent(np.full((2, 100), 1.1 * SILENT_RMS))


@pytest.mark.filterwarnings("error")
def test_an_estimate_with_nothing_of_the_reference_is_infinitely_bad() -> None:
    assert si_sdr_db(np.zeros((2, 100)), noise(2, 100)) == -np.inf
    assert si_sdr_db([0.0, 1.0], [1.0, 0.0]) == -np.inf


def test_an_estimate_that_is_not_finite_is_not_a_number() -> None:
    assert np.isnan(si_sdr_db(np.full((2, 100), np.nan), noise(2, 100)))


def test_signals_of_different_lengths_are_refused_with_both() -> None:
    with pytest.raises(ValueError, match="got 198 and 200 samples"):
        si_sdr_db(noise(2, 99), noise(2, 100))


def test_an_empty_reference_is_silent() -> None:
    assert is_silent(np.zeros((2, 0)))
    assert np.isnan(si_sdr_db(np.zeros((2, 0)), np.zeros((2, 0))))


def test_single_precision_is_summed_in_double() -> None:
    # A million samples near one: a float32 sum would be off by far more than the distortion.
    reference = (1 + 0.1 * noise(2, 500_000)).astype(np.float32)
    distorted = reference + np.float32(1e-4) * noise(2, 500_000, seed=1).astype(np.float32)
    power_db = 10 * np.log10(np.mean(reference.astype(np.float64) ** 2) / 1e-8)
    assert si_sdr_db(distorted, reference) == pytest.approx(power_db, abs=0.05)


def test_the_improvement_is_over_the_mixture() -> None:
    vocals, drums = tone(440), tone(100)
    mixture = vocals + drums  # 0 dB
    estimate = vocals + 0.1 * drums  # 20 dB
    assert si_sdr_improvement_db(estimate, vocals, mixture) == pytest.approx(20, abs=1e-6)
    assert si_sdr_improvement_db(mixture, vocals, mixture) == 0
    assert si_sdr_improvement_db(0.5 * mixture, vocals, mixture) == pytest.approx(0, abs=1e-9)
