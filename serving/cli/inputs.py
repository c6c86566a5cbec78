"""What a user names as inputs: files, folders, globs, pipes and standard input."""

import glob
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stemline.errors import RequestError, StemlineError
from stemline.temporary_folders import temporary_folder

from ..audio_suffixes import AUDIO_SUFFIXES

STDIN = Path("/dev/stdin")
"""What `-` stands for."""

# Looked for in folders and by globs: also what libsndfile does not read, so that it is named.
_SUFFIXES = AUDIO_SUFFIXES | {
    ".aac", ".alac", ".au", ".m4a", ".m4b", ".mka", ".mp1", ".mp2", ".mpga", ".oga", ".snd",
    ".weba", ".wma", ".wv", ".ape",
}  # fmt: skip
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


def found_files(words: Sequence[str], leave_out: Iterable[Path | None] = ()) -> list[Path]:
    """Every file that is meant, in the order of the words; those of a folder or glob by name.

    A name that is there is that file or folder, whatever is in it. Folders are searched to the
    bottom, without hidden files and the folders of `leave_out`, which hold what was made of them.
    Raises RequestError for an address, a folder or glob without any audio, or a terminal as `-`.
    """
    outputs = {path.resolve() for path in leave_out if path is not None}
    return [path for word in words for path in _files_of(word, outputs)]


@contextmanager
def as_file(path: Path) -> Iterator[Path]:
    """The path of a file that can be read twice: a pipe's bytes are kept in a temporary one.

    It has the input's own name. Errors raised meanwhile name the input. Raises OSError.
    """
    if not _is_stream(path):
        yield path
        return
    with temporary_folder() as folder:
        kept = folder / path.name
        with kept.open("wb") as file:
            if path == STDIN:
                shutil.copyfileobj(sys.stdin.buffer, file)
            else:
                with path.open("rb") as pipe:
                    shutil.copyfileobj(pipe, file)
        try:
            yield kept
        except StemlineError as error:
            error.args = tuple(
                arg.replace(str(kept), str(path)) if isinstance(arg, str) else arg
                for arg in error.args
            )
            raise


def is_file(path: Path) -> bool:
    """Whether it is a file that can be read as often as one likes."""
    return path.is_file() and not _is_stream(path)


def looks_like_input(word: str) -> bool:
    """Whether a word that was expected to be something else seems to be meant as an input."""
    if word.startswith("-"):
        return word == "-"
    is_named_so = _is_audio(Path(word).name) or bool(_ADDRESS.match(word))
    return is_named_so or glob.has_magic(word) or os.path.lexists(word)


def _is_stream(path: Path) -> bool:
    if path == STDIN:
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def _files_of(word: str, outputs: set[Path]) -> list[Path]:
    if word == "-":
        if sys.stdin.isatty():
            raise RequestError(
                "files", "- reads standard input, which is a terminal; pipe a file into it"
            )
        return [STDIN]
    if _ADDRESS.match(word) and not os.path.lexists(word):
        raise RequestError(
            "files",
            f"{word} is an address, and only files are read: download it, then name its file",
        )
    path = Path(word)
    if path.is_dir():
        return _files_in(path, outputs)
    if not os.path.lexists(word) and glob.has_magic(word):
        return _files_by(word, outputs)
    return [path]  # one that is missing is reported with the others, when it is read


def _files_in(folder: Path, outputs: set[Path]) -> list[Path]:
    found = []
    for above, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (Path(above) / name).resolve() not in outputs
        )
        found += [Path(above) / name for name in sorted(names) if _is_audio(name)]
    if not found:
        raise RequestError(
            "files", f"there is no audio file in the folder {folder}, nor in those below it"
        )
    return found


def _files_by(pattern: str, outputs: set[Path]) -> list[Path]:
    found = []
    matches = sorted(glob.glob(pattern, recursive=True))
    is_deep = "**" in pattern  # which finds the files of folders by itself
    for path in map(Path, matches):
        if path.is_dir():
            found += [] if is_deep else _files_in(path, outputs)
        elif _is_audio(path.name) or Path(pattern).suffix == path.suffix:
            found.append(path)
    if not found:
        raise RequestError("files", f"no audio file is found by {pattern}")
    return found


def _is_audio(name: str) -> bool:
    return Path(name).suffix.lower() in _SUFFIXES and not name.startswith(".")
