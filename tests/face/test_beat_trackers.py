"""Loaded beat trackers: the beats of clicks, in a mixture and in its stems."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from beat_helpers import click_stems, write_beat_artifact
from face_helpers import BEATS, RATE, assert_beats
from helpers import music

import stemline
from stemline.beat_trackers import BeatTracker
from stemline.errors import (
    AudioError,
    EngineError,
    RequestError,
    UnknownModelError,
    WrongModelError,
)


@pytest.fixture(scope="module")
def tracker(artifacts: Path) -> Iterator[BeatTracker]:
    with stemline.load_beat_tracker(artifacts=artifacts, device="cpu", threads=1) as tracker:
        yield tracker


def test_it_says_what_it_is(tracker: BeatTracker) -> None:
    assert tracker.model == "clicks"
    assert tracker.input_stems == ("bass", "drums", "other", "vocals")
    assert repr(tracker) == "<BeatTracker clicks.fp32 of stems from tiny.fp32>"


def test_the_beats_of_a_file_and_of_its_samples(
    tracker: BeatTracker, song: Path, clicks: np.ndarray
) -> None:
    progress: list[tuple[int, int | None]] = []
    of_file = tracker.track(song, on_progress=lambda *said: progress.append(said))
    assert of_file.bpm == 120
    assert_beats(of_file)
    assert len(of_file.downbeats) == 4
    assert of_file.segments[0].start == 0
    assert of_file.activations is None
    n_samples = clicks.shape[1]
    assert progress[-1] == (n_samples, n_samples)
    assert tracker.track(clicks.astype(np.float64), RATE) == of_file
    once = stemline.find_beats(
        song, model="clicks", separator="tiny", artifacts=tracker._library.folders[0], threads=1
    )
    assert once == of_file


@pytest.mark.parametrize("rate_hz", [8000, 22050, 48000, 96000])
@pytest.mark.parametrize("n_samples", [20_011, 70_003])
def test_progress_reaches_the_end_at_any_rate(
    tracker: BeatTracker, rate_hz: int, n_samples: int
) -> None:
    progress: list[tuple[int, int | None]] = []
    samples = music(n_samples, sample_rate_hz=rate_hz)
    tracker.track(samples, rate_hz, on_progress=lambda *said: progress.append(said))
    assert progress[-1] == (n_samples, n_samples)


def test_activations_where_they_are_wanted(tracker: BeatTracker, clicks: np.ndarray) -> None:
    found = tracker.track(clicks, RATE, activations=True)
    assert found.activations is not None
    assert found.activations.beat.shape == (800,)


def test_the_beats_of_stems_that_are_there(
    tracker: BeatTracker, artifacts: Path, clicks: np.ndarray
) -> None:
    stems = stemline.separate(clicks, RATE, model="tiny", artifacts=artifacts, threads=1)
    found = tracker.track_stems(stems)
    assert_beats(found)
    arrays = {name.upper(): samples.astype(np.float64) for name, samples in stems.items()}
    assert tracker.track_stems({**arrays, "piano": arrays["BASS"]}, RATE) == found
    assert tracker.track_stems(stems, RATE) == found
    with pytest.raises(RequestError, match="pass sample_rate_hz"):
        tracker.track_stems(arrays)
    with pytest.raises(RequestError, match="these stems have 44100 Hz, not 48000"):
        tracker.track_stems(stems, 48000)
    with pytest.raises(RequestError, match=r"BASS must be of shape .* samples\.T"):
        tracker.track_stems({**arrays, "BASS": arrays["BASS"].T}, RATE)
    with pytest.raises(RequestError, match="there is no bass"):
        tracker.track_stems({"drums": stems["drums"]}, RATE)


def test_what_is_no_track_is_refused(tracker: BeatTracker) -> None:
    with pytest.raises(RequestError, match="samples / 32768"):
        tracker.track(np.zeros((2, 100), np.int16), RATE)
    with pytest.raises(RequestError, match=r"samples\.T"):
        tracker.track(music(100).T, RATE)
    with pytest.raises(AudioError, match="does not exist"):
        tracker.track("nowhere.wav")


def test_without_a_separator_stems_are_still_taken(tmp_path: Path, clicks: np.ndarray) -> None:
    write_beat_artifact(tmp_path)
    stems = click_stems(BEATS, (), (), 8)
    with stemline.load_beat_tracker(artifacts=tmp_path, threads=1) as tracker:
        assert repr(tracker) == "<BeatTracker clicks.fp32>"
        found = tracker.track_stems(stems, RATE)
        assert [(beat.time_s, beat.position) for beat in found.beats] == BEATS
        with pytest.raises(UnknownModelError, match="stemline export tiny"):
            tracker.track(clicks, RATE)
    with pytest.raises(UnknownModelError, match="no model 'tiny'"):
        stemline.load_beat_tracker(separator="tiny", artifacts=tmp_path)


def test_models_that_cannot_be_loaded(artifacts: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="stemline export mini-beats"):
        stemline.load_beat_tracker(artifacts=tmp_path)
    with pytest.raises(WrongModelError, match="finds no beats"):
        stemline.load_beat_tracker("tiny", artifacts=artifacts)


def test_what_is_closed_is_no_longer_used(artifacts: Path, clicks: np.ndarray) -> None:
    tracker = stemline.load_beat_tracker(artifacts / "clicks.fp32" / "1" / "model.onnx",
                                         artifacts=artifacts, threads=1)  # fmt: skip
    tracker.close()
    with pytest.raises(EngineError, match="closed"):
        tracker.track(clicks, RATE)
