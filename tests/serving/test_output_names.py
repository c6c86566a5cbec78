from pathlib import Path

import pytest

from stemline.errors import RequestError
from stemline.serving.output_names import FileNames, stem_file_names, track_name

EVIL = ["..", ".", "../..", "/etc/passwd", "a/b", "a\\b", "", "\0", ". ", "..."]


def path_of(template: str, source: str = "albums/one/song.flac", stem: str = "drums") -> str:
    names = FileNames(template, "wav")
    return names.paths(Path(source), "mini", [stem])[stem].as_posix()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("song.wav", "song"),
        ("a.b.flac", "a.b"),
        ("song", "song"),
        (".wav", ".wav"),
        ("..wav", "..wav"),  # its stem is this folder
        ("...wav", "...wav"),  # its stem is the folder above
        ("....wav", "..."),
        ("...", "..."),
    ],
)
def test_the_name_of_a_track_stays_in_its_folder(name: str, wanted: str) -> None:
    folder = Path("out")
    assert track_name(Path("songs") / name) == wanted
    assert (folder / wanted).resolve().parent == folder.resolve()


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("{track}/{stem}.{ext}", "song/drums.wav"),
        ("{parent}/{track}/{model}/{stem}.{ext}", "one/song/mini/drums.wav"),
        ("{track}.{trackext}/{stem}.wav", "song.flac/drums.wav"),
        ("{audio_file_base}_({stem_name})_{model_name}.{output_format}", "song_(drums)_mini.wav"),
        ("{file_name}/{instr}.{ext}", "song/drums.wav"),
        ("a{{b}}/{stem}.{ext}", "a{b}/drums.wav"),
        ("//{track}//{stem}.{ext}".lstrip("/"), "song/drums.wav"),
    ],
)
def test_a_template_is_filled_in_under_the_names_of_other_tools_too(
    template: str, wanted: str
) -> None:
    assert path_of(template) == wanted


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{trak}/{stem}.{ext}", "did you mean {track}?"),
        ("{stem.__class__}.{ext}", "no {stem.__class__}"),
        ("{0}/{stem}.{ext}", "no {0}"),
        ("{stem!r}.{ext}", "plain names"),
        ("{stem:>9}.{ext}", "plain names"),
        ("{stem.{ext}", "cannot be read"),
        ("/tmp/{stem}.{ext}", "leads out"),
        ("{track}/../../{stem}.{ext}", "leads out"),
        ("{track}/{stem}", "must end in .{ext}"),
        ("{track}/{stem}.mp3", "must end in .{ext}"),
    ],
)
def test_a_template_that_names_no_file_is_refused(template: str, says: str) -> None:
    with pytest.raises(RequestError, match="--filename") as raised:
        FileNames(template, "wav")
    assert says in str(raised.value)


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize(
    "template",
    ["{track}/{stem}.{ext}", "{model}/{stem}/x.{ext}", "{parent}/{trackext}/{stem}.{ext}",
     ".{trackext}/{model}/{stem}.{ext}"],
)  # fmt: skip
def test_no_name_leads_out_whatever_a_model_a_stem_or_a_file_is_called(
    template: str, evil: str
) -> None:
    names = FileNames(template, "wav")
    sources = [Path("/song.wav"), Path("...wav"), Path("song."), Path("x") / (evil or "y")]
    for source in sources:
        for path in names.paths(source, evil, [evil, "drums"]).values():
            resolved = (Path("/out") / path.as_posix().replace("\0", "0")).resolve()
            assert resolved.is_relative_to("/out")
            assert len(resolved.parts) == template.count("/") + 3


def test_no_two_stems_are_one_file() -> None:
    names = stem_file_names(["a/b", "a:b", "A_B", "..", "stem"])
    assert list(names.values()) == ["a_b", "a_b_", "A_B__", "stem", "stem_"]
