"""The study of published figures: known answers on a second of music."""

from dataclasses import replace
from pathlib import Path

import pytest
from beat_helpers import write_beat_artifact
from demucs_track_helpers import gain_info, write_gains

from stemline.band import play
from stemline.bench.studies.published import measured
from stemline.errors import ArtifactError
from stemline.evaluation.beat_quality import BeatQuality
from stemline.evaluation.held_out import held_out
from stemline.evaluation.quality import Quality
from stemline.export.models import MODELS

STEMS = ("drums", "bass", "other", "vocals")


def test_a_louder_mixture_is_no_better_than_the_mixture(tmp_path: Path) -> None:
    """Scale does not count: stems that are the mixture times a gain improve nothing."""
    write_gains(tmp_path, gain_info("louder", stems=STEMS), [2.0, 0.5, 1.0, 3.0])
    songs = held_out(2, 1.0)
    found = measured(replace(MODELS["mini"], name="louder"), tmp_path, songs)
    assert isinstance(found.quality, Quality)
    assert found.quality.songs == songs
    for stem in found.quality.stems:
        assert stem.improvement_db == pytest.approx(0, abs=1e-3)


def test_beats_are_found_in_the_separators_stems(tmp_path: Path) -> None:
    write_beat_artifact(tmp_path)
    write_gains(tmp_path, gain_info("tiny", stems=STEMS), [1.0] * 4)
    spec = replace(MODELS["mini-beats"], name="clicks", trained_on_stems_of="tiny")
    songs = held_out(1, 8.0)
    quality = measured(spec, tmp_path, songs).quality
    assert isinstance(quality, BeatQuality)
    assert (quality.inputs, quality.songs) == ("stems of tiny", songs)
    assert quality.n_beats == len(play(songs.seeds[0], 8.0).truth.beats)
    assert 0 <= quality.downbeat <= 1 and 0 <= quality.beat <= 1


def test_a_model_that_is_not_exported_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError):
        measured(MODELS["mini"], tmp_path, held_out(1, 1.0))
