import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stemline.families.demucs.stft import DemucsStft, network_inputs

N_FFT = 64
HOP = N_FFT // 4


def noise(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def original(samples: NDArray[np.float32], n_fft: int, zero_ends: bool) -> NDArray[np.complex64]:
    """torch.stft of the audio between its margins, without two frames at either end."""
    hop, n_samples = n_fft // 4, samples.shape[-1]
    n_frames = -(-n_samples // hop)
    margin = 3 * hop // 2
    right = margin + n_frames * hop - n_samples
    mode = "constant" if zero_ends else "reflect"
    padded = torch.nn.functional.pad(torch.from_numpy(samples), (margin, right), mode=mode)
    spectra = torch.stft(
        padded, n_fft, hop, window=torch.hann_window(n_fft), normalized=True, return_complex=True
    )
    assert spectra.shape[-1] == n_frames + 4
    return np.asarray(spectra[:, :-1, 2:-2].numpy())


@pytest.mark.parametrize("n_fft", [4096, N_FFT, 8])
@pytest.mark.parametrize("zero_ends", [False, True])
@pytest.mark.parametrize("hops", [4, 4.1, 6.5, 11])
def test_it_is_torch_stft_framed_by_hops(n_fft: int, zero_ends: bool, hops: float) -> None:
    samples = noise(2, int(hops * n_fft / 4) + 1)
    stft = DemucsStft(n_fft, zero_ends=zero_ends)
    wanted, found = original(samples, n_fft, zero_ends), stft(samples)
    assert (found.shape, found.dtype) == (wanted.shape, np.complex64)
    assert found.shape == (2, n_fft // 2, stft.n_frames(samples.shape[1]))
    # Two float32 transforms of noise, normalised to a level near 1.
    np.testing.assert_allclose(found, wanted, atol=5e-6)


@pytest.mark.parametrize("n_samples", [1, 5, HOP - 1, HOP, HOP + 1, 2 * HOP, 3 * HOP])
def test_what_is_too_short_to_reflect_gets_zeros_first(n_samples: int) -> None:
    """The right margin becomes zeros before any of the left does."""
    samples = noise(1, n_samples)
    whole = -(-n_samples // HOP) * HOP
    left, right = 3 * HOP // 2, 3 * HOP // 2 + whole - n_samples
    missing = max(0, right + 1 - n_samples)
    zeros_right = min(missing, right)
    zeros_left = missing - zeros_right
    zeroed = np.pad(samples, ((0, 0), (zeros_left, zeros_right)))
    wide = np.pad(zeroed, ((0, 0), (left - zeros_left, right - zeros_right)), mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    wanted = [
        np.fft.rfft(wide[0, t : t + N_FFT] * window)[:-1] / N_FFT**0.5 for t in range(0, whole, HOP)
    ]
    found = DemucsStft(N_FFT)(samples)
    np.testing.assert_allclose(found[0], np.transpose(wanted), atol=5e-6)


def test_a_frame_is_centred_on_its_hop() -> None:
    """A click in the middle of a hop has its greatest magnitude in that hop's frame."""
    click = np.zeros(20 * HOP, np.float32)
    click[7 * HOP + HOP // 2] = 1
    magnitudes = np.abs(DemucsStft(N_FFT)(click)).mean(axis=0)
    assert magnitudes.argmax() == 7


def test_a_batch_is_its_rows() -> None:
    samples, stft = noise(3, 2, 500), DemucsStft(N_FFT)
    for row in range(3):
        np.testing.assert_array_equal(stft(samples)[row], stft(samples[row]))


def test_complex_as_channels_is_left_re_im_right_re_im() -> None:
    chunks, stft = noise(3, 2, 500), DemucsStft(N_FFT)
    spectra = stft(chunks)
    inputs = network_inputs(chunks, spectra, complex_as_channels=True)
    assert inputs["waveform"] is chunks
    spectrogram = inputs["spectrogram"]
    assert (spectrogram.shape, spectrogram.dtype) == ((3, 4, 32, 32), np.float32)
    assert spectrogram.flags.c_contiguous
    for channel in range(2):
        np.testing.assert_array_equal(spectrogram[:, 2 * channel], spectra[:, channel].real)
        np.testing.assert_array_equal(spectrogram[:, 2 * channel + 1], spectra[:, channel].imag)


def test_a_network_without_phases_gets_magnitudes() -> None:
    chunks, stft = noise(3, 2, 500), DemucsStft(N_FFT)
    spectra = stft(chunks)
    spectrogram = network_inputs(chunks, spectra, complex_as_channels=False)["spectrogram"]
    assert spectrogram.flags.c_contiguous and spectrogram.dtype == np.float32
    # A square root in float32.
    np.testing.assert_allclose(spectrogram, np.abs(spectra.astype(complex)), rtol=1e-6)


@pytest.mark.parametrize("n_fft", [0, 4, 12, 63])
def test_an_n_fft_without_whole_margins_is_refused(n_fft: int) -> None:
    with pytest.raises(ValueError, match=f"multiple of 8; got {n_fft}"):
        DemucsStft(n_fft)


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="no samples"):
        DemucsStft(N_FFT)(noise(2, 0))
