"""Stems to files: WAV, FLAC, MP3, written as the blocks come."""

import errno
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from stemline.errors import EncodingError

from .formats import OutputFormat, compression_level, mp3_level
from .wav import WavFile

__all__ = ["EncodingError", "OutputFormat", "StemWriter"]


class StemWriter:
    """One stem to one file; use it in `with`, or call `close` or `abort`.

    A path is written as `<name>.part` beside it and renamed when complete, so that a file of
    that name is always whole. After an OSError (disk full) nothing of it is left.
    """

    def __init__(
        self,
        target: Path | BinaryIO,
        output: OutputFormat,
        sample_rate_hz: int,
        channels: int,
    ) -> None:
        """`target` is a path, or an empty seekable binary file, which stays open.

        Raises EncodingError when the format cannot hold such samples, OSError that names the
        path when it cannot be written.
        """
        output.check(sample_rate_hz, channels)
        self.clipped_samples = 0
        """Samples beyond ±1 that an integer format had to clip."""
        self._output = output
        self._channels = channels
        self._path = target if isinstance(target, Path) else None
        self._part = None if self._path is None else self._path.with_name(f"{self._path.name}.part")
        self._file: BinaryIO | None = None
        self._encoder: _Encoder | None = None
        self._complete = False
        try:
            if isinstance(target, Path):
                if target.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                self._file = target.with_name(f"{target.name}.part").open("wb")
            else:
                self._file = target
            encoder = _WavEncoder if output.container == "wav" else _SoundEncoder
            self._encoder = encoder(self._file, output, sample_rate_hz, channels)
        except OSError as error:
            raise self._given_up(error) from error

    def write(self, block: NDArray[np.float32]) -> None:
        """Append samples (channels, n). Raises OSError when the disk takes no more."""
        if self._encoder is None:
            raise ValueError("this stem's file is closed")
        if block.ndim != 2 or block.shape[0] != self._channels:
            raise ValueError(
                f"blocks must be ({self._channels}, n) samples; got {list(block.shape)}"
            )
        if self._output.is_integer:
            self.clipped_samples += int(np.count_nonzero(np.abs(block) > 1))
        try:
            self._encoder.write(np.ascontiguousarray(block.T))
        except OSError as error:
            raise self._given_up(error) from error

    def close(self) -> None:
        """Complete the file; nothing when that is done or given up already.

        Raises OSError, naming the path, and leaves no file.
        """
        if self._encoder is None or self._file is None:
            return
        try:
            self._encoder.close()
            self._encoder = None
            if self._path is None or self._part is None:
                self._file.flush()
            else:
                self._file.close()
                self._part.replace(self._path)
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
        with suppress(OSError):  # what could not be flushed is not wanted any more
            self._file.close()
        with suppress(OSError):
            (self._path if self._complete else self._part).unlink()
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


class _Encoder(Protocol):
    """Frames (n, channels) float32 to the bytes of a file."""

    def __init__(
        self, file: BinaryIO, output: OutputFormat, sample_rate_hz: int, channels: int
    ) -> None: ...

    def write(self, frames: NDArray[np.float32]) -> None: ...

    def close(self) -> None: ...

    def abandon(self) -> None:
        """Free what is held; raises nothing."""


def _integers(frames: NDArray[np.float32], bits: int) -> NDArray[np.int32]:
    """Samples in [-1, 1) times 2^(bits − 1), rounded to even, clipped."""
    full_scale = np.float32(2 ** (bits - 1))
    scaled: NDArray[np.float32] = np.rint(frames * full_scale)
    return scaled.clip(-full_scale, full_scale - 1).astype(np.int32)


class _WavEncoder:
    def __init__(
        self, file: BinaryIO, output: OutputFormat, sample_rate_hz: int, channels: int
    ) -> None:
        self._bits = output.bits
        self._wav = WavFile(file, sample_rate_hz, channels, output.bits)

    def write(self, frames: NDArray[np.float32]) -> None:
        if self._bits == 32:
            self._wav.write(frames.astype("<f4", copy=False).tobytes())
        elif self._bits == 16:
            self._wav.write(_integers(frames, 16).astype("<i2").tobytes())
        else:  # the lower three bytes of four
            wide = _integers(frames, 24).astype("<i4").reshape(-1, 1).view(np.uint8)
            self._wav.write(wide[:, :3].tobytes())

    def close(self) -> None:
        self._wav.close()

    def abandon(self) -> None:
        """Do nothing: nothing is held."""


class _SoundEncoder:
    """FLAC and MP3, by libsndfile."""

    def __init__(
        self, file: BinaryIO, output: OutputFormat, sample_rate_hz: int, channels: int
    ) -> None:
        self._bits = output.bits if output.is_integer else None
        self._gain = np.float32(1 / mp3_level(output.bitrate_kbps))
        self._sink = _Sink(file)
        kind: dict[str, object]
        if output.container == "flac":
            kind = {"format": "FLAC", "subtype": f"PCM_{output.bits}"}
        else:
            level = compression_level(output.bitrate_kbps, sample_rate_hz)
            kind = {
                "format": "MP3",
                "subtype": "MPEG_LAYER_III",
                "compression_level": level,
                "bitrate_mode": "CONSTANT",
            }
        self._sound = soundfile.SoundFile(self._sink, "w", sample_rate_hz, channels, **kind)
        self._sink.check()

    def write(self, frames: NDArray[np.float32]) -> None:
        if self._bits is None:
            self._sound.write(frames * self._gain)
        elif self._bits == 16:
            self._sound.write(_integers(frames, 16).astype(np.int16))
        else:  # libsndfile takes the upper bits of 32
            self._sound.write(_integers(frames, self._bits) << (32 - self._bits))
        self._sink.check()

    def close(self) -> None:
        self._sound.close()
        self._sink.check()

    def abandon(self) -> None:
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
