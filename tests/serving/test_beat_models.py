import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from beat_helpers import FACTS, STEMS, write_beat_artifact, write_separator
from demucs_track_helpers import gain_info, write_gains
from helpers import tiny_info

from stemline.engines import read_artifact
from stemline.engines.artifact import info_from_metadata
from stemline.engines.beat_info import BeatInfo
from stemline.engines.typed_json import from_json
from stemline.errors import (
    EngineError,
    RequestError,
    UnknownModelError,
    UntrainedError,
    WrongModelError,
)
from stemline.serving.beat_models import find_beat_model, find_separator
from stemline.serving.library import EngineOptions, Library


@pytest.mark.parametrize("threshold", [None, 0.19])
def test_facts_come_back_from_metadata(threshold: float | None) -> None:
    beat_info = replace(
        FACTS, best_threshold_downbeat=threshold, max_bpm=230.5, beats_per_bar=(2, 4)
    )
    info = replace(tiny_info(()), family="allin1", beats=beat_info)
    assert info_from_metadata(info.to_metadata(), "a file") == info
    later = {**beat_info.to_json(), "what_comes_later": 1}
    assert from_json(BeatInfo, json.loads(json.dumps(later)), "beats.") == beat_info


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stems": "bass"}, "stems"),
        ({"stems": ["bass", "bass"]}, "stems must be different names"),
        ({"labels": ["verse", "verse"]}, "labels must be different names"),
        ({"labels": ["verse", 3]}, "labels cannot be"),
        ({"best_threshold_downbeat": 1.5}, "best_threshold_downbeat must be 0 to 1"),
        ({"best_threshold_downbeat": float("nan")}, "best_threshold_downbeat cannot be nan"),
        ({"best_threshold_downbeat": "0.2"}, "best_threshold_downbeat cannot be"),
        ({"hop_samples": 0}, "hop_samples must be 1 or more"),
        ({"hop_samples": True}, "hop_samples cannot be True"),
        ({"beats_per_bar": [0]}, "beats_per_bar must be 1 or more"),
        ({"min_bpm": 215.0}, "min_bpm must be below max_bpm"),
    ],
)
def test_facts_that_cannot_be_are_named(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        from_json(BeatInfo, {**FACTS.to_json(), **change}, "beats.")


@pytest.mark.parametrize("name", ["stems", "labels", "best_threshold_downbeat"])
def test_a_fact_that_is_missing_is_named(name: str) -> None:
    values = FACTS.to_json()
    del values[name]
    with pytest.raises(ValueError, match=f"no field beats.{name}"):
        from_json(BeatInfo, values, "beats.")


@pytest.mark.parametrize(
    ("exported", "chosen"),
    [
        (["mini-beats", "allin1", "allin1-fold0", "mine"], "allin1.fp32"),
        (["mini-beats", "allin1-fold0"], "allin1-fold0.fp32"),
        (["mini-beats", "mine", "allin1-fold0"], "mini-beats.fp32"),
        (["mini-beats"], "mini-beats.fp32"),
        (["mini-beats", "!allin1"], "mini-beats.fp32"),  # one of random weights
        (["!allin1"], "allin1.fp32"),
    ],
)
def test_an_empty_name_is_the_best_beat_model_there_is(
    tmp_path: Path, exported: list[str], chosen: str
) -> None:
    write_separator(tmp_path, "htdemucs")
    for name in exported:
        model = name.removeprefix("!")
        write_beat_artifact(tmp_path, model=model, trained=not name.startswith("!"))
    library = Library(tmp_path)
    assert len(library.beat_models()) == len(exported)
    assert find_beat_model(library).name == chosen


def test_a_beat_model_is_found_by_its_names_and_its_file(tmp_path: Path) -> None:
    written = write_beat_artifact(tmp_path, FACTS)
    write_separator(tmp_path, "mini")
    library = Library(tmp_path)
    for name in ("clicks", "clicks.fp32", str(written / "1" / "model.onnx")):
        assert find_beat_model(library, name).info == FACTS
    lone = tmp_path / "carried.onnx"
    lone.write_bytes((written / "1" / "model.onnx").read_bytes())
    assert find_beat_model(library, str(lone)).info == FACTS
    with pytest.raises(WrongModelError, match=r"mini\.fp32 gives stems .* clicks\.fp32"):
        find_beat_model(library, "mini")
    with pytest.raises(UnknownModelError, match=r"no model 'beets' .* clicks\.fp32, mini\.fp32"):
        find_beat_model(library, "beets")
    with pytest.raises(UnknownModelError, match="stemline export mini-beats"):
        find_beat_model(Library(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("exported", "chosen"),
    [
        (["mini", "htdemucs", "own"], "own.fp32"),
        (["mini", "htdemucs", "htdemucs_ft"], "htdemucs_ft.fp32"),
        (["mini", "!own"], "mini.fp32"),  # one of random weights
        (["another"], "another.fp32"),
    ],
)
def test_the_separator_is_the_one_it_learned_from_or_another_of_its_stems(
    tmp_path: Path, exported: list[str], chosen: str
) -> None:
    write_beat_artifact(tmp_path, FACTS)
    write_separator(tmp_path, "mdx23c", ("vocals", "instrumental"))
    write_separator(tmp_path, "six", ("drums", "bass", "other", "vocals", "guitar", "piano"))
    for name in exported:
        write_separator(tmp_path, name.removeprefix("!"), trained=not name.startswith("!"))
    library = Library(tmp_path)
    assert find_separator(library, replace(FACTS, trained_on_stems_of="own")).name == chosen


def test_a_separator_must_give_the_stems(tmp_path: Path) -> None:
    write_beat_artifact(tmp_path, FACTS)
    write_separator(tmp_path, "mdx23c", ("vocals", "instrumental"))
    write_separator(tmp_path, "six", ("drums", "bass", "other", "vocals", "guitar", "piano"))
    library = Library(tmp_path)
    assert find_separator(library, FACTS, "six").name == "six.fp32"
    with pytest.raises(RequestError, match="bass, drums, other, vocals"):
        find_separator(library, FACTS, "mdx23c")
    with pytest.raises(WrongModelError, match=r"clicks\.fp32 finds beats and gives no stems"):
        find_separator(library, FACTS, "clicks")
    with pytest.raises(UnknownModelError, match=r"export one with: stemline export tiny$"):
        find_separator(library, FACTS)


def test_random_weights_are_refused_unless_allowed(tmp_path: Path) -> None:
    write_beat_artifact(tmp_path, FACTS, trained=False)
    library = Library(tmp_path, EngineOptions("cpu", 1))
    model = find_beat_model(library, "clicks")
    with pytest.raises(UntrainedError, match="--allow-untrained"):
        model.open(library)
    allowing = Library(tmp_path, EngineOptions("cpu", 1, allow_untrained=True))
    assert model.open(allowing).sha256 == read_artifact(tmp_path / "clicks.fp32").sha256
    allowing.close()


def test_one_engine_serves_every_separator_and_is_opened_once(tmp_path: Path) -> None:
    write_beat_artifact(tmp_path, FACTS)
    for name in ("mine", "yours"):
        write_gains(tmp_path, gain_info(name, stems=STEMS), (1.0, 1.0, 1.0, 1.0))
    library = Library(tmp_path, EngineOptions("cpu", 1))
    model = find_beat_model(library)
    trackers = [model.open(library)]
    for name in ("mine", "yours", "mine"):
        trackers.append(model.open(library, library.find(name)))
    assert {id(tracker.engine) for tracker in trackers} == {id(trackers[0].engine)}
    assert [tracker.separator and tracker.separator.name for tracker in trackers] == [
        None,
        "mine.fp32",
        "yours.fp32",
        "mine.fp32",
    ]
    assert library.is_open(model.model)
    library.close()
    with pytest.raises(EngineError, match="closed"):
        trackers[0].track_stems(dict.fromkeys(STEMS, np.ones((1, 9000), np.float32)), 44100)


def test_a_beat_model_is_never_taken_for_a_separator(tmp_path: Path) -> None:
    written = write_beat_artifact(tmp_path, FACTS, model="htdemucs")  # whatever it is called
    library = Library(tmp_path)
    for name in ("htdemucs", "htdemucs.fp32", str(written / "1" / "model.onnx")):
        for ask in (library.find, library.separator):
            with pytest.raises(WrongModelError, match="stemline beats -m"):
                ask(name)
    with pytest.raises(UnknownModelError, match=r"only what finds beats: htdemucs\.fp32"):
        library.find()
    write_separator(tmp_path, "mini")
    assert library.find().name == "mini.fp32"
    assert [model.name for model in library.separators()] == ["mini.fp32"]
    assert [model.name for model in library.beat_models()] == ["htdemucs.fp32"]


def test_a_model_that_hears_the_mixture_needs_no_separator(tmp_path: Path) -> None:
    write_separator(tmp_path, "mini")
    library = Library(tmp_path)
    mixture = replace(FACTS, stems=(), labels=(), family="madmom")
    assert find_separator(library, mixture) is None
    with pytest.raises(RequestError, match="hears the mixture; leave 'mini' out"):
        find_separator(library, mixture, "mini")
