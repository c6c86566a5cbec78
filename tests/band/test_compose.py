import hashlib
import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemline.band.compose import compose, excerpt
from stemline.band.score import Note, Score, Syllable
from stemline.band.timing import MAX_DRIFT

SEEDS = st.integers(0, 2**63)
SONGS = [compose(seed) for seed in range(120)]


def written(score: Score) -> str:
    return hashlib.sha256(repr(score).encode()).hexdigest()


def check_held(notes: Sequence[Note] | Sequence[Syllable], score: Score) -> None:
    starts = [note.start_s for note in notes]
    assert starts == sorted(starts)
    for note in notes:
        assert 0 <= note.start_s < score.duration_s
        assert note.duration_s > 0
        assert note.start_s + note.duration_s <= score.duration_s + 1e-6
        assert 0 < note.velocity <= 1
        assert note.start_s == round(note.start_s, 6)
        assert note.duration_s == round(note.duration_s, 6)


def check(score: Score) -> None:
    starts = [hit.start_s for hit in score.drums]
    assert starts == sorted(starts)
    assert all(0 <= start < score.duration_s for start in starts)
    assert all(0 < hit.velocity <= 1 for hit in score.drums)
    check_held(score.bass, score)
    assert all(28 <= note.pitch <= 52 for note in score.bass)
    for part in score.other:
        check_held(part.notes, score)
        assert all(40 <= note.pitch <= 96 for note in part.notes)
    check_held(score.vocals, score)
    assert all(43 <= syllable.pitch <= 79 for syllable in score.vocals)
    for before, after in pairwise(score.vocals):
        assert before.start_s + before.duration_s <= after.start_s + 2e-6
        if after.legato:
            assert after.start_s - (before.start_s + before.duration_s) < 0.01
    assert not (score.vocals and score.vocals[0].legato)

    truth = score.truth
    for one, two in pairwise(truth.beats):
        assert two.position == one.position % truth.beats_per_bar + 1
        assert two.time_s > one.time_s
    assert all(0 <= beat.time_s < score.duration_s for beat in truth.beats)
    assert truth.sections[0].start_s == 0
    assert truth.sections[-1].end_s == score.duration_s
    assert all(one.end_s == two.start_s for one, two in pairwise(truth.sections))
    assert all(section.end_s > section.start_s for section in truth.sections)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, duration_s=st.none() | st.floats(0.5, 240.0))
def test_any_song_is_sound(seed: int, duration_s: float | None) -> None:
    score = compose(seed, duration_s)
    check(score)
    assert score.seed == seed
    if duration_s is None:
        assert 60 <= score.duration_s <= 200
    else:
        assert score.duration_s == round(duration_s, 6)
    assert score == compose(seed, duration_s)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 119), start=st.floats(0, 0.95), share=st.floats(0.001, 1.0))
def test_a_window_holds_what_begins_in_it(seed: int, start: float, share: float) -> None:
    song = SONGS[seed]
    start_s = start * song.duration_s
    length_s = share * (song.duration_s - start_s)
    window = excerpt(song, start_s, length_s)
    check(window)
    assert window.seed == song.seed
    assert math.isclose(window.duration_s, length_s, abs_tol=1e-6)
    assert len(window.other) == len(song.other)
    end_s = start_s + length_s
    # What lies at the very edge may fall to either side by rounding.
    inside = [hit for hit in song.drums if start_s + 2e-6 < hit.start_s < end_s - 2e-6]
    touched = [hit for hit in song.drums if start_s - 2e-6 < hit.start_s < end_s + 2e-6]
    assert len(inside) <= len(window.drums) <= len(touched)
    for hit in window.drums:
        assert any(
            abs(hit.start_s + start_s - other.start_s) < 2e-6 and hit.piece == other.piece
            for other in touched
        )
    beats = [beat for beat in song.truth.beats if start_s + 2e-6 < beat.time_s < end_s - 2e-6]
    assert len(beats) <= len(window.truth.beats) <= len(beats) + 2


def test_the_whole_song_is_its_own_excerpt() -> None:
    for song in SONGS:
        assert excerpt(song, 0.0, song.duration_s) == song


def test_windows_of_windows() -> None:
    song = SONGS[0]
    once = excerpt(song, 25.0, 5.0)
    twice = excerpt(excerpt(song, 20.0, 20.0), 5.0, 5.0)
    assert once.drums == twice.drums
    assert once.truth == twice.truth


@pytest.mark.parametrize(
    ("start_s", "duration_s"), [(-1.0, 5.0), (0.0, 0.0), (0.0, 1e4), (190.0, 50.0), (math.nan, 1.0)]
)
def test_a_window_outside_is_refused(start_s: float, duration_s: float) -> None:
    with pytest.raises(ValueError, match="not inside"):
        excerpt(SONGS[0], start_s, duration_s)


@pytest.mark.parametrize("duration_s", [0.0, -3.0, 0.4, math.nan])
def test_too_short_a_song_is_refused(duration_s: float) -> None:
    with pytest.raises(ValueError, match="at least"):
        compose(1, duration_s)


def test_beats_are_equally_spaced_within_the_drift() -> None:
    drifting = 0
    for song in SONGS:
        times = [beat.time_s for beat in song.truth.beats]
        beat_s = 60.0 / song.truth.tempo_bpm
        strays = [abs((two - one) / beat_s - 1.0) for one, two in pairwise(times)]
        assert max(strays) < MAX_DRIFT
        drifting += max(strays) > 0.003
        mean_s = (times[-1] - times[0]) / (len(times) - 1)
        assert math.isclose(mean_s, beat_s, rel_tol=1e-6)
        # The first beat is a downbeat, and so is the one after the last bar.
        assert song.truth.beats[0].position == song.truth.beats[-1].position == 1
        assert 70 <= song.truth.tempo_bpm <= 180
    assert drifting > 40


def test_songs_are_of_many_kinds() -> None:
    threes = sum(song.truth.beats_per_bar == 3 for song in SONGS)
    assert 0.1 < threes / len(SONGS) < 0.3
    assert len({song.truth.key for song in SONGS}) == 24
    assert {kind for song in SONGS for kind in (p.kind for p in song.other)} == {
        "pad",
        "pluck",
        "arpeggio",
        "lead",
    }
    assert {hit.piece for song in SONGS for hit in song.drums} == {
        "kick",
        "snare",
        "tom_high",
        "tom_mid",
        "tom_low",
        "hat_closed",
        "hat_open",
        "ride",
        "crash",
    }
    labels = {section.label for song in SONGS for section in song.truth.sections}
    assert labels == {"intro", "verse", "chorus", "bridge", "outro"}
    swung = sum(song.truth.swing > 0.3 for song in SONGS)
    assert 10 < swung < 80
    silent = sum(not song.vocals for song in SONGS)
    assert 1 < silent < 30
    # Talk strays from the semitones of the scale, and its syllables are short.
    talking = 0
    for song in SONGS:
        lengths = sorted(syllable.duration_s for syllable in song.vocals)
        talking += bool(lengths) and lengths[int(0.9 * len(lengths))] < 0.36
    assert 8 < talking < 60


def test_hits_lie_on_the_grid_but_for_hands() -> None:
    for song in SONGS[:30]:
        times = [beat.time_s for beat in song.truth.beats]
        middle = 0.5 + song.truth.swing / 6.0
        for hit in song.drums:
            if hit.piece != "kick" or not times[0] < hit.start_s < times[-1]:
                continue
            after = next(place for place, time in enumerate(times) if time > hit.start_s)
            length = times[after] - times[after - 1]
            place = (hit.start_s - times[after - 1]) / length
            steps = (0.0, middle / 2, middle, (1 + middle) / 2, 1.0, 1 / 3, 2 / 3)
            assert min(abs(place - step) for step in steps) * length < 0.025


@pytest.mark.parametrize(
    ("seed", "duration_s", "digest"),
    [
        (1, None, "89b9087859d0c11e7c5696939f1176d3fa17f04cdcf06e39f7d90a7b43610e9f"),
        (2, 30.0, "2a6c5b86d0130e3ef1518adbe7f5f79127060add24c5802ec3f71a6a67aea1b1"),
        (3, 6.0, "9dce32991873f83a6901be3f56827629dfd93417ea1a0f2c34678feb44824735"),
    ],
)
def test_the_same_song_on_every_machine(seed: int, duration_s: float | None, digest: str) -> None:
    assert written(compose(seed, duration_s)) == digest
