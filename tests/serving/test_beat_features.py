"""Stems on their way to a beat network: heard as they come, and not kept."""

import time
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from beat_helpers import FACTS, RATE, STEMS, ClickEngine, click_separator
from helpers import music
from mixture_beat_helpers import MIXTURE_FACTS, MixtureClickEngine

from stemline.arrays import Array
from stemline.families.beats import InputStream
from stemline.families.madmom.features import downbeat_features
from stemline.preprocessing.audio import AudioFormat
from stemline.preprocessing.resample import Resampler
from stemline.preprocessing.spectrogram import log_spectrogram
from stemline.preprocessing.spectrogram_stream import SpectrogramStream
from stemline.serving.beat_features import MIXTURE, BeatFeatures
from stemline.serving.beat_tracker import BeatTracker
from stemline.serving.jobs import SeparateOptions


@pytest.fixture
def tracker() -> BeatTracker:
    return BeatTracker(ClickEngine(), FACTS)


def some_stems(n_samples: int, rate_hz: int = RATE) -> dict[str, Array]:
    return {name: music(n_samples, sample_rate_hz=rate_hz, seed=i) for i, name in enumerate(STEMS)}


def in_blocks(stems: dict[str, Array], block_samples: int) -> Iterator[dict[str, Array]]:
    for start in range(0, stems[STEMS[0]].shape[1], block_samples):
        yield {name: one[:, start : start + block_samples] for name, one in stems.items()}


def resampled(samples: Array, rate_hz: int) -> Array:
    resampler = Resampler(rate_hz, RATE, len(samples))
    return np.concatenate([resampler.push(samples), resampler.flush()], axis=1)


@pytest.mark.parametrize("rate_hz", [RATE, 48000])
@pytest.mark.parametrize("n_samples", [1, 1000, 100_000])  # the last is more than one block
def test_the_networks_input_is_that_of_the_whole_however_stems_come(
    tracker: BeatTracker, n_samples: int, rate_hz: int
) -> None:
    stems = some_stems(n_samples, rate_hz)
    mono = np.stack([stems[name].mean(axis=0) for name in FACTS.stems])
    wanted = log_spectrogram(resampled(mono, rate_hz), RATE)[np.newaxis]
    stems["PIANO"] = stems[STEMS[0]]  # which is not heard
    for block_samples in (n_samples, 997, 441):
        collected = tracker.collect(rate_hz)
        for block in in_blocks(stems, block_samples):
            collected.push({name.upper(): samples for name, samples in block.items()})
        found = collected.finish()
        assert list(found) == ["spectrogram"]
        np.testing.assert_array_equal(found["spectrogram"], wanted, strict=True)


@pytest.mark.parametrize("block_samples", [441, 1 << 18])
def test_a_mixture_is_heard_as_a_whole_one_is(block_samples: int) -> None:
    tracker = BeatTracker(MixtureClickEngine(), MIXTURE_FACTS)
    mixture = music(100_000)
    collected = tracker.collect(RATE)
    for start in range(0, mixture.shape[1], block_samples):
        collected.push({MIXTURE: mixture[:, start : start + block_samples]})
    wanted = downbeat_features(mixture.mean(axis=0), RATE)[np.newaxis]
    np.testing.assert_array_equal(collected.finish()["features"], wanted, strict=True)


@pytest.mark.parametrize("block_s", [1, 60])
def test_what_is_held_is_the_spectrogram_and_no_samples(tracker: BeatTracker, block_s: int) -> None:
    block = {name: np.tile(second, block_s) for name, second in some_stems(RATE).items()}
    tracker.collect(RATE).push(some_stems(RATE))  # tables stay
    tracemalloc.start()
    collected = tracker.collect(RATE)
    for _ in range(60 // block_s):
        collected.push(block)
    held, most = tracemalloc.get_traced_memory()
    spectrogram_bytes = 4 * 6000 * 81 * 4
    # As many idle rows as used ones; the mono samples would be 5.4 times the spectrogram.
    assert held < 2 * spectrogram_bytes + 1_000_000
    # And blocks of 65536 samples on their way: in mono, one of its stems in float64, …
    assert most < 2 * spectrogram_bytes + 6_000_000
    found = collected.finish()["spectrogram"]
    assert found.nbytes == spectrogram_bytes
    assert tracemalloc.get_traced_memory()[0] < found.nbytes + 1_000_000
    tracemalloc.stop()


def test_its_seconds_are_all_that_is_spent_on_what_comes() -> None:
    class SlowStream(SpectrogramStream):
        def push(self, stems: Array) -> None:
            time.sleep(0.02)
            super().push(stems)

    started = time.perf_counter()
    mono = BeatFeatures(("drums",), RATE, RATE, InputStream("spectrogram", SlowStream(1, RATE)))
    for _ in range(3):
        mono.push({"drums": music(100)})
    assert 0.06 <= mono.seconds <= time.perf_counter() - started


def test_a_mixture_is_heard_beside_its_separation_as_alone() -> None:
    separator = click_separator()
    tracker = BeatTracker(MixtureClickEngine(), MIXTURE_FACTS, separator)
    mixture = music(3 * RATE)
    alone = tracker.track(mixture, RATE, with_activations=True)
    audio = AudioFormat(RATE, 2, mixture.shape[1])
    with tracker.stream([mixture], audio, SeparateOptions(stems=("vocals",))) as tracking:
        assert {name for block in tracking for name in block.stems} == {"vocals"}
        found = tracking.find(with_activations=True)
    assert found == alone
    assert found.seconds["spectrogram"] > 0
    assert found.activations is not None and alone.activations is not None
    np.testing.assert_array_equal(found.activations.beat, alone.activations.beat)
    separator.close()
