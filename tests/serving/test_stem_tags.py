"""From a track's tags to its stems', through the writing of files."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import gain_separator, music
from mutagen import id3
from tagged_files import COVER, TEXTS, WRITERS, tagged_mp3

from stemline.postprocessing.encode import OutputFormat
from stemline.preprocessing.tags import read_tags
from stemline.serving.files import SeparatedFile, separate_file
from stemline.serving.stem_output import paths_in
from stemline.serving.stem_tags import TrackTags, tags_of_file
from stemline.tags import MODEL, MOST_VALUES, Tags


def separated(path: Path, out: Path, container: str = "wav", **options: object) -> SeparatedFile:
    output = OutputFormat(container)
    return separate_file(
        path,
        gain_separator(),
        lambda stems: paths_in(out, stems, output),
        output,
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("track", "fields", "title"),
    [
        ("01 song", {"title": ("Song",)}, "Song (vocals)"),
        ("01 song", {"title": ("Song", "Another")}, "Song (vocals)"),
        ("01 song", {}, "01 song (vocals)"),
        ("", {}, "vocals"),
        ("01 song", {"title": ("Song (vocals)",)}, "Song (vocals) (vocals)"),
    ],
)
def test_the_stem_is_in_the_title(
    track: str, fields: dict[str, tuple[str, ...]], title: str
) -> None:
    found = TrackTags(track, Tags({**fields, "artist": ("A",)}, COVER)).of_stem("vocals", "mini")
    assert found == Tags({"title": (title,), "artist": ("A",), MODEL: ("mini",)}, COVER)


def test_the_model_of_a_track_that_is_a_stem_is_not_its_stems() -> None:
    track = TrackTags("a", Tags({MODEL: ("htdemucs",)}))
    assert dict(track.of_stem("kick", "").fields) == {"title": ("a (kick)",)}
    assert track.of_stem("kick", "drumsep").fields[MODEL] == ("drumsep",)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("container", ["wav", "flac", "mp3"])
def test_tags_and_cover_of_every_kind_of_file_go_to_stems_of_every_format(
    tmp_path: Path, suffix: str, container: str
) -> None:
    path = tmp_path / f"song.{suffix}"
    WRITERS[suffix](path)
    result = separated(path, tmp_path / "out", container, made_by=lambda: "tiny")
    for stem, file in result.stems.items():
        found = read_tags(file).tags
        assert found.fields == {
            **{name: (text,) for name, text in TEXTS.items()},
            "title": (f"{TEXTS['title']} ({stem})",),
            "tracknumber": ("3/12",),
            "discnumber": ("1/2",),
            MODEL: ("tiny",),
        }
        assert found.cover == COVER


@pytest.mark.parametrize("container", ["wav", "flac", "mp3"])
def test_without_tags_a_stem_says_nothing_and_sounds_the_same(
    tmp_path: Path, container: str
) -> None:
    tagged_mp3(tmp_path / "song.mp3")
    tagged = separated(tmp_path / "song.mp3", tmp_path / "tagged", container)
    plain = separated(tmp_path / "song.mp3", tmp_path / "plain", container, tags=False)
    for stem in plain.stems:
        found = read_tags(plain.stems[stem]).tags
        assert (dict(found.fields), found.cover) == ({}, None)
        np.testing.assert_array_equal(
            soundfile.read(plain.stems[stem])[0], soundfile.read(tagged.stems[stem])[0]
        )


def test_what_is_too_much_is_said_and_the_rest_is_kept(tmp_path: Path) -> None:
    tagged_mp3(tmp_path / "song.mp3")
    tags = id3.ID3(tmp_path / "song.mp3")
    tags.add(id3.TPE1(3, [f"artist {n}" for n in range(1000)]))
    tags.save()
    said: list[str] = []
    result = separated(tmp_path / "song.mp3", tmp_path / "out", on_fault=said.append)
    assert said == [
        f"{tmp_path / 'song.mp3'}: of its 1000 values of artist stems have the first {MOST_VALUES}"
    ]
    assert result.faults == ()  # of the audio there are none
    fields = read_tags(result.stems["vocals"]).tags.fields
    assert (len(fields["artist"]), fields["album"]) == (MOST_VALUES, (TEXTS["album"],))


def test_tags_that_cannot_be_read_are_no_reason_to_fail(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, music(5000).T, 44100)
    data = path.read_bytes() + b"id3 \xff\x00\x00\x00ID3\x04\x00\xff\xff\xff\xff\xffTIT2"
    path.write_bytes(data)
    result = separated(path, tmp_path / "out")
    assert read_tags(result.stems["vocals"]).tags.fields == {"title": ("song (vocals)",)}
    assert tags_of_file(path) == TrackTags("song")
