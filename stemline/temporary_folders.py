"""A folder of temporary files which is removed, by the next process where its own was killed."""

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .file_locks import Lock, lock

_NAME = re.compile(r"stemline-[0-9a-f]{8}\.tmp")
_TRIES = 20


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new, empty folder that only this user may read, removed when the block ends.

    What processes of this user that were killed left is removed first: a lock, which the system
    takes from the dead, tells it from what is in use. Raises OSError.
    """
    root = Path(tempfile.gettempdir())
    _remove_dead(root)
    folder, descriptor = _created(root)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def _created(root: Path) -> tuple[Path, int | None]:
    """A folder, and the descriptor that keeps its lock; None where the system has no locks."""
    for _ in range(_TRIES):
        folder = root / f"stemline-{secrets.token_hex(4)}.tmp"
        with suppress(FileExistsError, FileNotFoundError):
            folder.mkdir(0o700)
            if os.name == "nt":  # which opens no folders
                return folder, None
            descriptor = os.open(folder, os.O_RDONLY)
            if lock(descriptor) is not Lock.THEIRS and folder.exists():
                return folder, descriptor
            os.close(descriptor)  # another process took it for one that a dead process left
    raise FileExistsError(f"{root}: another process removes what is made there")


def _remove_dead(root: Path) -> None:
    """Remove the folders that nobody uses any more."""
    with suppress(OSError):  # of what cannot be removed, a new folder is independent
        for entry in os.scandir(root):
            if _NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                _remove_if_dead(entry.path)


def _remove_if_dead(folder: str) -> None:
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        try:
            is_mine = os.fstat(descriptor).st_uid == os.geteuid()
            if is_mine and lock(descriptor) is Lock.OURS:
                shutil.rmtree(folder)
        finally:
            os.close(descriptor)
