import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stemline.families.mdx23c.processing import network_input
from stemline.preprocessing.stft import Stft, hann

# n_fft and hop of the known networks, then hops that do not divide n_fft.
SIZES = [(8192, 1024), (2048, 512), (64, 16), (60, 7), (64, 64), (10, 3)]


def noise(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def original(samples: NDArray[np.float32], n_fft: int, hop: int) -> NDArray[np.complex64]:
    spectra = torch.stft(
        torch.from_numpy(samples),
        n_fft,
        hop,
        window=torch.hann_window(n_fft),
        center=True,
        return_complex=True,
    )
    return np.asarray(spectra.numpy())


@pytest.mark.parametrize(("n_fft", "hop"), SIZES)
@pytest.mark.parametrize("extra", [1, 2, 5, 31])
def test_it_is_torch_stft(n_fft: int, hop: int, extra: int) -> None:
    samples = noise(2, n_fft // 2 + extra * hop // 2 + 1)
    wanted = original(samples, n_fft, hop)
    found = Stft(n_fft, hop, n_fft // 2 + 1)(samples)
    assert found.dtype == np.complex64
    # Two float32 transforms: rounding grows with the size of the sums.
    np.testing.assert_allclose(found, wanted, atol=1e-6 * n_fft**0.5 * 10)


def test_bins_above_the_kept_are_dropped_and_leading_axes_kept() -> None:
    samples = noise(3, 2, 500)
    every, some = Stft(64, 16, 33)(samples), Stft(64, 16, 20)(samples)
    assert some.shape == (3, 2, 20, 500 // 16 + 1)
    np.testing.assert_array_equal(some, every[..., :20, :])
    # A batch is its rows.
    np.testing.assert_array_equal(some[1], Stft(64, 16, 20)(samples[1]))


def test_a_cosine_at_a_bin_has_half_the_windows_sum_there() -> None:
    n_fft, hop, bin_ = 64, 16, 5
    time = np.arange(n_fft * 8)
    tone = np.cos(2 * np.pi * bin_ * time / n_fft).astype(np.float32)
    inside = Stft(n_fft, hop, 33)(tone)[:, 4:-4]
    # Σ hann = n_fft / 2, half of it at the positive frequency.
    np.testing.assert_allclose(np.abs(inside[bin_]), n_fft / 4, rtol=1e-5)
    assert np.abs(inside[bin_ + 2 :]).max() < 1e-4


def test_the_window_is_the_periodic_hann() -> None:
    np.testing.assert_allclose(hann(4), [0, 0.5, 1, 0.5], atol=1e-7)
    np.testing.assert_allclose(hann(2048), torch.hann_window(2048).numpy(), atol=2e-7)


def test_the_network_input_is_left_re_im_right_re_im() -> None:
    chunks = noise(3, 2, 1600)
    stft = Stft(64, 16, 32)
    mixture = network_input(chunks, stft)
    assert (mixture.shape, mixture.dtype) == ((3, 4, 32, 101), np.float32)
    assert mixture.flags.c_contiguous
    for item in range(3):
        for channel in range(2):
            wanted = original(chunks[item, channel], 64, 16)[:32]
            # Two float32 transforms.
            np.testing.assert_allclose(mixture[item, 2 * channel], wanted.real, atol=1e-4)
            np.testing.assert_allclose(mixture[item, 2 * channel + 1], wanted.imag, atol=1e-4)


def test_a_mono_network_has_two_input_channels() -> None:
    assert network_input(noise(1, 1, 160), Stft(64, 16, 32)).shape == (1, 2, 32, 11)


@pytest.mark.parametrize(
    "numbers", [(0, 1, 1), (63, 16, 32), (64, 0, 32), (64, 16, 34), (64, 16, 0)]
)
def test_numbers_that_do_not_fit_are_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"n_fft|hop|n_bins"):
        Stft(*numbers)


def test_too_short_to_reflect_is_refused() -> None:
    stft = Stft(64, 16, 33)
    assert stft(noise(33)).shape == (33, 3)
    with pytest.raises(ValueError, match="more than 32 samples"):
        stft(noise(32))
