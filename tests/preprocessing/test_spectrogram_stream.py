import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from stemline.preprocessing.spectrogram import log_spectrogram
from stemline.preprocessing.spectrogram_stream import SpectrogramStream

RATE = 44100
# Frames are worked on 64 at a time: where the next of them begin, and with how many samples the
# first are whole.
GROUP, FIRST_FULL = 441 * 64, 441 * 63 + 1024
LENGTHS = [0, 1, 2, 440, 441, 442, 1023, 1024, 1025, 2048, 2049]
LENGTHS += [FIRST_FULL + d for d in (-1, 0, 1, 1023, 1024, 1025)]
LENGTHS += [GROUP + d for d in (-1024, -1, 0, 1, 1024)] + [441 * 129 + 5]


def noise(n_stems: int, n_samples: int, dtype: type = np.float32) -> NDArray[np.float32]:
    samples = 0.3 * np.random.default_rng(n_samples).standard_normal((n_stems, n_samples))
    return samples.astype(dtype)


def of_blocks(
    blocks: Iterator[NDArray[np.float32]], n_stems: int, dtype: type
) -> NDArray[np.float32]:
    stream = SpectrogramStream(n_stems, RATE, dtype.__name__)
    for block in blocks:
        stream.push(block)
    return stream.finish()


def cut(samples: NDArray[np.float32], block_samples: int) -> Iterator[NDArray[np.float32]]:
    for start in range(0, samples.shape[1], block_samples):
        yield samples[:, start : start + block_samples]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_samples", LENGTHS)
def test_blocks_of_any_length_give_the_bits_of_the_whole(n_samples: int, dtype: type) -> None:
    samples = noise(2, n_samples, dtype)
    wanted = log_spectrogram(samples, RATE)
    for block_samples in (13, 440, 441, 1025, FIRST_FULL, 1 << 16):
        found = of_blocks(cut(samples, block_samples), 2, dtype)
        np.testing.assert_array_equal(found, wanted, strict=True)
        assert found.flags.c_contiguous  # as an engine takes it


def test_single_samples_and_empty_blocks_give_the_bits_of_the_whole() -> None:
    samples = noise(4, FIRST_FULL + 700)
    singly = (part for one in cut(samples, 1) for part in (one, one[:, :0]))
    np.testing.assert_array_equal(of_blocks(singly, 4, np.float32), log_spectrogram(samples, RATE))
    uneven = iter(np.split(samples, [1, 1, 442, 3000, 3001, GROUP - 1, GROUP + 2], axis=1))
    np.testing.assert_array_equal(of_blocks(uneven, 4, np.float32), log_spectrogram(samples, RATE))


@pytest.mark.parametrize("frame", [1, 10, 63, 64, 65, 100])
def test_frames_do_not_know_which_group_they_are_in(frame: int) -> None:
    samples = noise(1, 441 * 200)
    whole = log_spectrogram(samples, RATE)[0]
    # Cut a whole number of hops later, a frame of other samples is the first of a group.
    cut_later = log_spectrogram(samples[:, 441 * frame :], RATE)[0]
    inside = slice(3, None)  # those before hear what was cut off
    # Of float32 sums, in whichever order a matrix product has them.
    np.testing.assert_allclose(cut_later[inside], whole[frame:][inside], rtol=0, atol=1e-6)


def test_the_block_may_change_once_it_has_been_pushed() -> None:
    samples = noise(2, 10_000)
    stream = SpectrogramStream(2, RATE)
    block = np.empty((2, 1000), np.float32)
    for part in cut(samples, 1000):
        block[:] = part
        stream.push(block)
        block[:] = 9
    np.testing.assert_array_equal(stream.finish(), log_spectrogram(samples, RATE))


def test_what_is_held_is_the_spectrogram_and_no_samples() -> None:
    n_stems, block = 4, noise(4, 1 << 16)
    log_spectrogram(block, RATE)  # the tables stay
    tracemalloc.start()
    stream = SpectrogramStream(n_stems, RATE)
    for n_blocks in range(1, 61):
        stream.push(block)
        spectrogram_bytes = n_stems * (n_blocks * block.shape[1] // 441) * 81 * 4
        # The samples that 64 frames hear, 4 · 29831 · 4 bytes, and as many idle rows as used ones;
        # the samples so far would be 5.4 times the spectrogram.
        assert tracemalloc.get_traced_memory()[0] < 2 * spectrogram_bytes + 700_000
    found = stream.finish()
    assert tracemalloc.get_traced_memory()[0] < found.nbytes + 700_000
    # While it was joined, there was nothing besides the two.
    assert tracemalloc.get_traced_memory()[1] < 3 * found.nbytes + 1_000_000
    tracemalloc.stop()


def test_other_rates_and_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="44100 Hz; got 48000"):
        SpectrogramStream(4, 48000)
    for block in (np.zeros(9, np.float32), np.zeros((3, 9), np.float32), np.zeros((2, 9))):
        with pytest.raises(ValueError, match=r"must be float32 \(2, n\)"):
            SpectrogramStream(2, RATE).push(block)
