import io
import os
import sys
import threading
from pathlib import Path

import pytest

from stemline.errors import AudioError, RequestError
from stemline.serving.cli.inputs import STDIN, as_file, found_files


@pytest.fixture
def albums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in (
        "albums/b/02.flac", "albums/b/01.MP3", "albums/a/01.m4a", "albums/cover.jpg",
        "albums/.hidden.wav", "albums/a/._01.wav", "albums/.git/x.wav", "albums/out/b/drums.wav",
        "empty/notes.txt", "[id] song.wav", "what?.wav",
    ):  # fmt: skip
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("")
    return Path("albums")


def names(*words: str, leave_out: Path | None = None) -> list[str]:
    return [str(path) for path in found_files(words, [leave_out])]


def test_a_folder_is_its_audio_files_to_the_bottom_without_what_was_made_of_them(
    albums: Path,
) -> None:
    found = ["albums/a/01.m4a", "albums/b/01.MP3", "albums/b/02.flac"]
    assert names("albums", leave_out=albums / "out") == found
    assert names("albums/") == [*found, "albums/out/b/drums.wav"]
    # Who names the folder of the outputs means it.
    assert names("albums/out", leave_out=albums / "out") == ["albums/out/b/drums.wav"]


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("albums/*/01.*", ["albums/a/01.m4a", "albums/b/01.MP3"]),
        ("albums/*.jpg", ["albums/cover.jpg"]),  # named by its suffix
        ("albums/[ab]", ["albums/a/01.m4a", "albums/b/01.MP3", "albums/b/02.flac"]),
        ("**/0?.flac", ["albums/b/02.flac"]),
        ("albums/b/**", ["albums/b/01.MP3", "albums/b/02.flac"]),
    ],
)
def test_a_quoted_glob_is_the_files_that_it_finds(
    albums: Path, pattern: str, wanted: list[str]
) -> None:
    assert names(pattern) == wanted


def test_a_name_that_is_there_is_that_file_whatever_is_in_it(albums: Path) -> None:
    assert names("[id] song.wav", "what?.wav") == ["[id] song.wav", "what?.wav"]
    assert names("missing.wav") == ["missing.wav"]  # reported when it is read


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("empty", "no audio file in the folder empty"),
        ("*.aiff", "no audio file is found by *.aiff"),
        ("https://example.org/song.mp3", "is an address, and only files are read"),
        ("S3://bucket/song.wav", "is an address, and only files are read"),
    ],
)
def test_what_is_no_file_is_one_sentence(albums: Path, word: str, says: str) -> None:
    with pytest.raises(RequestError) as raised:
        names(word)
    assert says in str(raised.value)


def test_a_terminal_is_no_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    with pytest.raises(RequestError, match="is a terminal"):
        names("-")


def test_standard_input_and_a_pipe_are_files_that_can_be_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\x00audio\xff")))
    (path,) = found_files(["-"])
    assert path == STDIN
    with as_file(path) as file:
        assert (file.read_bytes(), file.read_bytes()) == (b"\x00audio\xff", b"\x00audio\xff")
        assert file.stem == "stdin"
    assert not file.exists()

    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(b"x" * 100_000))
    writer.start()
    with as_file(pipe) as file:
        assert file.name == "pipe.wav"
        assert file.stat().st_size == 100_000
    writer.join()


def test_errors_of_a_pipe_name_it_and_not_the_temporary_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(AudioError) as raised, as_file(STDIN) as file:
        raise AudioError(f"{file} is empty")
    assert str(raised.value) == "/dev/stdin is empty"


def test_a_file_is_read_where_it_is(tmp_path: Path) -> None:
    with as_file(tmp_path / "song.wav") as file:
        assert file == tmp_path / "song.wav"
