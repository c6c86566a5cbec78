import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stemline.families.mdx23c.processing import network_input, stem_chunks
from stemline.postprocessing.istft import Istft
from stemline.preprocessing.stft import Stft

SIZES = [(8192, 1024), (2048, 512), (64, 16), (60, 7), (10, 3)]


def noise(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def original(spectra: NDArray[np.complex64], n_fft: int, hop: int) -> NDArray[np.float32]:
    """torch.istft of (..., n_bins, T), the missing bins zero."""
    missing = n_fft // 2 + 1 - spectra.shape[-2]
    lead = [(0, 0)] * (spectra.ndim - 2)
    full = torch.from_numpy(np.pad(spectra, [*lead, (0, missing), (0, 0)]))
    samples = torch.istft(
        full.reshape(-1, *full.shape[-2:]), n_fft, hop, window=torch.hann_window(n_fft), center=True
    )
    return samples.reshape(*full.shape[:-2], -1).numpy()


@pytest.mark.parametrize(("n_fft", "hop"), SIZES)
@pytest.mark.parametrize("n_frames", [2, 3, 9, 32])
@pytest.mark.parametrize("dropped", [0, 1])
def test_it_is_torch_istft(n_fft: int, hop: int, n_frames: int, dropped: int) -> None:
    n_bins = n_fft // 2 + 1 - dropped
    # Two frames that hardly meet leave little weight to divide by, in torch as here.
    spectra = (noise(3, n_bins, n_frames) + 1j * noise(3, n_bins, n_frames, seed=1)).astype(
        np.complex64
    )
    found = Istft(n_fft, hop, n_bins)(spectra)
    assert (found.shape, found.dtype) == ((3, (n_frames - 1) * hop), np.float32)
    wanted = original(spectra, n_fft, hop)
    # float32 rounding of sums of n_fft terms, divided by n_fft.
    np.testing.assert_allclose(found, wanted, atol=2e-6 * np.abs(wanted).max())


@pytest.mark.parametrize(("n_fft", "hop"), SIZES)
def test_it_undoes_the_stft(n_fft: int, hop: int) -> None:
    samples = noise(2, 40 * hop + n_fft)
    samples = samples[:, : samples.shape[1] // hop * hop]
    n_bins = n_fft // 2 + 1
    back = Istft(n_fft, hop, n_bins)(Stft(n_fft, hop, n_bins)(samples))
    np.testing.assert_allclose(back, samples, atol=1e-5)  # two float32 transforms


def test_one_object_serves_any_number_of_frames() -> None:
    """The envelope is kept for each T; one T must not be served another's."""
    istft = Istft(64, 16, 33)
    for n_frames in (5, 9, 5, 2, 9):
        spectra = noise(33, n_frames).astype(np.complex64)
        wanted = original(spectra, 64, 16)
        np.testing.assert_allclose(istft(spectra), wanted, atol=1e-5)


def test_a_single_frame_is_no_samples() -> None:
    assert Istft(64, 16, 33)(np.ones((2, 33, 1), np.complex64)).shape == (2, 0)


def test_a_hop_that_leaves_gaps_is_refused() -> None:
    with pytest.raises(ValueError, match="a hop of 64 leaves samples"):
        Istft(64, 64, 33)(np.ones((33, 4), np.complex64))


def test_spectra_of_other_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="must have 32 bins; got 33"):
        Istft(64, 16, 32)(np.ones((33, 4), np.complex64))


def test_stem_chunks_undo_network_input() -> None:
    """A network whose stems are the mixture, and half of it, gives chunks of just that."""
    stft, istft = Stft(64, 16, 33), Istft(64, 16, 33)
    chunks = noise(3, 2, 1600)
    mixture = network_input(chunks, stft)
    output = np.stack([mixture, mixture / 2], axis=1)  # (3, 2, 4, 33, 101)
    stems = stem_chunks(output, istft)
    assert stems.shape == (3, 2, 2, 1600)
    np.testing.assert_allclose(stems[:, 0], chunks, atol=1e-5)
    np.testing.assert_allclose(stems[:, 1], chunks / 2, atol=1e-5)


def test_stem_chunks_are_torch_istft_of_each_stem() -> None:
    n_bins, n_frames = 100, 21  # not a whole number of the bands that are copied at once
    output = noise(2, 3, 4, n_bins, n_frames)
    stems = stem_chunks(output, Istft(256, 64, n_bins))
    pairs = output.reshape(2, 3, 2, 2, n_bins, n_frames)
    spectra = (pairs[:, :, :, 0] + 1j * pairs[:, :, :, 1]).astype(np.complex64)
    np.testing.assert_allclose(stems, original(spectra, 256, 64), atol=1e-5)


@pytest.mark.parametrize("wanted", [[0], [2, 0], [1, 1], []])
def test_only_the_wanted_stems_come_in_the_order_asked(wanted: list[int]) -> None:
    output, istft = noise(2, 3, 4, 32, 11), Istft(64, 16, 32)
    np.testing.assert_array_equal(
        stem_chunks(output, istft, wanted), stem_chunks(output, istft)[:, wanted]
    )


def test_stems_nobody_asked_for_are_not_looked_at() -> None:
    output = noise(1, 2, 4, 32, 11)
    output[:, 1] = np.nan
    assert np.isfinite(stem_chunks(output, Istft(64, 16, 32), [0])).all()


def test_an_output_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"32, frames\); got \[1, 2, 4, 33, 11\]"):
        stem_chunks(noise(1, 2, 4, 33, 11), Istft(64, 16, 32))
