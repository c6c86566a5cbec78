"""Where stems go: the same rules for the command and for Python."""

from pathlib import Path

import pytest

from stemline.errors import RequestError
from stemline.serving.jobs import SeparateOptions
from stemline.serving.output_names import FileNames
from stemline.serving.stem_origin import mark, models_in
from stemline.serving.stem_places import (
    DEFAULT,
    Place,
    file_names,
    model_in_paths,
    replaced_words,
)


def test_a_place_has_a_path_for_every_stem(tmp_path: Path) -> None:
    place = Place(Path("in/...wav"), tmp_path, FileNames(DEFAULT, "flac"), "mini")
    assert place.paths(["drums", "a/b"]) == {
        "drums": tmp_path / "...wav" / "drums.flac",
        "a/b": tmp_path / "...wav" / "a_b.flac",
    }


def test_the_stems_of_another_model_are_left_alone(tmp_path: Path) -> None:
    place = Place(Path("song.wav"), tmp_path, FileNames(DEFAULT, "wav"), "mini")
    (path,) = place.paths(["drums"]).values()
    assert place.of_model() == place
    path.parent.mkdir()
    path.touch()
    mark([path], "htdemucs")
    if models_in(path.parent) != {"htdemucs"}:
        pytest.skip("this file system keeps no extended attributes")
    (beside,) = place.of_model().paths(["drums"]).values()
    assert beside == tmp_path / "song" / "mini" / "drums.wav"
    own = Place(Path("song.wav"), tmp_path, FileNames("{track}/{stem}.wav", "wav"), "mini")
    assert own.of_model() == own  # a template that was asked for is kept
    mark([path], "mini")
    assert place.of_model() == place


def test_several_stems_need_a_name_for_each() -> None:
    one, rest = SeparateOptions(("bass",)), SeparateOptions(("bass",), residual=True)
    assert file_names("{track}.{ext}", "wav", one).ext == "wav"
    for options in (SeparateOptions(), SeparateOptions(("bass", "drums")), rest):
        with pytest.raises(RequestError, match="all stems would be one file"):
            file_names("{track}.{ext}", "wav", options)


def test_the_usual_precision_goes_without_saying() -> None:
    assert model_in_paths("mini", "mini.fp32") == "mini"
    assert model_in_paths("mini", "mini.int8") == "mini.int8"
    assert model_in_paths("own", "model") == "model"


def test_what_is_there_and_will_be_replaced_is_named(tmp_path: Path) -> None:
    there, more, new = (tmp_path / name for name in ("a.wav", "b.wav", "c.wav"))
    assert replaced_words([there, more, new]) == ""
    there.touch()
    assert replaced_words([there, more]) == f"{there}, which is there, will be replaced"
    more.touch()
    assert replaced_words([there, more, new]) == (
        f"{there} and 1 more that are there will be replaced"
    )
