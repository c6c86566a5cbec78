"""Errors of mutagen while it writes, as those of the file that it writes to."""

from collections.abc import Iterator
from contextlib import contextmanager

from mutagen import MutagenError


@contextmanager
def errors_of_file() -> Iterator[None]:
    """Raise the OSError that mutagen has made an error of its own of."""
    try:
        yield
    except MutagenError as error:
        for cause in (*error.args, error.__cause__, error.__context__):
            if isinstance(cause, OSError):
                raise cause from error
        raise
