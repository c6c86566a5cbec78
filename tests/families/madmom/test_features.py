import numpy as np
import pytest
from numpy.typing import NDArray

from stemline.families.madmom.features import (
    N_FEATURES,
    RESOLUTIONS,
    DownbeatFeatureStream,
    Resolution,
    downbeat_features,
    rise_frames,
)
from stemline.preprocessing.spectrogram import log_bands, log_spectrogram

RATE = 44100


def noise(n_samples: int, seed: int = 0) -> NDArray[np.float64]:
    return 0.3 * np.random.default_rng(seed).standard_normal(n_samples)


def bands_by_definition(
    samples: NDArray[np.float64], size: int, per_octave: int
) -> NDArray[np.float64]:
    """Frame by frame and sum by sum, of bands as they are drawn."""
    n = np.arange(size)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / (size - 1))
    k = np.arange(-8 * per_octave, 8 * per_octave)
    hz = 440 * 2 ** (k / per_octave)
    bins = sorted({round(f / (RATE / size)) for f in hz if 30 <= f <= 17000})
    matrix = np.zeros((size // 2, len(bins) - 2))
    for band, (start, centre, stop) in enumerate(zip(bins, bins[1:], bins[2:], strict=False)):
        for b in range(start, stop):
            up, down = (b - start) / (centre - start), (stop - b) / (stop - centre)
            matrix[b, band] = min(up, down)
    matrix /= matrix.sum(0)
    out = []
    for i in range(-(-len(samples) // 441)):
        frame = np.zeros(size)
        for j in range(size):
            at = 441 * i - size // 2 + j
            if 0 <= at < len(samples):
                frame[j] = samples[at]
        spectrum = np.abs(np.fft.fft(frame * window))[: size // 2]
        out.append(np.log10(1 + spectrum @ matrix))
    return np.stack(out)


def by_definition(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bands and what is more than 1, 1 and 2 frames before, of each resolution."""
    columns = []
    for size, per_octave, back in ((1024, 3, 1), (2048, 6, 1), (4096, 12, 2)):
        bands = bands_by_definition(samples, size, per_octave)
        rises = np.zeros_like(bands)
        for i in range(back, len(bands)):
            rises[i] = np.maximum(bands[i] - bands[i - back], 0)
        columns += [bands, rises]
    return np.hstack(columns)


# One frame, of which nothing is a rise; two, three; more than a frame of the longest is wide; more
# than the frames that are worked on at a time.
@pytest.mark.parametrize("n_samples", [1, 441, 442, 883, 6000, 441 * 66 + 1])
def test_they_are_their_definition(n_samples: int) -> None:
    samples = noise(n_samples)
    wanted = by_definition(samples)
    # The budgets of log_spectrogram's two precisions.
    for dtype, most in ((np.float64, 1e-6), (np.float32, 4e-6)):
        got = downbeat_features(samples.astype(dtype), RATE)
        assert (got.dtype, got.shape) == (np.float32, wanted.shape)
        np.testing.assert_allclose(got, wanted, rtol=0, atol=most)


def test_there_are_314_of_them() -> None:
    assert N_FEATURES == 314
    assert downbeat_features(noise(1000), RATE).shape == (3, 314)
    assert downbeat_features(np.zeros(0, np.float32), RATE).shape == (0, 314)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_what_is_said_of_a_resolution_holds(resolution: Resolution) -> None:
    found = log_bands(resolution.frame_samples, resolution.bands_per_octave, "float32")
    assert found.n_bands == resolution.n_bands
    assert rise_frames(resolution.frame_samples) == resolution.rise_frames


def test_a_rise_is_measured_from_where_the_window_is_half_as_high() -> None:
    # A quarter of a frame from its middle, in hops of 441: 0.58, 1.16, 2.32, 4.64.
    assert [rise_frames(size) for size in (1024, 2048, 4096, 8192)] == [1, 1, 2, 5]
    # Where the window ends, half a frame.
    assert rise_frames(4096, ratio=0.0) == 5


def test_silence_has_no_features_and_a_level_that_stays_no_rises() -> None:
    assert not downbeat_features(np.zeros(5000, np.float32), RATE).any()
    time = np.arange(RATE) / RATE
    tone = np.sin(2 * np.pi * 100 * time)  # as many waves in every hop: all frames are alike
    assert (441 * 100) % RATE == 0
    inside = downbeat_features(tone, RATE)[10:-10]
    first = 0
    for resolution in RESOLUTIONS:
        bands = inside[:, first : first + resolution.n_bands]
        rises = inside[:, first + resolution.n_bands : first + 2 * resolution.n_bands]
        assert bands.max() > 1
        assert rises.max() < 1e-6  # of float32
        first += 2 * resolution.n_bands


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_samples", [0, 1, 442, 441 * 63 + 2048, 441 * 64 + 1, 441 * 130])
def test_of_a_mixture_in_blocks_they_are_those_of_the_whole(n_samples: int, dtype: type) -> None:
    samples = noise(n_samples).astype(dtype)
    wanted = downbeat_features(samples, RATE)
    # Fewer than a hop, a hop, more than the frames that are worked on at a time; uneven ones, some
    # of them empty.
    for block_samples in (97, 441, 40000):
        stream = DownbeatFeatureStream(RATE, dtype.__name__)
        for start in range(0, n_samples, block_samples):
            stream.push(samples[None, start : start + block_samples])
            stream.push(samples[None, :0])
        np.testing.assert_array_equal(stream.finish(), wanted, strict=True)


def test_threads_and_other_features_leave_each_other_alone() -> None:
    samples = noise(20000).astype(np.float32)
    before = log_spectrogram(samples[None], RATE)
    features = downbeat_features(samples, RATE)
    np.testing.assert_array_equal(log_spectrogram(samples[None], RATE), before)
    np.testing.assert_array_equal(downbeat_features(np.repeat(samples, 2)[::2], RATE), features)


@pytest.mark.parametrize(
    ("samples", "rate", "words"),
    [
        (np.zeros(9, np.float32), 48000, "44100 Hz; got 48000"),
        (np.zeros((1, 9), np.float32), RATE, r"got float32 \(1, 9\)"),
        (np.zeros(9, np.int16), RATE, "got int16"),
    ],
)
def test_other_input_is_refused(samples: NDArray[np.float32], rate: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        downbeat_features(samples, rate)


def test_a_stream_refuses_other_rates_and_blocks() -> None:
    with pytest.raises(ValueError, match="44100 Hz; got 48000"):
        DownbeatFeatureStream(48000)
    for block in (np.zeros(9, np.float32), np.zeros((2, 9), np.float32), np.zeros((1, 9))):
        with pytest.raises(ValueError, match=r"must be float32 \(1, n\)"):
            DownbeatFeatureStream(RATE).push(block)
