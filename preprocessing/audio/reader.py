"""An audio file, decoded block by block."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from stemline.errors import AudioError

from .check import checked
from .container import find_contents
from .joined import JoinedParts
from .part import Contents


class AudioReader:
    """An audio file, decoded block by block; made by `open_audio`, closed by `with`."""

    def __init__(self, name: str, contents: Contents, to_close: ExitStack) -> None:
        self._joined = JoinedParts(contents, name)
        try:
            self.format = self._joined.audio_format()
        except AudioError as error:
            raise AudioError(f"{name}: {error}") from error
        self._name = name
        self._to_close = to_close
        # A pipeline reads in a thread of its own and may be given up while a read runs.
        self._reading = threading.Lock()
        self._closed = False

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with the file, whole sentences; all of it once the last block was read."""
        return tuple(f"{self._name} {fault}" for fault in self._joined.faults)

    def blocks(self, block_samples: int = 1 << 16) -> Iterator[NDArray[np.float32]]:
        """The samples from here on, (channels, n) float32, n <= block_samples.

        What can be read is: `faults` has the rest. Raises AudioError, naming the file, where it
        holds a sample that is no finite number, or none at all.
        """
        return checked(self._decoded(block_samples), self._name)

    def _decoded(self, block_samples: int) -> Iterator[NDArray[np.float32]]:
        while True:
            with self._reading:
                if self._closed:
                    raise AudioError(f"{self._name} was closed while it was read")
                block = self._joined.read(block_samples)
            if not block.shape[1]:
                if self._joined.n_read == 0 and self._joined.faults:
                    raise AudioError(f"{self._name} {self._joined.faults[-1]}")
                return
            yield block

    def close(self) -> None:
        """Close the file, from any thread; a file object given to `open_audio` stays open."""
        with self._reading:
            self._closed = True
            self._joined.close()
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


def open_audio(source: Path | BinaryIO, *, strict: bool = False) -> AudioReader:
    """Open WAV, FLAC, MP3, Ogg Vorbis and Opus, AIFF, W64, RF64, CAF and more.

    With the extra `av` also m4a, AAC, WMA, WebM and whatever else FFmpeg reads. A file says by its
    bytes what it is, not by its name. One that is damaged or ends early is read for what there is;
    the reader's `faults` say so. `source` is a path, or a seekable binary file that is read from
    its beginning and stays the caller's to close. `strict` decodes it once to its end to know that
    there are none.

    Raises AudioError, naming the file, when it is missing or no audio, or has a fault where
    `strict` refuses that.
    """
    if strict:
        with open_audio(source) as reader:
            for _ in reader.blocks():
                pass
            if reader.faults:
                raise AudioError("; ".join(reader.faults))
    to_close = ExitStack()
    try:
        if isinstance(source, Path):
            name = str(source)
            file: BinaryIO = to_close.enter_context(_opened(source))
        else:
            named = getattr(source, "name", None)
            name = named if isinstance(named, str) else "the audio"
            file = source
        return AudioReader(name, find_contents(file, name), to_close)
    except BaseException:
        to_close.close()
        raise


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise AudioError(f"{path} does not exist") from error
    except IsADirectoryError as error:
        raise AudioError(f"{path} is a folder, not an audio file") from error
    except OSError as error:
        raise AudioError(f"{path} cannot be opened ({error.strerror})") from error
