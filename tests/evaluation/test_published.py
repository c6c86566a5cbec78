"""The published figures: of the weights that ship, and the same wherever they are stated."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from demucs_track_helpers import gain_info, write_gains

from stemline.evaluation.beat_quality import BeatQuality
from stemline.evaluation.published import (
    basis,
    cell,
    figures,
    published_path,
    read_published,
    sentence,
)
from stemline.evaluation.quality import BENCH_SONGS, Quality, StemQuality
from stemline.export.models import MODELS
from stemline.serving.cli.models import models

ROOT = Path(__file__).parents[2]
SHIPPED = {name: spec for name, spec in MODELS.items() if spec.bundled is not None}
PAGES = {
    "mini": ("README.md", "docs/models.md", "docs/quality.md"),
    "mini-beats": ("README.md", "docs/models.md", "docs/beats.md"),
}


def published(name: str) -> Quality | BeatQuality:
    weights = SHIPPED[name].bundled
    assert weights is not None
    found = read_published(weights)
    assert found is not None
    return found.quality


def plain(values: object) -> object:
    """As JSON has it: lists for tuples."""
    return json.loads(json.dumps(values))


def text_of(page: str) -> str:
    """A page as one line."""
    return " ".join((ROOT / page).read_text(encoding="utf-8").split())


@pytest.mark.parametrize("name", SHIPPED)
def test_the_figures_are_of_the_weights_that_ship(name: str) -> None:
    """New weights need new figures: `python -m stemline.bench.studies.published`."""
    weights = SHIPPED[name].bundled
    assert weights is not None
    found = read_published(weights)
    assert found is not None
    assert found.weights_sha256 == SHIPPED[name].sha256
    assert found.quality.songs == BENCH_SONGS
    assert plain(found.to_json()) == json.loads(published_path(weights).read_text())


@pytest.mark.parametrize(
    ("name", "page"), [(name, page) for name, pages in PAGES.items() for page in pages]
)
def test_pages_state_them_in_these_words(name: str, page: str) -> None:
    assert sentence(published(name)) in text_of(page)


def test_every_model_that_ships_is_stated_somewhere() -> None:
    assert PAGES.keys() == SHIPPED.keys()


def test_the_page_of_quality_has_the_figures_of_its_data() -> None:
    data = json.loads((ROOT / "docs/bench/2026-11-21-mini-one-core.json").read_text())
    page = text_of("docs/quality.md")
    assert len(data["quality"]) == 10
    for row in data["quality"]:
        cells = [
            f"{row['engine']} fp32",
            f"{row['overlap']:g}",
            *(f"{stem['improvement_db']:+.2f} ({stem['si_sdr_db']:.2f})" for stem in row["stems"]),
            f"{row['mean_improvement_db']:+.2f} ({row['mean_si_sdr_db']:.2f})",
        ]
        assert f"| {' | '.join(cells)} |" in page


def test_the_pages_of_beats_have_the_published_figures_and_those_of_their_data() -> None:
    data = json.loads((ROOT / "docs/bench/2026-11-21-beats-quality.json").read_text())
    quality = published("mini-beats")
    assert isinstance(quality, BeatQuality)
    mean = data["means"]["onnx"]
    found = (quality.beat, quality.downbeat, quality.boundary, quality.label)
    wanted = [mean[name] for name in ("beat", "downbeat", "boundary_three", "label")]
    assert found == pytest.approx(wanted, abs=1e-4)
    row = f"{quality.beat:.3f} | {quality.downbeat:.3f} |"
    assert f"| onnx | {row}" in text_of("docs/beats.md")
    assert f"(`--songs 24 --seconds 30`) | {row}" in text_of("training/mini_beats/README.md")


def test_the_words_are_these() -> None:
    stems = (StemQuality("drums", 5.0, 10.04, 2), StemQuality("bass", 4.0, 11.16, 2))
    quality = Quality((1, 2), 7.5, 2, stems)
    assert figures(quality) == "10.6 dB (drums 10.0, bass 11.2)"
    assert basis(quality) == "2 songs of 7.5 s"
    assert sentence(quality) == (
        "SI-SDR improvement over the mixture 10.6 dB (drums 10.0, bass 11.2), mean of held-out "
        "songs of the synthetic band (2 songs of 7.5 s)"
    )
    assert cell(quality) == ("SI-SDR improvement 10.6 dB (drums 10.0, bass 11.2); 2 songs of 7.5 s")
    beats = BeatQuality((1,), 30.0, "mixtures", 60, 0.914, 0.8751, None, None)
    assert sentence(beats) == (
        "F-measure within 70 ms 0.91 of beats, 0.88 of downbeats, mean of held-out songs of the "
        "synthetic band (1 song of 30 s, mixtures)"
    )
    assert cell(beats) == "F-measure 0.91 of beats, 0.88 of downbeats; 1 song of 30 s, mixtures"


def test_the_list_of_models_shows_them_of_these_weights_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stems = ("drums", "bass", "other", "vocals")
    info = gain_info("mini", stems=stems)
    wanted = published("mini")
    sha256 = SHIPPED["mini"].sha256
    assert sha256 is not None
    for digest, is_shown in ((sha256, True), ("0" * 64, False)):
        write_gains(tmp_path / digest, replace(info, weights_sha256=digest), [1.0] * 4)
        models(artifacts=tmp_path / digest)
        line = next(one for one in capsys.readouterr().out.splitlines() if one.startswith("mini\t"))
        assert (f"\tSI-SDR improvement {figures(wanted)}; {basis(wanted)}\t" in line) is is_shown
        models(artifacts=tmp_path / digest, as_json=True)
        listed = {row["model"]: row for row in json.loads(capsys.readouterr().out)}
        quality = listed["mini"]["artifacts"][0]["quality"]
        assert quality == (plain(wanted.to_json()) if is_shown else None)
