"""Room made inside a file that is written already."""

import os
from typing import BinaryIO

_MOVED_BYTES = 1 << 24


def insert_room(file: BinaryIO, at: int, n_bytes: int) -> None:
    """Move all from `at` on `n_bytes` further; what is left in its place is to be written over.

    The place in the file is its end after that. Raises OSError.
    """
    end = file.seek(0, os.SEEK_END)
    # All from `end` on is in its new place: the last is moved first.
    while end > at:
        start = max(at, end - _MOVED_BYTES)
        file.seek(start)
        moved = file.read(end - start)
        file.seek(start + n_bytes)
        file.write(moved)
        end = start
    file.seek(0, os.SEEK_END)
