"""What `mini-beats` is worth from the mixture on: no broken order, clock or decoder can pass.

The songs are ones that it understands: how well it does on whatever comes is in docs/beats.md, and
a song that it does not understand may fall either way by a rounding. The floors lie below what was
measured when the weights were committed: three of a song's some 60 beats that are elsewhere, as
another runtime or instruction set might have them, move a mean by 0.0125, a boundary by 0.1, a
section of 10 s that is named otherwise by 0.08.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from stemline.arrays import Array
from stemline.band import Truth, play
from stemline.evaluation.held_out import held_out
from stemline.evaluation.song_score import BeatScore, mean_score, score_of
from stemline.export import verify
from stemline.export.export import export_model
from stemline.export.models import find_model
from stemline.export.reference import reference_engine
from stemline.postprocessing.sections import Section
from stemline.preprocessing.audio import AudioFormat
from stemline.serving.beat_models import find_beat_model, find_separator
from stemline.serving.beat_tracker import BeatTracker
from stemline.serving.jobs import Beats, SeparateOptions
from stemline.serving.library import EngineOptions, Library

Stems = dict[str, Array]

RATE_HZ = 44100
SEEDS = (1_000_100, 1_000_101, 1_000_103, 1_000_108)
SONG_S = 30.0
MEASURED = {"beat": 0.983, "downbeat": 1.0, "inner_three": 0.667, "label": 0.710}
MARGIN = {"beat": 0.03, "downbeat": 0.03, "inner_three": 0.1, "label": 0.1}


@dataclass(frozen=True)
class Song:
    """A song that no training has heard."""

    truth: Truth
    mixture: Array
    stems: Stems
    """As `mini` separates it."""
    found: Beats
    """In these."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """The artifacts of `mini` and `mini-beats`."""
    root = tmp_path_factory.mktemp("minis")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "CARD_SONGS", held_out(1, 1.5))  # cards are tested elsewhere
        patch.setattr(verify, "CARD_BEAT_SONGS", held_out(1, 6.0))
        for name in ("mini", "mini-beats"):
            export_model(find_model(name), root=root)
    library = Library(root, EngineOptions(device="cpu", threads=1))
    yield library
    library.close()


@pytest.fixture(scope="module")
def tracker(library: Library) -> BeatTracker:
    """What a user gets who names no model."""
    model = find_beat_model(library)
    return model.open(library, find_separator(library, model.info))


@pytest.fixture(scope="module")
def songs(tracker: BeatTracker) -> list[Song]:
    """Each separated once, and its beats found on the way."""
    songs = []
    for seed in SEEDS:
        song = play(seed, SONG_S)
        audio = AudioFormat(RATE_HZ, 2, song.mixture.shape[1])
        with tracker.stream([song.mixture], audio, SeparateOptions()) as tracking:
            blocks = [block.stems for block in tracking]
            found = tracking.find()
        stems = {name: np.concatenate([one[name] for one in blocks], 1) for name in blocks[0]}
        songs.append(Song(song.truth, song.mixture, stems, found))
    return songs


def score(find: Callable[[Song], Beats], songs: list[Song]) -> BeatScore:
    return mean_score([score_of(song.truth, find(song), SONG_S) for song in songs])


def below_the_floor(found: BeatScore) -> list[str]:
    return [
        f"{name}: {getattr(found, name):.3f}, measured {measured:.3f}"
        for name, measured in MEASURED.items()
        if not getattr(found, name) >= measured - MARGIN[name]
    ]


def test_beats_are_as_good_as_they_were_from_the_mixture(songs: list[Song]) -> None:
    found = score(lambda song: song.found, songs)
    print(found)
    assert below_the_floor(found) == []


def test_beats_are_the_same_whether_stems_are_wanted_or_not(
    tracker: BeatTracker, songs: list[Song]
) -> None:
    assert tracker.track(songs[0].mixture, RATE_HZ) == songs[0].found


def test_beats_are_as_good_as_they_were_through_pytorch(
    library: Library, tracker: BeatTracker, songs: list[Song]
) -> None:
    (artifact,) = find_beat_model(library).model.artifacts
    folder = Path(artifact.engine_path).parent.parent
    original = BeatTracker(reference_engine(folder, threads=1), tracker.info)
    try:
        found = score(lambda song: original.track_stems(song.stems, RATE_HZ), songs)
    finally:
        original.close()
    assert below_the_floor(found) == []


# Faults of what the network hears.


def _in_another_order(stems: Stems) -> Stems:
    names = list(stems)
    return dict(zip(names, [stems[name] for name in [*names[1:], names[0]]], strict=True))


def _without_drums(stems: Stems) -> Stems:
    return {**stems, "drums": np.zeros_like(stems["drums"])}


def _half_as_fast(stems: Stems) -> Stems:
    """As if the samples were of another rate."""
    return {name: np.repeat(samples, 2, axis=1) for name, samples in stems.items()}


def _quieter(stems: Stems) -> Stems:
    """As if samples were divided by 32767 once too often."""
    return {name: samples / 32767 for name, samples in stems.items()}


def _late(stems: Stems) -> Stems:
    n = round(0.08 * RATE_HZ)
    return {name: np.pad(samples, ((0, 0), (n, 0)))[:, :-n] for name, samples in stems.items()}


@pytest.mark.parametrize(
    "fault", [_in_another_order, _without_drums, _half_as_fast, _quieter, _late]
)
def test_faults_of_the_stems_fall_below_the_floor(
    fault: Callable[[Stems], Stems], tracker: BeatTracker, songs: list[Song]
) -> None:
    found = score(lambda song: tracker.track_stems(fault(song.stems), RATE_HZ), songs)
    print(found)
    assert below_the_floor(found)


# Faults of what is made of its answers.


def _shifted_by(offset_s: float) -> Callable[[Beats], Beats]:
    def shifted(found: Beats) -> Beats:
        beats = [replace(beat, time_s=beat.time_s + offset_s) for beat in found.beats]
        return replace(found, beats=tuple(beats))

    return shifted


def _bars_from_their_second_beat(found: Beats) -> Beats:
    length = max(beat.position for beat in found.beats)
    beats = [replace(beat, position=beat.position % length + 1) for beat in found.beats]
    return replace(found, beats=tuple(beats))


def _every_other_beat(found: Beats) -> Beats:
    return replace(found, beats=found.beats[::2])


def _one_section(found: Beats) -> Beats:
    whole = Section(0.0, found.segments[-1].end, found.segments[0].label)
    return replace(found, segments=(whole,))


def _labels_in_another_order(found: Beats) -> Beats:
    labels = sorted({segment.label for segment in found.segments})
    turned = dict(zip(labels, [*labels[1:], labels[0]], strict=True))
    return replace(
        found,
        segments=tuple(replace(one, label=turned[one.label]) for one in found.segments),
    )


@pytest.mark.parametrize(
    "fault",
    [
        _shifted_by(0.08),
        _shifted_by(-0.08),
        _bars_from_their_second_beat,
        _every_other_beat,
        _one_section,
        _labels_in_another_order,
    ],
)
def test_faults_of_the_decoding_fall_below_the_floor(
    fault: Callable[[Beats], Beats], songs: list[Song]
) -> None:
    found = score(lambda song: fault(song.found), songs)
    print(found)
    assert below_the_floor(found)
