"""One FLAC stream, with silence where frames of it are damaged."""

from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from .byte_ranges import ByteRanges, Range
from .flac_frames import frames
from .libsndfile import SndfileDecoder
from .part import DecodeError

_STREAMINFO_BYTES: Final = 34
# What libFLAC may have read ahead of the frame that it could not decode.
_READ_AHEAD_BYTES: Final = 1 << 17
_SILENCE_SAMPLES: Final = 1 << 16
_MOST_MISTAKEN: Final = 1000
"""What only looks like a frame and is tried behind damaged ones, in all of a stream."""


class FlacDecoder:
    """A stream whose frames say which samples they hold, so that a hole keeps its length."""

    def __init__(self, file: BinaryIO, start: int, end: int, *, is_counted: bool = True) -> None:
        """Read the header. Raises DecodeError.

        Without `is_counted` the length in it is not believed.
        """
        self._file, self._start, self._end = file, start, end
        file.seek(start + 8)
        info = file.read(_STREAMINFO_BYTES)
        self._channels = (info[12] >> 1 & 7) + 1
        self._block_samples = int.from_bytes(info[:2], "big")
        total = int.from_bytes(info[13:18], "big") & (1 << 36) - 1
        self._total = total if is_counted else 0
        # The same stream, of unknown length and checksum, for what follows a hole.
        unknown = info[:13] + bytes([info[13] & 0xF0]) + bytes(_STREAMINFO_BYTES - 14)
        self._header = b"fLaC\x80\x00\x00\x22" + unknown
        self.faults: list[str] = []
        """A sentence for each hole, without its subject."""
        whole: list[Range | bytes] = [(start, end)]
        uncounted: list[Range | bytes] = [
            (start, start + 8), unknown, (start + 8 + _STREAMINFO_BYTES, end)
        ]  # fmt: skip
        self._inner = SndfileDecoder(ByteRanges(file, whole if is_counted else uncounted))
        self._begins_at = start
        self._n_read = 0
        self._n_silent = self._n_mistaken = 0

    def read(self, n_samples: int) -> NDArray[np.float32]:
        """The next samples (n, channels), n <= n_samples; none at the end. Raises DecodeError."""
        while True:
            if self._n_silent:
                silent = min(self._n_silent, n_samples, _SILENCE_SAMPLES)
                self._n_silent -= silent
                self._n_read += silent
                return np.zeros((silent, self._channels), np.float32)
            try:
                found = self._inner.read(n_samples)
            except DecodeError as error:
                if not self._resume():
                    raise error from None
                continue
            self._n_read += len(found)
            return found

    def close(self) -> None:
        """Free the decoder; the bytes are the caller's."""
        self._inner.close()

    def _resume(self) -> bool:
        """Go on with the next frame that can be found; whether there is one."""
        here = self._begins_at + max(0, self._inner.position - len(self._header))
        search = max(self._begins_at + 1, here - _READ_AHEAD_BYTES)
        wanted = range(self._n_read, self._total or 1 << 36)
        for found in frames(self._file, search, self._end, self._block_samples, wanted):
            if self._n_mistaken >= _MOST_MISTAKEN:
                return False
            self._n_mistaken += 1
            pieces: list[Range | bytes] = [self._header, (found.place, self._end)]
            try:
                inner = SndfileDecoder(ByteRanges(self._file, pieces))
            except DecodeError:
                continue
            if not _holds_sound(self._file, pieces):
                inner.close()
                continue
            self._n_mistaken -= 1
            self._inner.close()
            self._inner, self._begins_at = inner, found.place
            self._n_silent = found.sample - self._n_read
            self.faults.append(
                f"is damaged: {self._n_silent} samples from sample {self._n_read} on cannot be "
                "decoded and are silent"
            )
            return True
        return False


def _holds_sound(file: BinaryIO, pieces: list[Range | bytes]) -> bool:
    """Whether the first frame of these pieces can be decoded."""
    try:
        decoder = SndfileDecoder(ByteRanges(file, pieces))
        sound = len(decoder.read(1))
        decoder.close()
    except DecodeError:
        return False
    return bool(sound)
