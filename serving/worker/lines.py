"""A file descriptor's bytes as lines, however long they are: one too long takes no memory."""

import os
from collections.abc import Iterator

MOST_BYTES = 1 << 20
"""Of a line, without its end."""
_READ_BYTES = 1 << 16


class LongLine:
    """Stands for a line that was longer than allowed; it is passed over."""


def lines_of(descriptor: int, most_bytes: int = MOST_BYTES) -> Iterator[bytes | LongLine]:
    """The lines without their ends, each as soon as it is there; the last needs no end.

    Raises OSError.
    """
    kept = bytearray()
    is_long = False
    while read := os.read(descriptor, _READ_BYTES):
        first, *more = read.split(b"\n")
        for part, is_whole in ((first, bool(more)), *((one, True) for one in more[:-1])):
            is_long = is_long or len(kept) + len(part) > most_bytes
            if not is_long:
                kept += part
            if is_whole:
                yield LongLine() if is_long else bytes(kept)
                kept.clear()
                is_long = False
        if more:
            kept += more[-1]
    if is_long or kept:
        yield LongLine() if is_long or len(kept) > most_bytes else bytes(kept)
