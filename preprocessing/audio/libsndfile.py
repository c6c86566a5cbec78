"""The decoder of most containers: libsndfile, through soundfile."""

from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from stemline.preprocessing.speakers import Speakers

from .byte_ranges import UNKNOWN_LENGTH, ByteRanges, Range
from .part import DecodeError, Part

# Where a file is damaged, libsndfile loses the whole of a read: a frame of FLAC is as long.
_STEP_SAMPLES = 4096


class _ForwardFile(soundfile.SoundFile):  # type: ignore[misc]
    """A SoundFile that only reads on.

    Else soundfile seeks after every block, which in an MP3 is not exact to the sample, and
    fails at the end of a FLAC of unknown length.
    """

    def seekable(self) -> bool:
        return False


class SndfileDecoder:
    """One file that libsndfile decodes."""

    def __init__(self, file: ByteRanges) -> None:
        """Read the header. Raises DecodeError."""
        file.seek(0)
        self._file = file
        self._failed: DecodeError | None = None
        try:
            self._sound = _ForwardFile(file)
        except soundfile.SoundFileError as error:
            raise DecodeError(_reason(error)) from error

    @property
    def sound(self) -> soundfile.SoundFile:
        """What libsndfile says of it: `format`, `samplerate`, `channels`, `frames`."""
        return self._sound

    def read(self, n_samples: int) -> NDArray[np.float32]:
        """The next samples (n, channels), n <= n_samples; none at the end. Raises DecodeError."""
        if self._failed is not None:
            raise self._failed
        found = [np.zeros((0, self._sound.channels), np.float32)]
        for first in range(0, n_samples, _STEP_SAMPLES):
            wanted = min(_STEP_SAMPLES, n_samples - first)
            try:
                found.append(self._sound.read(wanted, dtype="float32", always_2d=True))
            except soundfile.SoundFileError as error:
                self._failed = DecodeError(_reason(error))
                break
            if len(found[-1]) < wanted:
                break
        samples = np.concatenate(found)
        if self._failed is not None and not len(samples):
            raise self._failed
        return samples

    @property
    def faults(self) -> list[str]:
        """None: what libsndfile cannot read ends it."""
        return []

    @property
    def position(self) -> int:
        """The byte behind the last that was read."""
        return self._file.tell()

    def close(self) -> None:
        """Free the decoder; the bytes are the caller's."""
        with suppress(soundfile.SoundFileError):
            self._sound.close()


def opener(
    file: BinaryIO, pieces: list[Range | bytes], *, endless: bool = False
) -> Callable[[], SndfileDecoder]:
    """Begin to decode these pieces of a file, each time anew."""
    return lambda: SndfileDecoder(ByteRanges(file, pieces, endless=endless))


def part_of(
    file: BinaryIO,
    pieces: list[Range | bytes],
    speakers: Callable[[int], Speakers | None] = lambda channels: None,
) -> tuple[str, Part]:
    """The format's name by libsndfile, and the part that these pieces of a file are.

    `speakers` is given the number of channels. Raises DecodeError where libsndfile cannot read it.
    """
    decoder = SndfileDecoder(ByteRanges(file, pieces))
    sound = decoder.sound
    n_samples = sound.frames if sound.frames < UNKNOWN_LENGTH else None
    part = Part(
        opener(file, pieces),
        sound.samplerate,
        sound.channels,
        n_samples,
        n_samples,
        speakers=speakers(sound.channels),
    )
    decoder.close()
    return str(sound.format), part


def _reason(error: soundfile.SoundFileError) -> str:
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    return str(text).strip().rstrip(".")
