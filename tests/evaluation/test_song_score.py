"""A song's score: all of it right, and one thing wrong at a time."""

import math
from dataclasses import asdict, replace

import pytest

from stemline.band import Truth
from stemline.band.score import Beat as TrueBeat
from stemline.band.score import Section as TrueSection
from stemline.evaluation.song_score import BeatScore, mean_score, score_of
from stemline.postprocessing.sections import Section
from stemline.serving.jobs import Beat, Beats

DURATION_S = 40.0
TRUTH = Truth(
    tempo_bpm=120.0,
    beats_per_bar=4,
    key="C major",
    swing=0.0,
    beats=tuple(TrueBeat(0.5 * i, i % 4 + 1) for i in range(80)),
    sections=(TrueSection(0.0, 16.0, "verse"), TrueSection(16.0, DURATION_S, "chorus")),
)
FOUND = Beats(
    bpm=120,
    beats=tuple(Beat(beat.time_s + 0.06, beat.position) for beat in TRUTH.beats),
    segments=(Section(0.0, 16.4, "verse"), Section(16.4, DURATION_S, "chorus")),
    duration_s=DURATION_S,
    seconds={},
)
RIGHT = {name: 1.0 for name in BeatScore.__dataclass_fields__} | {"label": 1 - 0.4 / DURATION_S}


def test_what_is_near_enough_is_right() -> None:
    assert asdict(score_of(TRUTH, FOUND, DURATION_S)) == pytest.approx(RIGHT)


def moved(offset_s: float) -> Beats:
    beats = [replace(beat, time_s=beat.time_s + offset_s) for beat in FOUND.beats]
    return replace(FOUND, beats=tuple(beats))


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        (moved(0.02), {"beat": 0.0, "downbeat": 0.0}),
        # 40 beats of 80 are found, and all downbeats.
        (replace(FOUND, beats=FOUND.beats[::2]), {"beat": 2 * 40 / 120}),
        (
            replace(FOUND, beats=tuple(replace(one, position=2) for one in FOUND.beats)),
            {"downbeat": 0.0},
        ),
        (replace(FOUND, bpm=60), {"tempo": 0.0}),
        (replace(FOUND, bpm=None), {"tempo": 0.0}),
        (
            replace(FOUND, segments=(Section(0.0, DURATION_S, "chorus"),)),
            # Two of three boundaries, the song's ends.
            {
                "boundary_half": 0.8,
                "boundary_three": 0.8,
                "inner_half": 0.0,
                "inner_three": 0.0,
                "label": 24 / 40,
            },
        ),
        (
            replace(
                FOUND, segments=(Section(0.0, 18.0, "verse"), Section(18.0, DURATION_S, "chorus"))
            ),
            {"boundary_half": 2 / 3, "inner_half": 0.0, "label": 38 / 40},
        ),
    ],
)
def test_one_mistake_costs_what_it_is_about(found: Beats, wrong: dict[str, float]) -> None:
    assert asdict(score_of(TRUTH, found, DURATION_S)) == pytest.approx(RIGHT | wrong)


def test_a_song_of_one_section_has_no_inner_boundaries_and_does_not_count_in_their_mean() -> None:
    alone = replace(TRUTH, sections=(TrueSection(0.0, DURATION_S, "verse"),))
    scores = [score_of(truth, FOUND, DURATION_S) for truth in (TRUTH, alone)]
    assert math.isnan(scores[1].inner_half)
    mean = mean_score(scores)
    assert mean.inner_half == 1
    assert mean.label == pytest.approx((RIGHT["label"] + 16.4 / 40) / 2)
