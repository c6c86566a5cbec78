"""Ranges of a file, and bytes that stand in for some of it, as one file to read."""

import os
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import BinaryIO

Range = tuple[int, int]
"""The first byte and the one after the last."""

UNKNOWN_LENGTH = 2**63 - 1
"""Libsndfile's SF_COUNT_MAX, for the length of what seems to have no end."""


class ByteRanges:
    """A file to read, put together from ranges of another and from bytes.

    The decoders want `read`, `seek` and `tell`, and no name that they would guess from.
    """

    def __init__(
        self, file: BinaryIO, pieces: Sequence[Range | bytes], *, endless: bool = False
    ) -> None:
        """Nothing is read yet.

        `endless` reports an unknown length, so that libsndfile decodes whatever there is in place
        of what it guesses there to be.
        """
        self._file = file
        self._pieces = list(pieces)
        sizes = [len(p) if isinstance(p, bytes) else p[1] - p[0] for p in pieces]
        self._starts = [0, *accumulate(sizes)]
        self._endless = endless
        self._at = 0
        self._at_end = False

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self._starts[-1]

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes from here on; all that are left when it is negative."""
        end = self.size if size < 0 else min(self.size, self._at + size)
        found = []
        while self._at < end:
            index = bisect_right(self._starts, self._at) - 1
            offset = self._at - self._starts[index]
            wanted = min(end, self._starts[index + 1]) - self._at
            piece = self._pieces[index]
            if isinstance(piece, bytes):
                part = piece[offset : offset + wanted]
            else:
                self._file.seek(piece[0] + offset)
                part = self._file.read(wanted)
            if not part:
                break
            found.append(part)
            self._at += len(part)
        return b"".join(found)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte, counted from the beginning, from here or from the end."""
        self._at_end = self._endless and whence == os.SEEK_END
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """The byte that is read next."""
        return UNKNOWN_LENGTH if self._at_end else self._at

    def seekable(self) -> bool:
        """Always."""
        return True

    def readable(self) -> bool:
        """Always."""
        return True
