"""Audio files as blocks that can be read again, and the stems in a folder side by side."""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from stemline.arrays import Array
from stemline.errors import RequestError
from stemline.preprocessing.audio import AudioFormat, AudioReader, open_audio

from .audio_suffixes import AUDIO_SUFFIXES

_BLOCK_SAMPLES = 1 << 16
_log = logging.getLogger(__name__)


def log_fault(fault: str) -> None:
    """Warn of what is wrong with a file."""
    _log.warning("%s", fault)


class FileBlocks:
    """An audio file's blocks, from the first each time, at the rate and channels of its `format`.

    A file that is damaged or ends early is read for what there is, and what is wrong is said once:
    at once as far as it is known, and the rest at the end.
    """

    def __init__(
        self,
        path: Path,
        *,
        strict: bool = False,
        on_fault: Callable[[str], None] = log_fault,
    ) -> None:
        """Read the header; with `strict` everything. Raises AudioError.

        `on_fault` is called with a whole sentence, also from the thread that reads.
        """
        self._path = path
        self._on_fault = on_fault
        self.faults: list[str] = []
        """What is wrong with the file, as far as it was read."""
        with open_audio(path, strict=strict) as reader:
            self.format = reader.format
            self._say(reader)

    def __iter__(self) -> Iterator[Array]:
        return self.blocks()

    def blocks(self) -> Generator[Array, None, None]:
        """The blocks from the first on; closed, it closes the file."""
        with open_audio(self._path) as reader:
            yield from reader.blocks(_BLOCK_SAMPLES)
            self._say(reader)

    def _say(self, reader: AudioReader) -> None:
        for fault in reader.faults:
            if fault not in self.faults:
                self.faults.append(fault)
                self._on_fault(fault)


class StemFolder:
    """The stems that `separate` wrote into a folder, or anyone else by these names."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        """Find the files, by name in any case, and check that their sample rates are one.

        Raises RequestError when a stem has no file or two, or they are of different rates;
        AudioError when one is no audio.
        """
        if not folder.is_dir():
            raise RequestError("stems-from", f"there is no folder {folder}")
        self.paths = {name: _the_file(folder, name) for name in names}
        formats = {}
        for name, path in self.paths.items():
            with open_audio(path) as reader:
                formats[name] = reader.format
        rates_hz = {name: found.sample_rate_hz for name, found in formats.items()}
        if len(set(rates_hz.values())) > 1:
            raise RequestError(
                "stems-from",
                f"the stems in {folder} are of different sample rates: "
                + ", ".join(f"{name} {rate} Hz" for name, rate in rates_hz.items()),
            )
        first = formats[names[0]]
        self.format = AudioFormat(
            first.sample_rate_hz, max(found.channels for found in formats.values()), first.n_samples
        )
        """The common rate, the most channels of any stem, the length in the first file's header."""
        self._folder = folder

    def blocks(self) -> Iterator[dict[str, Array]]:
        """The next samples of every stem, (channels, n) each, n the same for all.

        Raises RequestError where one ends before the others, AudioError for a damaged file.
        """
        with ExitStack() as stack:
            streams = {
                name: stack.enter_context(closing(FileBlocks(path).blocks()))
                for name, path in self.paths.items()
            }
            while True:
                found = {name: next(stream, None) for name, stream in streams.items()}
                block = {name: samples for name, samples in found.items() if samples is not None}
                if not block:
                    return
                lengths = {samples.shape[1] for samples in block.values()}
                if len(block) < len(found) or len(lengths) > 1:
                    raise RequestError(
                        "stems-from",
                        f"the stems in {self._folder} are not equally long; they are of different "
                        "tracks, or one is cut short",
                    )
                yield block


def read_stems(folder: Path, names: Sequence[str]) -> tuple[dict[str, Array], int]:
    """Whole stems from a folder: name → (channels, n_samples), and their sample rate in Hz.

    Raises RequestError and AudioError as StemFolder does.
    """
    found = StemFolder(folder, names)
    blocks = list(found.blocks())
    return (
        {name: np.concatenate([block[name] for block in blocks], axis=1) for name in names},
        found.format.sample_rate_hz,
    )


def _the_file(folder: Path, name: str) -> Path:
    found = sorted(
        path
        for path in folder.iterdir()
        if path.stem.lower() == name.lower() and path.suffix.lower() in AUDIO_SUFFIXES
    )
    if not found:
        raise RequestError("stems-from", f"{folder} has no stem {name}, such as {name}.wav")
    if len(found) > 1:
        raise RequestError(
            "stems-from",
            f"{folder} has more than one {name}: {', '.join(path.name for path in found)}",
        )
    return found[0]
