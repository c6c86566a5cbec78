"""Files that libsndfile encodes, for the formats that it knows."""

import os
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import soundfile
from numpy.typing import NDArray

from stemline.arrays import Array


class SndfileEncoder:
    """The encoder of a format that libsndfile writes."""

    def __init__(
        self,
        file: BinaryIO,
        sample_rate_hz: int,
        channels: int,
        samples: Callable[[Array], NDArray[Any]],
        kind: Mapping[str, object],
    ) -> None:
        """Begin a file.

        `samples` makes of float32 frames what libsndfile is to take; `kind` has soundfile's
        arguments `format` and `subtype`, and those of the encoder.
        """
        self._samples = samples
        self._sink = _Sink(file)
        self._sound = soundfile.SoundFile(self._sink, "w", sample_rate_hz, channels, **kind)
        self._sink.check()

    def write(self, frames: Array) -> None:
        """Append (n, channels) float32 samples. Raises OSError."""
        self._sound.write(self._samples(frames))
        self._sink.check()

    def close(self) -> None:
        """Write what is left, and the lengths into the header. Raises OSError."""
        self._sound.close()
        self._sink.check()

    def abandon(self) -> None:
        """Free what libsndfile holds, and let nothing more reach the file."""
        self._sink.muted = True
        self._sound.close()


class _Sink:
    """A file libsndfile writes to from C, where a Python exception would be lost.

    The first OSError is kept for `check`; from then on all goes nowhere.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: OSError | None = None
        self._at = 0
        self.muted = False

    def check(self) -> None:
        """Raise the first error of a write, if there was one."""
        if self._error is not None:
            raise self._error

    def write(self, data: bytes) -> int:
        self._at += len(data)
        if not self.muted:
            try:
                self._file.write(data)
            except OSError as error:
                self._error, self.muted = error, True
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if not self.muted:
            try:
                self._at = self._file.seek(offset, whence)
            except OSError as error:
                self._error, self.muted = error, True
        return self._at

    def tell(self) -> int:
        return self._at
