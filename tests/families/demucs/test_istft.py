import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stemline.families.demucs.istft import DemucsIstft, stem_chunks
from stemline.families.demucs.stft import DemucsStft, network_inputs

N_FFT = 64
HOP = N_FFT // 4
LENGTHS = [1, HOP - 1, HOP, HOP + 1, 7 * HOP, 20 * HOP + 5]


def noise(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def original(
    spectra: NDArray[np.complex64], n_samples: int, zero_ends: bool
) -> NDArray[np.float32]:
    """torch.istft of (..., n_bins, T) between two silent frames at either end."""
    n_fft = 2 * spectra.shape[-2]
    hop = n_fft // 4
    margin = 3 * hop // 2
    full = torch.nn.functional.pad(torch.from_numpy(spectra), (2, 2, 0, 1))
    length = spectra.shape[-1] * hop + (0 if zero_ends else 2 * margin)
    samples = torch.istft(
        full.reshape(-1, *full.shape[-2:]),
        n_fft,
        hop,
        window=torch.hann_window(n_fft),
        normalized=True,
        length=length,
    )
    begin = 0 if zero_ends else margin
    return samples[:, begin : begin + n_samples].reshape(*full.shape[:-2], n_samples).numpy()


def outputs(
    n_samples: int, channels: int = 2, *, parts: int = 2
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A spectrogram and a waveform output of two rows and three stems."""
    n_frames = -(-n_samples // HOP)
    spectrograms = noise(2, 3, parts * channels, N_FFT // 2, n_frames)
    return spectrograms, noise(2, 3, channels, n_samples, seed=1)


@pytest.mark.parametrize("n_samples", LENGTHS)
@pytest.mark.parametrize("zero_ends", [False, True])
@pytest.mark.parametrize("channels", [1, 2])
def test_stems_are_torch_istft_of_one_branch_plus_the_other(
    n_samples: int, zero_ends: bool, channels: int
) -> None:
    spectrograms, waveforms = outputs(n_samples, channels)
    pairs = spectrograms.reshape(2, 3, channels, 2, *spectrograms.shape[-2:])
    spectra = (pairs[:, :, :, 0] + 1j * pairs[:, :, :, 1]).astype(np.complex64)
    wanted = original(spectra, n_samples, zero_ends) + waveforms
    found = stem_chunks(spectrograms, waveforms, DemucsIstft(N_FFT, zero_ends=zero_ends))
    assert (found.shape, found.dtype) == ((2, 3, channels, n_samples), np.float32)
    # Float32 sums of 64 terms near 1.
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("n_samples", LENGTHS)
@pytest.mark.parametrize("zero_ends", [False, True])
def test_magnitudes_get_the_phases_of_the_mixture(n_samples: int, zero_ends: bool) -> None:
    magnitudes, waveforms = outputs(n_samples, parts=1)
    mixture = DemucsStft(N_FFT, zero_ends=zero_ends)(noise(2, 2, n_samples, seed=2))
    spectra = magnitudes * np.exp(1j * np.angle(mixture))[:, np.newaxis]
    wanted = original(spectra.astype(np.complex64), n_samples, zero_ends) + waveforms
    istft = DemucsIstft(N_FFT, zero_ends=zero_ends)
    found = stem_chunks(magnitudes, waveforms, istft, mixture=mixture)
    # As above.
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_silent_bins_of_the_mixture_have_phase_0() -> None:
    magnitudes, waveforms = outputs(7 * HOP, parts=1)
    silence = np.zeros((2, 2, N_FFT // 2, 7), np.complex64)
    found = stem_chunks(magnitudes, waveforms, DemucsIstft(N_FFT), mixture=silence)
    wanted = original(magnitudes.astype(np.complex64), 7 * HOP, False) + waveforms
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def low_noise(*shape: int) -> NDArray[np.float32]:
    """Noise below a quarter of the rate: hardly anything in the bin that is dropped."""
    spectrum = np.fft.rfft(noise(*shape))
    spectrum[..., spectrum.shape[-1] // 2 :] = 0
    return np.fft.irfft(spectrum, n=shape[-1]).astype(np.float32)


@pytest.mark.parametrize("complex_as_channels", [True, False])
def test_they_undo_the_front_end_but_for_a_hop_and_a_half_at_either_end(
    complex_as_channels: bool,
) -> None:
    """That much is heard in the frames left out, too."""
    chunks = low_noise(2, 2, 20 * HOP)
    spectra = DemucsStft(N_FFT)(chunks)
    inputs = network_inputs(chunks, spectra, complex_as_channels=complex_as_channels)
    stems = np.stack([inputs["spectrogram"], inputs["spectrogram"] / 2], axis=1)
    mixture = None if complex_as_channels else spectra
    waveforms = np.zeros((2, 2, *chunks.shape[1:]), np.float32)
    found = stem_chunks(stems, waveforms, DemucsIstft(N_FFT), mixture=mixture)
    inside = slice(3 * HOP // 2, -3 * HOP // 2)
    # Where the ends are reflected there is a kink, and a little of it is in the dropped bin.
    np.testing.assert_allclose(found[:, 0, :, inside], chunks[..., inside], atol=5e-3)
    np.testing.assert_allclose(found[:, 1], found[:, 0] / 2, atol=1e-6)


def test_zero_ends_come_a_hop_and_a_half_late() -> None:
    chunks = low_noise(1, 1, 20 * HOP)
    spectra = DemucsStft(N_FFT, zero_ends=True)(chunks)
    spectrogram = network_inputs(chunks, spectra, complex_as_channels=True)["spectrogram"]
    waveforms = np.zeros((1, 1, *chunks.shape[1:]), np.float32)
    istft = DemucsIstft(N_FFT, zero_ends=True)
    found = stem_chunks(spectrogram[:, np.newaxis], waveforms, istft)[0, 0, 0]
    late, inside = 3 * HOP // 2, slice(3 * HOP, 20 * HOP)
    # As above, with a step at the end.
    np.testing.assert_allclose(found[inside], np.roll(chunks[0, 0], late)[inside], atol=5e-3)


@pytest.mark.parametrize("wanted", [[0], [2, 0], [1, 1], []])
def test_only_the_wanted_stems_come_in_the_order_asked(wanted: list[int]) -> None:
    istft = DemucsIstft(N_FFT)
    spectrograms, waveforms = outputs(100)
    np.testing.assert_array_equal(
        stem_chunks(spectrograms, waveforms, istft, wanted),
        stem_chunks(spectrograms, waveforms, istft)[:, wanted],
    )


def test_stems_nobody_asked_for_are_not_looked_at() -> None:
    spectrograms, waveforms = outputs(100)
    spectrograms[:, 1:], waveforms[:, 1:] = np.nan, np.nan
    assert np.isfinite(stem_chunks(spectrograms, waveforms, DemucsIstft(N_FFT), [0])).all()


def test_shapes_that_do_not_fit_are_refused() -> None:
    istft = DemucsIstft(N_FFT)
    spectrograms, waveforms = outputs(100)
    with pytest.raises(ValueError, match=r"must be \[2, 3, 4, 32, 7\]; got \[2, 3, 4, 32, 6\]"):
        stem_chunks(spectrograms[..., :-1], waveforms, istft)
    with pytest.raises(ValueError, match=r"must be \[2, 3, 2, 32, 7\]; got \[2, 3, 4, 32, 7\]"):
        stem_chunks(spectrograms, waveforms, istft, mixture=np.ones((2, 2, 32, 7), np.complex64))
    with pytest.raises(ValueError, match=r"mixture must be \[2, 2, 32, 7\]; got \[1, 2, 32, 7\]"):
        mixture = np.ones((1, 2, 32, 7), np.complex64)
        stem_chunks(spectrograms[:, :, :2], waveforms, istft, mixture=mixture)


@pytest.mark.parametrize("n_fft", [0, 4, 12, 63])
def test_an_n_fft_without_whole_margins_is_refused(n_fft: int) -> None:
    with pytest.raises(ValueError, match=f"multiple of 8; got {n_fft}"):
        DemucsIstft(n_fft)
