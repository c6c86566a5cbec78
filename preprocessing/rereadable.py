"""Audio blocks that are read twice: again from where they came, or from a temporary file."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

import numpy as np

from stemline.arrays import Array

IN_MEMORY_BYTES = 64 << 20
"""Bytes kept in memory of blocks that come once: 3 minutes of stereo; more goes to a file."""
_COUNT = np.dtype("<i8")


class Rereadable:
    """Blocks (channels, n) of one track, any number of times.

    What can be iterated over again is; an iterator, which yields its blocks once, is kept while it
    is read for the first time, in memory and beyond a limit in a temporary file without a name.
    """

    def __init__(
        self,
        blocks: Iterable[Array],
        in_memory_bytes: int = IN_MEMORY_BYTES,
        on_kept: Callable[[int, int], None] = lambda memory_bytes, disk_bytes: None,
    ) -> None:
        """`on_kept` is called, before more is kept, with the bytes in memory and on the disk then.

        What it raises ends the reading.
        """
        self._blocks = blocks
        self._on_kept = on_kept
        self._comes_once = iter(blocks) is blocks
        self._in_memory_bytes = in_memory_bytes
        self._spool: tempfile.SpooledTemporaryFile[bytes] | None = None
        self._channels = 0

    def __iter__(self) -> Iterator[Array]:
        """The blocks, from the first; the first time must end before the second begins.

        Raises what the blocks raise, and OSError where the disk is full.
        """
        if not self._comes_once:
            return iter(self._blocks)
        return self._first() if self._spool is None else self._again(self._spool)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the temporary file; nothing can be read afterwards."""
        if self._spool is not None:
            with suppress(OSError):  # a full disk, for what is thrown away
                self._spool.close()

    def _first(self) -> Iterator[Array]:
        self._spool = tempfile.SpooledTemporaryFile(self._in_memory_bytes, prefix="stemline-")
        n_bytes = 0
        for block in self._blocks:
            self._channels = block.shape[0]
            n_bytes += _COUNT.itemsize + 4 * block.size
            in_memory = n_bytes <= self._in_memory_bytes
            self._on_kept(n_bytes if in_memory else 0, 0 if in_memory else n_bytes)
            self._spool.write(np.array(block.shape[1], _COUNT).tobytes())
            self._spool.write(np.ascontiguousarray(block, np.float32).tobytes())
            yield block

    def _again(self, spool: "tempfile.SpooledTemporaryFile[bytes]") -> Iterator[Array]:
        spool.seek(0)
        while count := spool.read(_COUNT.itemsize):
            n_samples = int(np.frombuffer(count, _COUNT)[0])
            data = spool.read(4 * self._channels * n_samples)
            yield np.frombuffer(data, np.float32).reshape(self._channels, n_samples)
