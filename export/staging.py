"""Write a folder so that it is there whole or not at all."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stemline.errors import ArtifactWriteError

_REPLACED = "replaced"
_TRIES = 20


@contextlib.contextmanager
def staged_folder(root: Path, name: str) -> Iterator[Path]:
    """A folder to fill, which takes the place of `root/name` when the block ends.

    When the block raises, or the folder cannot take its place, `root/name` stays as it was. What
    a killed run left behind is removed first. It is filled two levels below `root`, in
    `.NAME.*/NAME`, where nothing that lists artifacts looks. Raises ArtifactWriteError for every
    OSError, also those of the block.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        _recover(root, name)
        with _new_holder(root, name) as holder:
            try:
                folder = holder / name
                folder.mkdir()
                yield folder
                _put_in_place(folder, root / name, holder)
            finally:
                # Where this fails or is interrupted, the holder stays, and the next run recovers.
                _put_back(root / name, holder)
                shutil.rmtree(holder, ignore_errors=True)
    except OSError as error:
        raise ArtifactWriteError(
            f"{root / name} cannot be written ({error.strerror or error}); "
            "free the disk or choose another --artifacts folder"
        ) from error


@contextlib.contextmanager
def _new_holder(root: Path, name: str) -> Iterator[Path]:
    """A new folder, locked while the block runs."""
    with contextlib.ExitStack() as stack:
        for _ in range(_TRIES):
            holder = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=root))
            # Before it is locked, another run may take it for what a killed one left.
            with contextlib.suppress(BlockingIOError, FileNotFoundError):
                stack.enter_context(_locked(holder))
                if holder.exists():
                    break
        else:
            raise FileExistsError("another run removes what is made there")
        yield holder


def _put_in_place(folder: Path, target: Path, holder: Path) -> None:
    """Two renames; between them only `_put_back` knows where the old folder is."""
    if target.exists():
        target.rename(holder / _REPLACED)
    folder.rename(target)


def _put_back(target: Path, holder: Path) -> None:
    """Undo the first rename when the second did not come about."""
    replaced = holder / _REPLACED
    if replaced.exists() and not target.exists():
        replaced.rename(target)


def _recover(root: Path, name: str) -> None:
    """Remove what killed runs left, after putting back what they had already moved away."""
    for holder in root.glob(f".{name}.*/"):
        try:
            with _locked(holder):
                _put_back(root / name, holder)
                shutil.rmtree(holder)
        except (BlockingIOError, FileNotFoundError):
            continue  # another run is at work there, or has just ended


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder; the system lets go of it when the process dies, however it dies."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
