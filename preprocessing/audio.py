"""Audio files and raw PCM to blocks of samples, (channels, n) float32 in [-1, 1]."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from stemline.errors import AudioError

_UNKNOWN_LENGTH = 2**63 - 1  # libsndfile's SF_COUNT_MAX
_LEAST_RATE_HZ, _GREATEST_RATE_HZ = 1_000, 768_000
# Full scale of 32-bit integers, which some programs write as floats as they are. The power spectrum
# of what is near float32's own limit of 2^128 would be infinite.
_GREATEST_SAMPLE = np.float32(2.0**31)


@dataclass(frozen=True)
class AudioFormat:
    """The sample rate, channels and length of a stream of blocks.

    Raises AudioError for a rate outside 1 to 768 kHz (a file of a few bytes that claims
    1 Hz would be days of audio) and for no channels.
    """

    sample_rate_hz: int
    channels: int
    n_samples: int | None
    """Samples of each channel; None where the file must be read to its end to know."""

    def __post_init__(self) -> None:
        if not _LEAST_RATE_HZ <= self.sample_rate_hz <= _GREATEST_RATE_HZ:
            raise AudioError(
                f"the sample rate must be {_LEAST_RATE_HZ} to {_GREATEST_RATE_HZ} Hz; "
                f"got {self.sample_rate_hz} Hz"
            )
        if self.channels < 1:
            raise AudioError(f"audio has at least 1 channel; got {self.channels}")


class _Source:
    """The bytes of a file as soundfile wants them, without the name it would guess from."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.endless = False
        """Whether to report an unknown length: libsndfile then decodes whatever there is."""
        self._at_end = False

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at_end = self.endless and whence == os.SEEK_END
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return _UNKNOWN_LENGTH if self._at_end else self._file.tell()

    def is_mp3_of_unknown_length(self) -> bool:
        """Whether the first frame lacks a Xing, Info or VBRI header: the length is then a guess."""
        before = self.tell()  # libsndfile may be reading on from there
        self.seek(0)
        head = self.read(10)
        begin = 0
        if head[:3] == b"ID3" and len(head) == 10:  # a tag of 28 bits of length, 7 in a byte
            begin = 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
        self.seek(begin)
        frames = self.read(4096)
        self.seek(before)
        return not any(mark in frames for mark in (b"Xing", b"Info", b"VBRI"))


class _ForwardFile(soundfile.SoundFile):  # type: ignore[misc]
    """A SoundFile that only reads on.

    Else soundfile seeks after every block, which in an MP3 is not exact to the sample, and
    fails at the end of a FLAC of unknown length.
    """

    def seekable(self) -> bool:
        return False


class AudioReader:
    """An audio file, decoded block by block; made by `open_audio`, closed by `with`."""

    def __init__(self, name: str, sound: soundfile.SoundFile, to_close: ExitStack) -> None:
        n_samples = sound.frames if sound.frames < _UNKNOWN_LENGTH else None
        try:
            self.format = AudioFormat(sound.samplerate, sound.channels, n_samples)
        except AudioError as error:
            raise AudioError(f"{name}: {error}") from error
        self._name = name
        self._sound = sound
        self._to_close = to_close
        # A pipeline reads in a thread of its own and may be given up while a read runs.
        self._reading = threading.Lock()
        self._closed = False

    def blocks(self, block_samples: int = 1 << 16) -> Iterator[NDArray[np.float32]]:
        """The samples from here on, (channels, n) float32, n <= block_samples.

        Raises AudioError, naming the file: it is damaged, ends before the length in its
        header, holds a sample that is no finite number, or none at all.
        """
        return checked(self._decoded(block_samples), self._name)

    def _decoded(self, block_samples: int) -> Iterator[NDArray[np.float32]]:
        n_read = 0
        while True:
            try:
                with self._reading:
                    if self._closed:
                        raise AudioError(f"{self._name} was closed while it was read")
                    block = self._sound.read(block_samples, dtype="float32", always_2d=True)
            except soundfile.SoundFileError as error:
                raise AudioError(
                    f"{self._name} is damaged or cut short after "
                    f"{n_read / self.format.sample_rate_hz:.2f} s ({_reason(error)})"
                ) from error
            if len(block) == 0:
                break
            n_read += len(block)
            yield np.ascontiguousarray(block.T)
        expected = self.format.n_samples
        if expected is not None and n_read < expected:
            raise AudioError(
                f"{self._name} is damaged or cut short: it has {n_read} of the {expected} "
                "samples its header announces"
            )

    def close(self) -> None:
        """Close the file, from any thread; a file object given to `open_audio` stays open."""
        with self._reading:
            self._closed = True
            self._to_close.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_audio(source: Path | BinaryIO) -> AudioReader:
    """Open what libsndfile reads: WAV, FLAC, MP3, Ogg Vorbis and Opus, AIFF, W64, RF64, ...

    `source` is a path, or a seekable binary file that is read from its beginning and stays
    the caller's to close. A WAV or AIFF file that is shorter than its header says is read
    for what there is, as a recorder that was stopped leaves them; so is an Ogg file.
    Raises AudioError, naming the file, when it is missing or no audio.
    """
    to_close = ExitStack()
    try:
        if isinstance(source, Path):
            name = str(source)
            file: BinaryIO = to_close.enter_context(_opened(source))
        else:
            named = getattr(source, "name", None)
            name = named if isinstance(named, str) else "the audio"
            file = source
        sound = _opened_sound(file, name)
        to_close.callback(sound.close)
        return AudioReader(name, sound, to_close)
    except BaseException:
        to_close.close()
        raise


def _opened_sound(file: BinaryIO, name: str) -> _ForwardFile:
    try:
        if file.seek(0, os.SEEK_END) == 0:
            raise AudioError(f"{name} is empty")
        file.seek(0)
    except OSError as error:
        raise AudioError(f"{name} cannot be read as audio: a pipe cannot be sought in") from error
    source = _Source(file)
    try:
        sound = _ForwardFile(source)
        if sound.format == "MP3" and source.is_mp3_of_unknown_length():
            # libsndfile would stop at a length it guesses from the first frame; where the
            # file seems to have no end, it counts the frames.
            sound.close()
            source.endless = True
            source.seek(0)
            sound = _ForwardFile(source)
    except soundfile.SoundFileError as error:
        raise AudioError(f"{name} cannot be read as audio ({_reason(error)})") from error
    return sound


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise AudioError(f"{path} does not exist") from error
    except IsADirectoryError as error:
        raise AudioError(f"{path} is a folder, not an audio file") from error
    except OSError as error:
        raise AudioError(f"{path} cannot be opened ({error.strerror})") from error


def _reason(error: soundfile.SoundFileError) -> str:
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    return str(text).strip().rstrip(".")


_BYTES_OF = {"f32le": 4, "s16le": 2, "s24le": 3}


def decode_pcm(
    parts: Iterable[bytes], encoding: str, channels: int
) -> Iterator[NDArray[np.float32]]:
    """Raw interleaved PCM in parts of any size -> blocks (channels, n) float32.

    `encoding` is f32le, s16le or s24le; integers are divided by 2^15 or 2^23. Raises
    AudioError for another encoding, at once, and where the bytes end within a frame.
    """
    if encoding not in _BYTES_OF:
        raise AudioError(f"PCM encoding {encoding!r} is none of {', '.join(_BYTES_OF)}")
    if channels < 1:
        raise AudioError(f"audio has at least 1 channel; got {channels}")
    return _decoded_pcm(parts, encoding, channels)


def _decoded_pcm(
    parts: Iterable[bytes], encoding: str, channels: int
) -> Iterator[NDArray[np.float32]]:
    frame_bytes = _BYTES_OF[encoding] * channels
    rest = b""
    for part in parts:
        held = rest + part if rest else part
        whole = len(held) - len(held) % frame_bytes
        rest = held[whole:]
        if whole:
            samples = _to_float(held[:whole], encoding).reshape(-1, channels)
            yield np.ascontiguousarray(samples.T)
    if rest:
        raise AudioError(
            f"the PCM ends within a frame: {len(rest)} bytes are left over, and a frame of "
            f"{channels} channels {encoding} is {frame_bytes} bytes"
        )


def _to_float(pcm: bytes, encoding: str) -> NDArray[np.float32]:
    if encoding == "f32le":
        return np.frombuffer(pcm, "<f4").astype(np.float32, copy=False)
    if encoding == "s16le":
        return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(2**15)
    # Each 24-bit sample becomes the upper three bytes of 32, sign included.
    wide = np.zeros((len(pcm) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(pcm, np.uint8).reshape(-1, 3)
    return wide.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)


def checked(
    blocks: Iterable[NDArray[np.float32]], name: str = "the audio"
) -> Iterator[NDArray[np.float32]]:
    """Yield the blocks, once every sample is known to be a finite number of at most ±2^31.

    Raises AudioError that names the first NaN, infinite or greater sample, and at the end when
    there was none at all; `name` is the subject of the message.
    """
    n_samples = 0
    for block in blocks:
        # NaN fails both comparisons. A track may come as one block: no copy of it is made.
        fits = (
            -_GREATEST_SAMPLE <= block.min(initial=0) and block.max(initial=0) <= _GREATEST_SAMPLE
        )
        if not fits:
            is_sound = np.abs(block) <= _GREATEST_SAMPLE
            index = int((~is_sound.all(axis=0)).argmax())
            channel = int((~is_sound[:, index]).argmax())
            value = block[channel, index]
            wanted = "finite numbers"
            if np.isfinite(value):
                wanted = f"audio, of which no sample is beyond ±{_GREATEST_SAMPLE:.0f}"
            raise AudioError(
                f"{name} must hold {wanted}; sample {n_samples + index} of channel {channel} is "
                f"{value:g}"
            )
        n_samples += block.shape[1]
        yield block
    if n_samples == 0:
        raise AudioError(f"{name} holds no samples")
