"""Stems to files of any format, written as the blocks come."""

import errno
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from stemline.arrays import Array
from stemline.atomic_files import PartFile
from stemline.errors import EncodingError
from stemline.tags import Tags

from .formats import Encoder, OutputFormat, find_format

__all__ = ["EncodingError", "OutputFormat", "StemWriter"]


class StemWriter:
    """One stem to one file; use it in `with`, or call `close` or `abort`.

    A path is written as a `PartFile` beside it and renamed when complete, so that a file of that
    name is always whole. After an OSError (disk full) nothing of it is left.
    """

    def __init__(
        self,
        target: Path | BinaryIO,
        output: OutputFormat,
        sample_rate_hz: int,
        channels: int,
        tags: Tags | None = None,
    ) -> None:
        """`target` is a path, or an empty seekable binary file to read and write, which stays open.

        Raises EncodingError when the format cannot hold such samples, OSError that names the
        path when it cannot be written.
        """
        output.check(sample_rate_hz, channels)
        self.clipped_samples = 0
        """Samples that the format had to clip: beyond ±1, and no numbers, which become 0."""
        self._output = output
        self._tags = tags
        self._channels = channels
        self._path = target if isinstance(target, Path) else None
        self._part: PartFile | None = None
        self._file: BinaryIO | None = None
        self._encoder: Encoder | None = None
        self._complete = False
        self._is_empty = True
        try:
            if isinstance(target, Path):
                if target.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                self._part = PartFile(target)
                self._file = self._part.file
            else:
                self._file = target
            file_format = find_format(output.container)
            self._encoder = file_format.encoder(self._file, output, sample_rate_hz, channels)
        except OSError as error:
            raise self._given_up(error) from error

    def write(self, block: Array) -> None:
        """Append samples (channels, n). Raises OSError when the disk takes no more."""
        if self._encoder is None:
            raise ValueError("this stem's file is closed")
        if block.ndim != 2 or block.shape[0] != self._channels:
            raise ValueError(
                f"blocks must be ({self._channels}, n) samples; got {list(block.shape)}"
            )
        if block.shape[1]:
            self._is_empty = False
        if self._output.clips:
            n_clipped = int(np.count_nonzero(~(np.abs(block) <= 1)))  # no number is within either
            if n_clipped:
                self.clipped_samples += n_clipped
                block = np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0).clip(-1, 1)
        try:
            self._encoder.write(np.ascontiguousarray(block.T))
        except OSError as error:
            raise self._given_up(error) from error

    def close(self) -> None:
        """Complete the file; nothing when that is done or given up already.

        Raises OSError, naming the path, or EncodingError where the format holds nothing and
        nothing came, and leaves no file.
        """
        if self._encoder is None or self._file is None:
            return
        file_format = find_format(self._output.container)
        if self._is_empty and not file_format.can_be_empty:
            self.abort()
            raise EncodingError(f"{file_format.name} holds one sample at the least; got none")
        try:
            self._encoder.close()
            self._encoder = None
            if self._tags is not None:
                file_format.add_tags(self._file, self._tags)
            if self._part is None:
                self._file.flush()
            else:
                self._part.put()
        except OSError as error:
            raise self._given_up(error) from error
        self._complete = True

    def abort(self) -> None:
        """Leave no file: neither a part nor, after `close`, the whole; a second time nothing."""
        if self._encoder is not None:
            self._encoder.abandon()
            self._encoder = None
        if self._path is None or self._part is None or self._file is None:
            return
        self._part.discard()
        if self._complete:
            with suppress(OSError):
                self._path.unlink()
        self._file = None

    def _given_up(self, error: OSError) -> OSError:
        """The error with the name of the file that was asked for, once nothing is left of it."""
        self.abort()
        if self._path is None:
            return error
        return OSError(error.errno, error.strerror, str(self._path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()
