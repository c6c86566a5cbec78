"""Separators as users load them: a file or an array to its stems."""

import os
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stemline.engines.runtimes import is_engine_file
from stemline.errors import RequestError
from stemline.preprocessing.audio import AudioFormat
from stemline.serving.files import BlockStream, SeparatedFile
from stemline.serving.jobs import SeparateOptions
from stemline.serving.library import EngineOptions, Library
from stemline.serving.stem_places import DEFAULT

from .artifacts import open_library
from .options import separate_options
from .sources import (
    AudioSource,
    Progress,
    StrPath,
    checked_blocks,
    open_track,
    tags_of,
    whole_hz,
)
from .stem_writing import StemFiles, write_stems
from .stems import Stems, collected


class Separator:
    """A model loaded to separate tracks; made by `load_separator`, closed by `with` or `close`.

    Any number of threads may use it at once; they share its engine fairly.
    """

    def __init__(self, library: Library, model: str, *, by_text: bool = False) -> None:
        """Load a model of a library, and take the library over. Raises as `load_separator`.

        Where none is named, `by_text` is for one that separates what a text describes.
        """
        self._library = library
        self._separator = library.separator(model, by_text=by_text)

    @property
    def model(self) -> str:
        """The model's name, such as `htdemucs`."""
        return self._separator.info.model

    @property
    def stems(self) -> tuple[str, ...]:
        """The names of the stems that it makes, in the model's order; none where it takes texts."""
        return self._separator.stems

    @property
    def sample_rate_hz(self) -> int:
        """The rate that the network works at; tracks of any rate are taken."""
        return self._separator.info.sample_rate_hz

    def separate(
        self,
        source: AudioSource,
        sample_rate_hz: int | None = None,
        *,
        stems: str | Sequence[str] | None = None,
        residual: bool = False,
        overlap: float | None = None,
        shifts: int = 0,
        seed: int = 0,
        text: str | Sequence[str] | None = None,
        mono: bool = False,
        strict: bool = False,
        on_progress: Progress | None = None,
    ) -> Stems:
        """Separate a track.

        Parameters
        ----------
        source
            The path of an audio file; or floats (channels, n_samples) from -1 to 1, of one axis
            where it is mono.
        sample_rate_hz
            The rate of the samples in Hz; a file has its own.
        stems
            The stems wanted, or one, in any case; all when None or empty. A bag of networks runs
            those alone that they need.
        residual
            Add the mixture minus the wanted stems, as `no_<stem>`, or `residual` of several.
        overlap
            N of 2 or more: hop = chunk / N; below 1: the share that overlaps; the model's if None.
        shifts, seed
            For Demucs: the mean of so many separations, each begun elsewhere, 0 for none; the same
            seed makes the same stems.
        text, mono
            What to separate, or several of it, for a model that separates what a text describes:
            "a dog barking". Each makes a stem, called by it, in every channel or of their mix.
        strict
            Refuse a file that is damaged or ends early, of which else what can be read is.
        on_progress
            Called here with the samples done so far and the track's, None where they are unknown.

        Returns
        -------
        Stems
            Name → (channels, n_samples) float32, at the rate and of the length of the track.

        Raises
        ------
        AudioError
            The file is missing, no audio, or damaged and `strict`; or a sample is no finite number.
        RequestError
            The array is not of floats, or transposed, or a parameter is wrong.
        UnknownStemError, OverlapError, EngineError
            The model has no such stem or overlap, or its engine failed.
        """
        track = open_track(source, sample_rate_hz, strict=strict)
        options = separate_options(stems, residual, overlap, shifts, seed, text, mono)
        with self._separator.stream(track.blocks, track.audio, options) as separation:
            return collected(separation, track.audio, self.model, on_progress, tags_of(source))

    def separate_file(
        self,
        source: StrPath,
        out: StrPath = "separated",
        *,
        filename: str = DEFAULT,
        format: str = "wav",
        bits: int = 16,
        bitrate_kbps: int = 192,
        stems: str | Sequence[str] | None = None,
        residual: bool = False,
        overlap: float | None = None,
        shifts: int = 0,
        seed: int = 0,
        text: str | Sequence[str] | None = None,
        mono: bool = False,
        strict: bool = False,
        tags: bool = True,
        on_progress: Progress | None = None,
    ) -> SeparatedFile:
        """Separate a file into one file a stem, in memory that does not grow with its length.

        The files are those of the command, to the byte: by default `out/<track>/<stem>.wav`, or
        where another model's stems lie there `out/<track>/<model>/<stem>.wav`. All of them are
        written or none; a file that is there is replaced at the end, with a warning before.

        Parameters
        ----------
        source
            The path of an audio file.
        out
            The folder that everything is below; no name of a source or a stem leads out of it.
        filename
            A template below it, of `{parent} {track} {trackext} {model} {stem} {ext}`.
        format, bits, bitrate_kbps, tags
            As `Stems.save` has them; the others as `separate`.

        Returns
        -------
        SeparatedFile
            `stems`, name → path; the source's `faults`, whole sentences, and `clipped_samples` by
            stem, both logged as warnings, too; `n_samples`, `sample_rate_hz` and `seconds`.

        Raises
        ------
        AudioError, UnknownStemError, OverlapError, EngineError
            As `separate`.
        RequestError
            A parameter is wrong, or a stem would be written over the source.
        EncodingError, OSError
            The format cannot hold these stems, or a file cannot be written.
        """
        files = StemFiles(out, filename, format, bits, bitrate_kbps)
        options = separate_options(stems, residual, overlap, shifts, seed, text, mono)
        return self._write(source, files, options, strict, tags, on_progress)

    def _write(
        self,
        source: StrPath,
        files: StemFiles,
        options: SeparateOptions,
        strict: bool,
        tags: bool,
        on_progress: Progress | None,
    ) -> SeparatedFile:
        return write_stems(
            source,
            self._separator,
            lambda: (self.model, self._separator.name),
            files,
            options,
            strict=strict,
            tags=tags,
            on_progress=on_progress,
        )

    def stream(
        self,
        blocks: Iterable[NDArray[np.floating[Any]]],
        sample_rate_hz: int,
        channels: int,
        *,
        stems: str | Sequence[str] | None = None,
        residual: bool = False,
        overlap: float | None = None,
        shifts: int = 0,
        seed: int = 0,
        text: str | Sequence[str] | None = None,
        mono: bool = False,
    ) -> BlockStream:
        """Separate a track that comes in blocks, in memory that does not grow with its length.

        Parameters
        ----------
        blocks
            Floats (channels, n) of any lengths, read from another thread. Some models read them
            twice: those of an iterator are kept, in memory or a temporary file.
        sample_rate_hz, channels
            What the blocks are.
        stems, residual, overlap, shifts, seed, text, mono
            As `separate` has them.

        Returns
        -------
        BlockStream
            An iterator over `SeparatedBlock`s as they become final: `offset_samples`, and `stems`,
            name → (channels, n) float32. Its `stems` are the names. Use it in `with`, which ends
            what is under way.

        Raises
        ------
        RequestError, UnknownStemError, OverlapError
            At once. While iterating: AudioError for bad samples, EngineError, RequestError for a
            block of another shape or kind, and whatever `blocks` raises.
        """
        audio = AudioFormat(whole_hz(sample_rate_hz), channels, None)
        options = separate_options(stems, residual, overlap, shifts, seed, text, mono)
        return self._separator.stream(checked_blocks(blocks, channels), audio, options)

    def close(self) -> None:
        """Free the engine; what is under way fails with EngineError."""
        self._library.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Separator {self._separator.name}: {', '.join(self.stems)}>"


def load_separator(
    model: StrPath | None = None,
    *,
    artifacts: StrPath | None = None,
    device: str = "auto",
    threads: int | None = None,
    batch_size: int | None = None,
    precision: str | None = None,
    allow_untrained: bool = False,
) -> Separator:
    """Load a model that makes stems.

    Parameters
    ----------
    model
        A model (`htdemucs`), an artifact (`htdemucs.int8`) or the path of an `.onnx` file; what
        the command takes, the best one that is exported, when None or empty.
    artifacts
        The folder of exported models. When None, that of `STEMLINE_ARTIFACTS`, else `artifacts/`,
        the user's data folder and what the wheel carries.
    device
        `auto`, `cpu`, `cuda` or `cuda:N`; one that is not there is an error.
    threads
        CPU threads inside one operation; all cores when None.
    batch_size
        Chunks run at once; chosen from the device and its memory when None.
    precision
        Of the model, such as `int8`; `fp32` when None.
    allow_untrained
        Load seeded random weights, too: their speed is real, what they make is noise.

    Raises
    ------
    UnknownModelError
        It is not exported; the message says how to export it.
    WrongModelError
        It finds beats.
    UntrainedError, ArtifactError, DeviceError, MissingExtraError
        It has random weights, is damaged, or cannot run here.
    RequestError
        A precision of what already is one: a path.
    """
    options = EngineOptions(device, threads, batch_size, allow_untrained)
    return _loaded(artifacts, options, model, precision, by_text=False)


def _loaded(
    artifacts: StrPath | None,
    options: EngineOptions,
    model: StrPath | None,
    precision: str | None,
    *,
    by_text: bool,
) -> Separator:
    library = open_library(artifacts, options)
    name = _artifact_name(library, model, precision, by_text)
    return Separator(library, name, by_text=by_text)


def separate(
    source: AudioSource,
    sample_rate_hz: int | None = None,
    *,
    model: StrPath | None = None,
    artifacts: StrPath | None = None,
    device: str = "auto",
    threads: int | None = None,
    batch_size: int | None = None,
    precision: str | None = None,
    allow_untrained: bool = False,
    stems: str | Sequence[str] | None = None,
    residual: bool = False,
    overlap: float | None = None,
    shifts: int = 0,
    seed: int = 0,
    text: str | Sequence[str] | None = None,
    mono: bool = False,
    strict: bool = False,
    on_progress: Progress | None = None,
) -> Stems:
    """Separate one track: load a model, run it and close it.

    For more than one, `load_separator` loads the model once. Parameters, result and errors are
    those of `load_separator` and `Separator.separate`.
    """
    options = EngineOptions(device, threads, batch_size, allow_untrained)
    with _loaded(artifacts, options, model, precision, by_text=bool(text)) as separator:
        return separator.separate(
            source,
            sample_rate_hz,
            stems=stems,
            residual=residual,
            overlap=overlap,
            shifts=shifts,
            seed=seed,
            text=text,
            mono=mono,
            strict=strict,
            on_progress=on_progress,
        )


def separate_file(
    source: StrPath,
    out: StrPath = "separated",
    *,
    model: StrPath | None = None,
    artifacts: StrPath | None = None,
    device: str = "auto",
    threads: int | None = None,
    batch_size: int | None = None,
    precision: str | None = None,
    allow_untrained: bool = False,
    filename: str = DEFAULT,
    format: str = "wav",
    bits: int = 16,
    bitrate_kbps: int = 192,
    stems: str | Sequence[str] | None = None,
    residual: bool = False,
    overlap: float | None = None,
    shifts: int = 0,
    seed: int = 0,
    text: str | Sequence[str] | None = None,
    mono: bool = False,
    strict: bool = False,
    tags: bool = True,
    on_progress: Progress | None = None,
) -> SeparatedFile:
    """Separate one file into one file a stem: load a model, run it and close it.

    For more than one, `load_separator` loads the model once. Parameters, result and errors are
    those of `load_separator` and `Separator.separate_file`.
    """
    engines = EngineOptions(device, threads, batch_size, allow_untrained)
    files = StemFiles(out, filename, format, bits, bitrate_kbps)
    options = separate_options(stems, residual, overlap, shifts, seed, text, mono)
    with _loaded(artifacts, engines, model, precision, by_text=bool(text)) as separator:
        return separator._write(source, files, options, strict, tags, on_progress)


def _artifact_name(
    library: Library, model: StrPath | None, precision: str | None, by_text: bool
) -> str:
    """What the library calls a model of a precision."""
    name = os.fspath(model or "")
    if precision is None:
        return name
    if is_engine_file(name):
        raise RequestError("precision", f"{name} is of one precision; leave {precision!r} out")
    return f"{name or library.find(by_text=by_text).info.model}.{precision}"
