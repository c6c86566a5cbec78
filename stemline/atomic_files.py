"""A file that is whole or not there: written beside its place, and renamed at the end."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A new, empty file beside `path`, which takes its place when the block ends.

    Its name is its own, so that several processes may write the same file at once: the last one to
    end wins. When the block raises, it is removed, and `path` stays as it was. Raises OSError that
    names `path`, for those of the block too; at once where `path` is a folder.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, no file")
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary)):  # names its own
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
