"""One audio file to one file a stem, from a local Separator or a server alike."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from stemline.arrays import Array
from stemline.postprocessing.encode import OutputFormat
from stemline.preprocessing.audio import AudioFormat

from .jobs import SeparatedBlock, SeparateOptions
from .stem_files import FileBlocks, log_fault
from .stem_output import StemOutput
from .stem_tags import tags_of_file


class BlockStream(Protocol):
    """A separation under way, here or on a server."""

    @property
    def stems(self) -> tuple[str, ...]:
        """The names in every block."""

    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds by stage."""

    def __iter__(self) -> Iterator[SeparatedBlock]: ...
    def __next__(self) -> SeparatedBlock: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Source(Protocol):
    """What separates: a Separator, or a client bound to one model."""

    def stream(
        self,
        blocks: Iterable[Array],
        audio: AudioFormat,
        options: SeparateOptions | None = None,
    ) -> BlockStream:
        """Audio blocks → blocks of stems."""


@dataclass(frozen=True)
class SeparatedFile:
    """What was written for one input."""

    stems: dict[str, Path]
    n_samples: int
    sample_rate_hz: int
    seconds: dict[str, float]
    """Seconds by stage; `wall` is that of the whole file."""
    clipped_samples: dict[str, int]
    """Samples that the format had to clip, as StemWriter counts them, for stems that had any."""
    faults: tuple[str, ...] = ()
    """What is wrong with the input, whole sentences; it was read for what there is."""

    @property
    def audio_s(self) -> float:
        """The track's length in seconds."""
        return self.n_samples / self.sample_rate_hz

    @property
    def realtime_factor(self) -> float:
        """Seconds of audio separated in a second."""
        return self.audio_s / self.seconds["wall"]


def separate_file(
    path: Path,
    source: Source,
    paths_of: Callable[[Sequence[str]], Mapping[str, Path]],
    output: OutputFormat,
    options: SeparateOptions | None = None,
    on_progress: Callable[[int, int | None], None] | None = None,
    *,
    strict: bool = False,
    on_fault: Callable[[str], None] = log_fault,
    tags: bool = True,
    made_by: Callable[[], str] = lambda: "",
) -> SeparatedFile:
    """Separate one file into one a stem; all of them are written or none.

    Parameters
    ----------
    path
        Any audio file that `open_audio` reads.
    source
        A Separator, or a client's model.
    paths_of
        The stems' names → the path of each; folders are made where they are missing.
    output
        Container, bits and bitrate.
    on_progress
        Called with the samples done so far and those of the track, None where not known.
    strict, on_fault
        As FileBlocks has them; `on_fault` also of tags that are too much for stems.
    tags, made_by
        Whether the file's tags go to the stems, and with them the model's name, which is asked for
        once it is decided.

    Raises
    ------
    RequestError
        A stem would be written over the input.
    AudioError, EncodingError, UnknownStemError, OverlapError, EngineError, OSError
    """
    started = time.perf_counter()
    blocks = FileBlocks(path, strict=strict, on_fault=on_fault)
    audio = blocks.format
    channels = (options or SeparateOptions()).n_channels(audio.channels)
    known = tags_of_file(path, on_fault) if tags else None
    with source.stream(blocks, audio, options) as stream:
        paths = paths_of(stream.stems)
        of_stems = {stem: known.of_stem(stem, made_by()) for stem in paths} if known else {}
        with StemOutput(
            paths, output, audio.sample_rate_hz, channels, made_from=path, tags=of_stems
        ) as files:
            n_samples, encode_s = _write(stream, files, audio, on_progress)
        seconds = {**stream.seconds, "encode": encode_s, "wall": time.perf_counter() - started}
    return SeparatedFile(
        stems=files.paths,
        n_samples=n_samples,
        sample_rate_hz=audio.sample_rate_hz,
        seconds=seconds,
        clipped_samples=files.clipped_samples,
        faults=tuple(blocks.faults),
    )


def _write(
    stream: BlockStream,
    files: StemOutput,
    audio: AudioFormat,
    on_progress: Callable[[int, int | None], None] | None,
) -> tuple[int, float]:
    """Write all blocks of a separation; returns their samples, and the seconds that took."""
    n_samples, encode_s = 0, 0.0
    for block in stream:
        block_started = time.perf_counter()
        files.write(block.stems)
        n_samples = block.offset_samples + next(iter(block.stems.values())).shape[1]
        encode_s += time.perf_counter() - block_started
        if on_progress is not None:
            on_progress(n_samples, audio.n_samples)
    return n_samples, encode_s
