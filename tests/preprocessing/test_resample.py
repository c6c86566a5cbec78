import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from stemline.preprocessing.resample import Resampler

RATES_HZ = [8000, 22050, 48000, 96000, 192000]


def resampled(
    samples: NDArray[np.float32], from_hz: int, to_hz: int, block_samples: int = 1 << 16
) -> NDArray[np.float32]:
    resampler = Resampler(from_hz, to_hz, samples.shape[0])
    blocks = [
        resampler.push(samples[:, start : start + block_samples])
        for start in range(0, samples.shape[1], block_samples)
    ]
    return np.concatenate([*blocks, resampler.flush()], axis=1)


def noise(channels: int, n_samples: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((channels, n_samples)).astype(np.float32)


def tones(frequencies_hz: list[float], rate_hz: int, seconds: float) -> NDArray[np.float32]:
    time_s = np.arange(int(rate_hz * seconds)) / rate_hz
    rows = [np.sin(2 * np.pi * f * time_s) + 0.5 * np.cos(4 * f * time_s) for f in frequencies_hz]
    return np.array(rows, np.float32)


@pytest.mark.parametrize("from_hz", RATES_HZ)
@pytest.mark.parametrize("n_samples", [0, 1, 2, 999, 20011])
def test_any_blocks_give_the_same_bits_as_the_whole(from_hz: int, n_samples: int) -> None:
    samples = noise(2, n_samples)
    whole = soxr.resample(np.ascontiguousarray(samples.T), from_hz, 44100, quality="HQ").T
    for block_samples in (7, 1000, 1 << 16):
        found = resampled(samples, from_hz, 44100, block_samples)
        np.testing.assert_array_equal(found, whole)
    assert abs(whole.shape[1] - n_samples * 44100 / from_hz) <= 0.5


@pytest.mark.parametrize(("from_hz", "to_hz"), [(r, 44100) for r in RATES_HZ] + [(44100, 48000)])
def test_a_tone_keeps_its_amplitude_and_phase(from_hz: int, to_hz: int) -> None:
    frequencies = [100.0, 1000.0, 3000.0]
    found = resampled(tones(frequencies, from_hz, 0.5), from_hz, to_hz)
    wanted = tones(frequencies, to_hz, 0.5)
    inside = slice(to_hz // 20, -to_hz // 20)  # away from the jumps at the ends
    # The ripple of libsoxr's HQ pass band, largest towards the edge of the 8 kHz rate's.
    np.testing.assert_allclose(found[:, inside], wanted[:, inside], atol=1e-4)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_there_and_back_is_aligned_to_the_sample(rate_hz: int) -> None:
    samples = tones([80.0, 440.0, 2500.0], rate_hz, 1.0)
    samples *= np.hanning(samples.shape[1]).astype(np.float32)
    back = resampled(resampled(samples, rate_hz, 44100), 44100, rate_hz)
    assert abs(back.shape[1] - samples.shape[1]) <= max(1, rate_hz / 44100)
    n_both = min(back.shape[1], samples.shape[1])
    # Tones within the band of both rates: twice the pass band's ripple.
    np.testing.assert_allclose(back[:, :n_both], samples[:, :n_both], atol=1e-4)


def test_channels_do_not_mix() -> None:
    samples = noise(12, 5000)
    together = resampled(samples, 44100, 48000)
    for channel in range(12):
        alone = resampled(samples[channel : channel + 1], 44100, 48000)
        np.testing.assert_array_equal(together[channel : channel + 1], alone)


def test_equal_rates_pass_untouched() -> None:
    resampler = Resampler(44100, 44100, 2)
    block = noise(2, 10)
    assert resampler.push(block) is block
    assert resampler.flush().shape == (2, 0)


def test_blocks_are_contiguous_float32() -> None:
    resampler = Resampler(8000, 44100, 2)
    for block in (resampler.push(noise(2, 8000)), resampler.push(noise(2, 0)), resampler.flush()):
        assert block.dtype == np.float32
        assert block.shape[0] == 2
        assert block.flags.c_contiguous
