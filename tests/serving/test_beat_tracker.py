from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from beat_helpers import (
    FACTS,
    RATE,
    STEMS,
    ClickEngine,
    RestlessEngine,
    click_mixture,
    click_separator,
    click_stems,
    click_times,
)
from helpers import GainEngine, in_blocks, music, tiny_info

from stemline.engines import BeatInfo
from stemline.errors import ArtifactError, AudioError, RequestError
from stemline.postprocessing.sections import Section
from stemline.preprocessing.audio import AudioFormat
from stemline.serving.beat_tracker import BeatTracker
from stemline.serving.jobs import Beats
from stemline.serving.separator import Separator
from stemline.serving.stem_files import StemFolder, read_stems

DURATION_S = 20.0
# Boundaries are on downbeats (0.5 s and bars of 2 s), more than 12 s apart.
BOUNDARIES_S = (2.5, 16.5)
CHORUSES_S = ((2.5, 16.5),)
SECTIONS = (
    Section(0.0, 2.5, "verse"),
    Section(2.5, 16.5, "chorus"),
    Section(16.5, 20.0, "verse"),
)
FRAME_S = 0.01


@pytest.fixture
def tracker() -> BeatTracker:
    return BeatTracker(ClickEngine(), FACTS)


def assert_clicks(found: Beats, wanted: list[tuple[float, int]], atol_s: float = 1e-9) -> None:
    """1e-9 is a click that is exactly on a frame."""
    assert [beat.position for beat in found.beats] == [position for _, position in wanted]
    np.testing.assert_allclose(
        [beat.time_s for beat in found.beats], [time_s for time_s, _ in wanted], atol=atol_s
    )


@pytest.mark.parametrize(
    ("bpm", "beats_per_bar"), [(60, 4), (120, 4), (120, 3), (150, 3), (200, 4)]
)
def test_clicks_come_back_with_their_place_in_the_bar_and_their_tempo(
    tracker: BeatTracker, bpm: int, beats_per_bar: int
) -> None:
    wanted = click_times(DURATION_S, bpm, beats_per_bar)
    found = tracker.track_stems(click_stems(wanted, (), (), DURATION_S), RATE)
    assert_clicks(found, wanted)
    assert found.bpm == bpm
    np.testing.assert_allclose(
        found.downbeats, [time_s for time_s, position in wanted if position == 1], atol=1e-9
    )


def test_sections_begin_and_are_called_as_the_network_says(tracker: BeatTracker) -> None:
    wanted = click_times(DURATION_S, 120, 4)
    stems = click_stems(wanted, BOUNDARIES_S, CHORUSES_S, DURATION_S)
    assert tracker.track_stems(stems, RATE).segments == SECTIONS


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate_hz", [RATE, 48000, 22050])
def test_a_mixture_of_any_rate_and_channels_is_separated_and_heard(
    rate_hz: int, channels: int
) -> None:
    separator = click_separator()
    tracker = BeatTracker(ClickEngine(), FACTS, separator)
    wanted = click_times(DURATION_S, 120, 4)
    mixture = click_mixture(wanted, BOUNDARIES_S, CHORUSES_S, DURATION_S, rate_hz, min(channels, 2))
    if channels == 6:  # the other speakers rest; what comes down to stereo is quieter
        surround = np.zeros((channels, mixture.shape[1]), np.float32)
        surround[:2] = (
            1 + 2 * 0.5**0.5
        ) * mixture  # by the weights of left, centre and left surround
        mixture = surround
    found = tracker.track(mixture, rate_hz)
    separator.close()
    assert_clicks(found, wanted, FRAME_S)
    assert found.bpm == 120
    assert [section.label for section in found.segments] == ["verse", "chorus", "verse"]
    np.testing.assert_allclose(
        [section.start for section in found.segments], [0, *BOUNDARIES_S], atol=FRAME_S
    )


def test_a_track_is_heard_as_its_stems_are() -> None:
    separator = click_separator()
    tracker = BeatTracker(ClickEngine(), FACTS, separator)
    wanted = click_times(8, 120, 4)
    mixture = click_mixture(wanted, (), (), 8)
    whole = tracker.track(mixture, RATE, with_activations=True)
    stems = tracker.track_stems(separator.separate(mixture, RATE), RATE, with_activations=True)
    blocks = tracker.track_blocks(in_blocks(mixture, 997), AudioFormat(RATE, 2, None))
    separator.close()
    assert len(whole.beats) == len(wanted)
    assert whole == stems == blocks
    np.testing.assert_array_equal(whole.activations.beat, stems.activations.beat)


def test_stems_of_a_folder_are_heard_as_those_in_memory(
    tracker: BeatTracker, tmp_path: Path
) -> None:
    stems = click_stems(click_times(8, 100, 3), (), ((2.0, 6.0),), 8)
    for name, suffix in zip(STEMS, (".wav", ".WAV", ".flac", ".wav"), strict=True):
        path = tmp_path / f"{name.title()}{suffix}"
        # The clicks' 0.5 has an exact 24-bit form; the tone is in a file of floats.
        subtype = "PCM_24" if suffix == ".flac" else "FLOAT"
        soundfile.write(path, stems[name].T, RATE, subtype=subtype)
    (tmp_path / "drums.txt").write_text("not a stem")
    wanted = tracker.track_stems(stems, RATE, with_activations=True)

    read, rate_hz = read_stems(tmp_path, STEMS)
    assert tracker.track_stems(read, rate_hz) == wanted
    folder = StemFolder(tmp_path, STEMS)
    collected = tracker.collect(folder.format.sample_rate_hz)
    for block in folder.blocks():
        collected.push(block)
    found = tracker.find(collected, with_activations=True)
    assert found == wanted
    for name in ("beat", "downbeat", "section", "function"):
        np.testing.assert_array_equal(
            getattr(found.activations, name), getattr(wanted.activations, name)
        )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "bass.wav").unlink(), "no stem bass"),
        (lambda folder: (folder / "drums.flac").write_bytes(b"x"), "more than one drums"),
        (lambda folder: soundfile.write(folder / "other.wav", np.zeros(9), 48000), "sample rates"),
        (lambda folder: soundfile.write(folder / "other.wav", np.zeros(9), RATE), "equally long"),
    ],
)
def test_a_folder_that_holds_no_set_of_stems_is_refused(tmp_path: Path, change, words: str) -> None:
    for name in STEMS:
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(1000), RATE)
    change(tmp_path)
    with pytest.raises(RequestError, match=words):
        read_stems(tmp_path, STEMS)


@pytest.mark.parametrize("rate_hz", [RATE, 48000, 192000])
@pytest.mark.parametrize("n_samples", [1, 440, 441, 442, 30000])
def test_a_track_shorter_than_a_second_has_its_frames_and_a_section(
    n_samples: int, rate_hz: int
) -> None:
    engine, separator = ClickEngine(), click_separator()
    tracker = BeatTracker(engine, FACTS, separator)
    mixture = np.full((2, n_samples), 0.5, np.float32)
    found = tracker.track(mixture, rate_hz)
    of_stems = tracker.track_stems(dict.fromkeys(STEMS, mixture), rate_hz)
    separator.close()
    # One frame for every 441 samples begun at 44.1 kHz; at least one.
    n_frames = max(1, -(-round(n_samples * RATE / rate_hz) // 441))
    assert engine.frames == [n_frames, n_frames]
    for one in (found, of_stems):
        assert one.segments[0].start == 0
        assert one.segments[-1].end == pytest.approx(n_frames * FRAME_S)
        assert one.bpm is None or len(one.beats) > 1


def test_two_beats_or_more_make_a_tempo_and_one_does_not(tracker: BeatTracker) -> None:
    one = tracker.track_stems(click_stems([(0.3, 1)], (), (), 0.6), RATE)
    assert len(one.beats) <= 1
    assert one.bpm is None


# Less than half a step of 16 bits, as dither or a decoder leaves it.
@pytest.mark.parametrize("level", [0.0, 2.0**-16 * 0.99])
def test_silence_has_no_beats_and_one_section_whatever_the_network_hears(level: float) -> None:
    separator = click_separator()
    tracker = BeatTracker(RestlessEngine(), replace(FACTS, best_threshold_downbeat=None), separator)
    quiet = np.full((2, 10 * RATE), level, np.float32)
    loud = quiet + np.float32(0.01)
    for found in (
        tracker.track(quiet, RATE),
        tracker.track_stems(dict.fromkeys(STEMS, quiet), RATE),
    ):
        assert found.beats == ()
        assert found.bpm is None
        assert found.segments == (Section(0.0, 10.0, "verse"),)
    assert len(tracker.track(loud, RATE).beats) > 5  # the network itself would not be still
    separator.close()


def test_activations_are_probabilities_of_each_frame(tracker: BeatTracker) -> None:
    wanted = click_times(6, 120, 4)
    stems = click_stems(wanted, (), ((1.0, 5.0),), 6)
    assert tracker.track_stems(stems, RATE).activations is None
    given = tracker.track_stems(stems, RATE, with_activations=True).activations
    assert given is not None
    assert (given.beat.shape, given.function.shape) == ((600,), (2, 600))
    frames = [round(time_s * given.frame_rate_hz) for time_s, _ in wanted]
    np.testing.assert_array_equal(np.flatnonzero(given.beat > 0.99), frames)
    np.testing.assert_allclose(given.function.sum(axis=0), 1, atol=1e-6)  # a float32 sum
    assert given.labels[int(given.function[:, 300].argmax())] == "chorus"


def test_stages_are_timed_and_progress_is_told_in_samples_of_the_track() -> None:
    separator = click_separator()
    tracker = BeatTracker(ClickEngine(), FACTS, separator)
    told: list[tuple[int, int | None]] = []
    mixture = music(3 * 48000, sample_rate_hz=48000)
    found = tracker.track(
        mixture, 48000, on_progress=lambda done, total: told.append((done, total))
    )
    separator.close()
    assert set(found.seconds) == {"separate", "spectrogram", "queue", "engine", "decode"}
    assert all(value > 0 for value in found.seconds.values())
    assert {total for _, total in told} == {3 * 48000}
    assert all(one < other for (one, _), (other, _) in pairwise(told))
    assert told[-1][0] == 3 * 48000


def test_stems_that_are_missing_or_of_other_lengths_are_refused(tracker: BeatTracker) -> None:
    stems = click_stems(click_times(2, 120, 4), (), (), 2)
    with pytest.raises(RequestError, match="there is no bass") as missing:
        tracker.track_stems({name: stems[name] for name in STEMS[1:]}, RATE)
    assert missing.value.field == "stems"
    with pytest.raises(RequestError, match="equally long"):
        tracker.track_stems({**stems, "bass": stems["bass"][:, 1:]}, RATE)
    bad = stems["drums"].copy()
    bad[0, 7] = np.nan
    with pytest.raises(AudioError, match="drums must hold finite numbers; sample 7"):
        tracker.track_stems({**stems, "drums": bad}, RATE)
    with pytest.raises(AudioError, match="no samples"):
        tracker.track_stems({name: samples[:, :0] for name, samples in stems.items()}, RATE)


def test_a_mixture_needs_a_separator_of_the_right_stems(tracker: BeatTracker) -> None:
    with pytest.raises(RequestError, match="no model that makes them"):
        tracker.track(music(1000), RATE)
    info = tiny_info(("vocals", "instrumental"))
    separator = Separator(GainEngine(info), info)
    with pytest.raises(RequestError, match="tiny gives instrumental, vocals"):
        BeatTracker(ClickEngine(), FACTS, separator)
    separator.close()


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (replace(FACTS, labels=("verse", "chorus", "bridge")), "do not belong together"),
        (replace(FACTS, stems=("bass", "drums")), "do not belong together"),
        (replace(FACTS, hop_samples=512), "this stemline makes"),
    ],
)
def test_facts_of_another_network_are_refused(info: BeatInfo, words: str) -> None:
    with pytest.raises(ArtifactError, match=words):
        BeatTracker(ClickEngine(), info)


def test_closing_frees_the_engine_and_leaves_the_separator() -> None:
    engine, separator = ClickEngine(), click_separator()
    BeatTracker(engine, FACTS, separator).close()
    assert engine.is_closed
    assert separator.separate(music(100), RATE)["drums"].shape == (2, 100)
    separator.close()
