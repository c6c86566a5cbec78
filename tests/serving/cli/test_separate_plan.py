from pathlib import Path

import pytest
from encode_helpers import noise, write

from stemline.errors import RequestError
from stemline.postprocessing.encode import OutputFormat
from stemline.serving.cli.separate_plan import Made, distinct_inputs, plan
from stemline.serving.output_names import FileNames
from stemline.serving.stem_origin import mark, models_in
from stemline.serving.stem_places import DEFAULT
from stemline.serving.stem_tags import TrackTags

NAMES = FileNames(DEFAULT, "wav")
MADE = Made("mini", ("drums", "bass"))


def touched(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


def keeps_marks(folder: Path) -> bool:
    touched(folder / "probe")
    mark([folder / "probe"], "any")
    return models_in(folder) == {"any"}


@pytest.mark.parametrize(
    ("inputs", "template"),
    [
        (["a/01.flac", "b/01.flac"], "{parent}/{track}/{stem}.{ext}"),
        (["song.wav", "song.mp3"], "{track}.{trackext}/{stem}.{ext}"),
        (
            ["a/01.wav", "a/01.mp3", "b/01.wav"],
            "{parent}/{track}.{trackext}/{stem}.{ext}",
        ),
    ],
)
def test_inputs_of_one_name_are_named_with_a_template_that_keeps_them_apart(
    inputs: list[str], template: str
) -> None:
    files = [Path(name) for name in inputs]
    with pytest.raises(RequestError) as raised:
        distinct_inputs(files, NAMES, Path("out"))
    for words in (str(files[0]), str(files[1]), "would both write to", f"--filename '{template}'"):
        assert words in str(raised.value)
    assert distinct_inputs(files, FileNames(template, "wav"), Path("out")) == files


def test_inputs_that_no_template_keeps_apart_have_to_go_to_other_folders() -> None:
    files = [Path("a/x/01.wav"), Path("b/x/01.wav")]
    with pytest.raises(RequestError, match="different --out folders") as raised:
        distinct_inputs(files, NAMES, Path("out"))
    assert "--filename" not in str(raised.value)


def test_the_same_file_twice_is_one_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touched(tmp_path / "song.wav")
    again = tmp_path / "x" / ".." / "song.wav"
    (tmp_path / "x").mkdir()
    files = [tmp_path / "song.wav", again, tmp_path / "song.wav"]
    assert distinct_inputs(files, NAMES, tmp_path / "out") == files[:1]
    assert capsys.readouterr().err.count("is named twice") == 2


def test_what_will_be_replaced_is_said_and_what_is_complete_can_be_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, part = tmp_path / "whole.wav", tmp_path / "part.wav"
    out = tmp_path / "out"
    touched(out / "whole" / "drums.wav", out / "whole" / "bass.wav", out / "part" / "drums.wav")
    found = plan([whole, part], NAMES, out, MADE, skip_existing=False)
    assert (list(found.places), found.done) == ([whole, part], {})
    said = " ".join(capsys.readouterr().err.split())
    assert f"{out / 'whole' / 'drums.wav'} and 2 more that are there will be replaced" in said

    found = plan([whole, part], NAMES, out, MADE, skip_existing=True)
    assert list(found.places) == [part]
    assert found.done == {
        whole: {"drums": out / "whole" / "drums.wav", "bass": out / "whole" / "bass.wav"}
    }
    said = " ".join(capsys.readouterr().err.split())
    assert f"{out / 'part' / 'drums.wav'}, which is there, will be replaced" in said


def test_nothing_is_said_where_nothing_is_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touched(tmp_path / "out" / "song" / "notes.txt")
    plan([tmp_path / "song.wav"], NAMES, tmp_path / "out", MADE, skip_existing=False)
    assert capsys.readouterr().err == ""


def test_a_second_model_has_a_folder_of_its_own_and_the_first_keeps_its_own(
    tmp_path: Path,
) -> None:
    if not keeps_marks(tmp_path / "probe"):
        pytest.skip("this file system keeps no extended attributes")
    song, out = tmp_path / "song.wav", tmp_path / "out"
    first = out / "song" / "drums.wav"
    touched(first)
    mark([first], "mini")

    def drums(model: str) -> Path:
        made = Made(model, ("drums",))
        place = plan([song], NAMES, out, made, skip_existing=False).places[song]
        return place.paths(["drums"])["drums"]

    assert drums("mini") == first
    assert drums("htdemucs") == out / "song" / "htdemucs" / "drums.wav"
    touched(drums("htdemucs"))
    mark([drums("htdemucs")], "htdemucs")
    assert drums("mini") == first
    assert drums("htdemucs") == out / "song" / "htdemucs" / "drums.wav"


@pytest.mark.parametrize("container", ["wav", "flac", "mp3"])
def test_a_copied_stem_says_by_its_tags_which_model_made_it(tmp_path: Path, container: str) -> None:
    song, out = tmp_path / "song.wav", tmp_path / "out"
    names = FileNames(DEFAULT, container)
    tags = TrackTags("song").of_stem("drums", "mini")
    touched(out / "song" / "notes.txt", out / "song" / "empty.wav")
    write(out / "song" / f"drums.{container}", OutputFormat(container), noise(1, 100), tags=tags)
    assert models_in(out / "song") == {"mini"}

    def drums(model: str) -> Path:
        made = Made(model, ("drums",))
        return (
            plan([song], names, out, made, skip_existing=False)
            .places[song]
            .paths(["drums"])["drums"]
        )

    assert drums("mini") == out / "song" / f"drums.{container}"
    assert drums("htdemucs") == out / "song" / "htdemucs" / f"drums.{container}"


def test_no_stem_is_written_over_any_of_the_inputs(tmp_path: Path) -> None:
    song, other = tmp_path / "song.wav", tmp_path / "out" / "song" / "drums.wav"
    touched(song, other)
    with pytest.raises(RequestError, match="would be written over the input") as raised:
        plan([song, other], NAMES, tmp_path / "out", MADE, skip_existing=False)
    assert str(other) in str(raised.value)
