import json
import re
from dataclasses import dataclass

import pytest

from stemline.band.compose import compose, excerpt
from stemline.band.score import Score
from stemline.band.truth import truth_digest, truth_json


@dataclass(frozen=True)
class Played:
    score: Score


def test_annotations_say_what_the_score_does() -> None:
    score = compose(5)
    found = json.loads(json.dumps(truth_json(score)))
    assert found["file_metadata"] == {
        "title": "Synthetic band, seed 5",
        "duration": score.duration_s,
    }
    data = {entry["namespace"]: entry["data"] for entry in found["annotations"]}
    assert list(data) == ["beat", "segment_open", "tempo", "key_mode"]
    assert [(beat["time"], beat["value"]) for beat in data["beat"]] == [
        (beat.time_s, beat.position) for beat in score.truth.beats
    ]
    end = 0.0
    for entry, section in zip(data["segment_open"], score.truth.sections, strict=True):
        assert entry["time"] == pytest.approx(end, abs=2e-6)
        assert entry["value"] == section.label
        end = entry["time"] + entry["duration"]
    assert end == pytest.approx(score.duration_s, abs=2e-6)
    assert data["tempo"][0]["value"] == score.truth.tempo_bpm
    assert re.fullmatch(r"[A-G][b#]?:(major|minor)", data["key_mode"][0]["value"])
    assert found["sandbox"]["beats_per_bar"] == score.truth.beats_per_bar


def test_a_song_gives_the_truth_of_its_score() -> None:
    score = compose(6, 20.0)
    assert truth_json(Played(score)) == truth_json(score)
    assert truth_digest(Played(score)) == truth_digest(score)


def test_digests_differ_where_the_truth_does() -> None:
    score = compose(7)
    digests = {
        truth_digest(score),
        truth_digest(compose(8)),
        truth_digest(compose(7, 90.0)),
        truth_digest(excerpt(score, 10.0, 30.0)),
    }
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("seed", "duration_s", "digest"),
    [
        (1, None, "01b73f1155d431f74510976d58ded9d6cbc58581e48e22b2c65a8a4ee61de020"),
        (2, 30.0, "1c764565060a43735b60d5aeac49b1dced3f59a9417210f6ef84a313864df65c"),
    ],
)
def test_the_same_truth_on_every_machine(seed: int, duration_s: float | None, digest: str) -> None:
    assert truth_digest(compose(seed, duration_s)) == digest
