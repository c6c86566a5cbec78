"""Colours of sections: fixed, apart from each other, and light enough for what is drawn on them."""

from itertools import combinations

import pytest
from contrast import contrast, rgb

from stemline.export.models import MODELS
from stemline.families import find_family
from stemline.serving.beat_plot import BEAT, DOWNBEAT, WAVE
from stemline.serving.section_colours import section_colour


def labels_of_models() -> list[str]:
    """Every label that a model of the table may find."""
    found: set[str] = set()
    for spec in MODELS.values():
        beats = find_family(spec.family).describe(spec.config).beats
        found |= set(beats.labels) if beats is not None else set()
    return sorted(found)


OWN = ["hook", "pre-chorus", "A", "B", "Strophe", "サビ", "", *(f"part {i}" for i in range(60))]


def test_every_label_of_a_model_has_a_colour_of_its_own() -> None:
    labels = labels_of_models()
    assert len(labels) >= 10
    for one, other in combinations(labels, 2):
        colours = (rgb(section_colour(label)) for label in (one, other))
        apart = [abs(a - b) for a, b in zip(*colours, strict=True)]
        assert max(apart) > 0.06, (one, other)


def test_colours_are_these_for_ever() -> None:
    """Known answers: another process, another release and another song have the same."""
    assert section_colour("verse") == section_colour(" Verse ") == "#b5dcf5"
    assert section_colour("chorus") == "#ffc6bd"
    assert [section_colour(label) for label in ("hook", "pre-chorus", "")] == [
        "#e6d1bc",
        "#acf6c5",
        "#bce6ca",
    ]


@pytest.mark.parametrize("label", [*labels_of_models(), *OWN])
def test_names_and_lines_are_seen_on_every_colour(label: str) -> None:
    ground = rgb(section_colour(label))
    assert contrast(rgb("#222222"), ground) >= 7
    assert min(contrast(rgb(line), ground) for line in (BEAT, DOWNBEAT)) >= 4.5


def test_beats_are_seen_on_the_waveform() -> None:
    assert min(contrast(rgb(line), rgb(WAVE)) for line in (BEAT, DOWNBEAT)) >= 3
