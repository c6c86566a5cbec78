"""A file that is whole or not there: written beside its place, and renamed at the end."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .file_locks import Lock, lock

_SUFFIX = ".part"
_MOST_PREFIX_BYTES = 200  # of the name that the part is for: systems have 255 in all
_TRIES = 20


class PartFile:
    """A new, empty file beside `path`, open to read and write, which may take its place.

    Its name is its own, so that several processes may write the same file at once: the last one to
    end wins. It is never a file that was there before, nor reached through a link that somebody
    put there. What a process that was killed left of the same file is removed: a lock, which the
    system takes from the dead, tells those from parts that are being written.

    Raises OSError that names the part.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        _remove_dead(path)
        self.part, self.file = _created(path)
        """Where it is until it takes its place, and the file itself."""

    def put(self) -> None:
        """Let it take its place, and close it. Raises OSError."""
        self.file.flush()
        self.part.replace(self._path)
        self.file.close()

    def discard(self) -> None:
        """Close and remove it, wherever it is; nothing where it took its place or is gone."""
        with suppress(OSError):  # what could not be flushed is not wanted any more
            self.file.close()
        with suppress(OSError):
            self.part.unlink(missing_ok=True)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A new, empty file beside `path`, which takes its place when the block ends; see PartFile.

    When the block raises, it is removed, and `path` stays as it was. Raises OSError that names
    `path`, for those of the block too; at once where `path` is a folder.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, no file")
    temporary: PartFile | None = None
    try:
        temporary = PartFile(path)
        yield temporary.part
        temporary.put()
    except OSError as error:
        own = (None, *([] if temporary is None else [str(temporary.part)]))
        if error.errno is None or (error.filename not in own and temporary is not None):
            raise  # it names its own
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        if temporary is not None:
            temporary.discard()


def _prefix(path: Path) -> str:
    """What the names of a file's parts begin with."""
    name = os.fsencode(path.name)
    if len(name) <= _MOST_PREFIX_BYTES:
        return f"{path.name}."
    return f"{name[:_MOST_PREFIX_BYTES].decode(errors='ignore')}."


def _created(path: Path) -> tuple[Path, BinaryIO]:
    for _ in range(_TRIES):
        part = path.with_name(f"{_prefix(path)}{secrets.token_hex(4)}{_SUFFIX}")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
        file: BinaryIO = os.fdopen(os.open(part, flags, 0o666), "w+b")
        if lock(file.fileno()) is not Lock.THEIRS and os.fstat(file.fileno()).st_nlink:
            return part, file
        file.close()  # another took it for one that a dead process left
    raise FileExistsError(f"{path}: another process removes what is written beside it")


def _remove_dead(path: Path) -> None:
    """Remove the parts of a file that nobody writes any more."""
    prefix = _prefix(path)
    with suppress(OSError):  # of what cannot be removed, a new part is independent
        for entry in os.scandir(path.parent):
            name = entry.name
            token = name.removeprefix(prefix).removesuffix(_SUFFIX)
            if name != f"{prefix}{token}{_SUFFIX}" or not _is_token(token):
                continue
            if entry.is_file(follow_symlinks=False):
                _remove_if_dead(Path(entry.path))


def _is_token(text: str) -> bool:
    return len(text) == 8 and all(letter in "0123456789abcdef" for letter in text)


def _remove_if_dead(part: Path) -> None:
    with suppress(OSError), part.open("rb") as file:
        if lock(file.fileno()) is Lock.OURS:
            part.unlink()
