import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from stemline.preprocessing.filterbank import Band, band_bins, products, triangles
from stemline.preprocessing.spectrogram import log_spectrogram, n_frames

RATE = 44100
# One sample, both sides of a hop, of half a frame, of a frame, of a block of frames.
LENGTHS = [1, 2, 440, 441, 442, 1023, 1024, 1025, 2048, 2049, 441 * 63, 441 * 64 + 1, 441 * 129]


def noise(n_stems: int, n_samples: int, seed: int = 0) -> NDArray[np.float64]:
    return 0.3 * np.random.default_rng(seed).standard_normal((n_stems, n_samples))


def bands() -> tuple[Band, ...]:
    return triangles(band_bins(1024, RATE, 12, 30, 17000))


def by_definition(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Frame by frame, sample by sample: sums of cosines and sines, and bands as they are drawn."""
    n = np.arange(2048)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / 2047)
    matrix = np.zeros((1024, 81))
    # Twelve bands an octave around 440 Hz from 30 Hz to 17 kHz, each at its nearest bin.
    hz = [440 * 2 ** (k / 12) for k in range(-60, 80) if 30 <= 440 * 2 ** (k / 12) <= 17000]
    bins = sorted({round(f / (RATE / 2048)) for f in hz})
    for band, (start, centre, stop) in enumerate(zip(bins, bins[1:], bins[2:], strict=False)):
        for b in range(start, stop):
            up, down = (b - start) / (centre - start), (stop - b) / (stop - centre)
            matrix[b, band] = min(up, down)
    matrix /= matrix.sum(0)
    out = np.zeros((-(-len(samples) // 441), 81))
    phase = np.exp(-2j * np.pi * np.outer(n, np.arange(1024)) / 2048)
    for i in range(len(out)):
        frame = np.zeros(2048)
        for j in range(2048):
            at = 441 * i - 1024 + j
            if 0 <= at < len(samples):
                frame[j] = samples[at]
        out[i] = np.log10(1 + np.abs((frame * window) @ phase) @ matrix)
    return out


# The last has a group of frames and some of the next.
@pytest.mark.parametrize("n_samples", [1, 300, 442, 2500, 6000, 441 * 66 + 1])
def test_it_is_its_definition(n_samples: int) -> None:
    samples = noise(1, n_samples)
    wanted = by_definition(samples[0])
    for dtype, most in ((np.float64, 1e-6), (np.float32, 4e-6)):
        got = log_spectrogram(samples.astype(dtype), RATE)
        assert (got.dtype, got.shape) == (np.float32, (1, *wanted.shape))
        # The budgets of the two precisions.
        np.testing.assert_allclose(got[0], wanted, rtol=0, atol=most)


@pytest.mark.parametrize("n_samples", LENGTHS)
def test_both_precisions_agree_at_every_length(n_samples: int) -> None:
    samples = noise(2, n_samples)
    exact = log_spectrogram(samples, RATE)
    assert exact.shape == (2, n_frames(n_samples), 81)
    single = log_spectrogram(samples.astype(np.float32), RATE)
    np.testing.assert_allclose(single, exact, rtol=0, atol=4e-6)  # float32's budget


@pytest.mark.parametrize(
    ("n_samples", "wanted"), [(0, 0), (1, 1), (441, 1), (442, 2), (44100, 100)]
)
def test_a_hop_begun_is_a_frame(n_samples: int, wanted: int) -> None:
    assert n_frames(n_samples) == wanted
    assert log_spectrogram(np.zeros((3, n_samples), np.float32), RATE).shape == (3, wanted, 81)


def test_a_tone_is_loudest_in_the_band_at_its_frequency() -> None:
    centres = np.array([(band.first_bin + np.argmax(band.weights)) for band in bands()])
    time = np.arange(RATE // 2) / RATE
    for index in (20, 45, 70):
        hz = centres[index] * RATE / 2048
        tone = 0.5 * np.sin(2 * np.pi * hz * time)[None]
        inside = log_spectrogram(tone, RATE)[0, 5:-5]
        assert (inside.argmax(1) == index).all()


def test_silence_is_zero_and_a_frame_hears_1024_samples_either_way() -> None:
    samples = np.zeros((1, 441 * 20))
    samples[0, 441 * 10] = 1
    heard = log_spectrogram(samples, RATE)[0].any(1)
    # Frame i hears [441·i − 1024, 441·i + 1024): those at most two hops away.
    assert heard.nonzero()[0].tolist() == [8, 9, 10, 11, 12]


def test_stems_do_not_mix_and_their_memory_may_lie_anyhow() -> None:
    samples = noise(4, 5000).astype(np.float32)
    together = log_spectrogram(samples, RATE)
    for stem in range(4):
        np.testing.assert_array_equal(log_spectrogram(samples[stem, None], RATE)[0], together[stem])
    every_other = np.repeat(samples, 2, axis=1)[:, ::2]
    np.testing.assert_array_equal(log_spectrogram(every_other, RATE), together)
    np.testing.assert_array_equal(log_spectrogram(np.asfortranarray(samples), RATE), together)


def test_threads_do_not_disturb_each_other() -> None:
    inputs = [noise(2, 30000, seed).astype(np.float32) for seed in range(4)]
    wanted = [log_spectrogram(samples, RATE) for samples in inputs]
    found: dict[int, NDArray[np.float32]] = {}

    def work(index: int) -> None:
        for _ in range(5):
            found[index] = log_spectrogram(inputs[index], RATE)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, one in enumerate(wanted):
        np.testing.assert_array_equal(found[index], one)


@pytest.mark.parametrize(
    ("samples", "rate", "words"),
    [
        (np.zeros((1, 9), np.float32), 48000, "44100 Hz; got 48000"),
        (np.zeros(9, np.float32), RATE, "got float32"),
        (np.zeros((1, 9), np.int16), RATE, "got int16"),
    ],
)
def test_other_input_is_refused(samples: NDArray[np.float32], rate: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        log_spectrogram(samples, rate)


def test_the_bands_are_the_81_that_the_networks_know() -> None:
    # Counted on madmom's filterbank (BEATS, NETWORKS §4.3).
    found = bands()
    assert len(found) == 81
    assert sum(len(band.weights) for band in found) == 1428
    assert found[0].first_bin == 2
    assert found[-1].first_bin + len(found[-1].weights) - 1 == 777
    centres = [(band.first_bin + np.argmax(band.weights)) * RATE / 2048 for band in found]
    assert centres[0] == pytest.approx(43.066, abs=1e-3)
    assert centres[-1] == pytest.approx(15805.37, abs=1e-2)
    for band in found:
        assert band.weights.sum() == pytest.approx(1, abs=1e-6)  # float32
        assert (band.weights > 0).all()


def test_a_frequency_between_two_bins_goes_to_the_upper() -> None:
    # Bins of 220 Hz: 440 Hz is one, and 110 Hz lies halfway between the first two.
    assert band_bins(8, 3520, 1, 100, 1000).tolist() == [1, 2, 4]


@pytest.mark.parametrize("n_together", [1, 7, 16, 81, 200])
def test_products_of_neighbouring_bands_are_the_dense_matrix(n_together: int) -> None:
    dense = np.zeros((1024, 81), np.float32)
    for index, band in enumerate(bands()):
        dense[band.first_bin :, index][: len(band.weights)] = band.weights
    found = np.zeros_like(dense)
    for product in products(bands(), n_together):
        found[product.bins, product.bands] = product.weights
    np.testing.assert_array_equal(found, dense)
