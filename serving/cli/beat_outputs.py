"""The files that `stemline beats` writes: which, where to, and the writing."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stemline.errors import AudioError, OutputsError, RequestError
from stemline.postprocessing.formats import FORMATS
from stemline.preprocessing.audio import AudioFormat, open_audio

from ..beat_files import beats_csv, beats_text, write_activations, write_text
from ..beat_plot import plot_beats, waveform_of
from ..click_track import check_click_track, click_format, write_click_track
from ..jobs import Beats
from ..output_names import track_name
from ..stem_files import FileBlocks
from .batch import attempt
from .inputs import is_file

Named = Path | None

_FILE_SUFFIXES = frozenset(
    {".csv", ".png", ".beats", ".txt", ".npz", *(f".{name}" for name in FORMATS)}
)


@dataclass(frozen=True)
class BeatOutputs:
    """The files that were asked for; of several inputs, folders."""

    csv: Named
    plot: Named
    click: Named
    beats: Named
    activations: Named

    def of(self, path: Path, *, alone: bool) -> "BeatOutputs":
        """The files of one input."""
        return BeatOutputs(
            _target(self.csv, path, ".csv", alone),
            _target(self.plot, path, ".png", alone),
            _target(self.click, path, ".wav", alone),
            _target(self.beats, path, ".beats", alone),
            _target(self.activations, path, ".npz", alone),
        )

    def items(self) -> dict[str, Path]:
        """The files that were asked for, by their option."""
        every = {
            "csv": self.csv,
            "plot": self.plot,
            "click": self.click,
            "beats": self.beats,
            "activations": self.activations,
        }
        return {name: path for name, path in every.items() if path is not None}


def outputs_of(files: list[Path], wanted: BeatOutputs) -> dict[Path, BeatOutputs]:
    """What to write for each input.

    Raises, before any work, RequestError where one file would be written over another or over an
    input, or where no file can be, and EncodingError for a click track of a kind that is unknown
    or has not the input's sample rate.
    """
    is_alone = len(files) == 1
    if not is_alone:
        _check_folders(wanted, len(files))
    targets = {path: wanted.of(path, alone=is_alone) for path in files}
    taken = {path.resolve(): f"the input {path}" for path in files}
    for path, own in targets.items():
        for name, target in own.items().items():
            what = f"--{name} of {path}"
            other = taken.setdefault(target.resolve(), what)
            if other != what:
                raise RequestError(name, f"{what} would be written over {other}: {target}")
            _check_place(name, what, target, is_alone)
        if own.click is not None:
            _check_click(own.click, path)
    return targets


def check_not_read(
    targets: dict[Path, BeatOutputs], reads: Callable[[Path], Iterable[Path]]
) -> None:
    """Raise RequestError where an output would be written over what an input's beats are found in.

    `reads` has those files of an input.
    """
    taken = {one.resolve() for path in targets for one in reads(path)}
    for path, own in targets.items():
        for name, target in own.items().items():
            if target.resolve() in taken:
                raise RequestError(
                    name, f"--{name} of {path} would be written over a stem that is read: {target}"
                )


def write_outputs(
    path: Path, audio: AudioFormat, found: Beats, wanted: BeatOutputs
) -> tuple[dict[str, Path], OutputsError | None]:
    """Write what was asked for of one input: what was written, by option, and what could not be.

    Folders are made. Where one file cannot be written the others still are.
    """
    written: dict[str, Path] = {}
    not_written: list[str] = []
    for name, target in wanted.items().items():
        problem = attempt(partial(_write, name, target, path, audio, found))
        if problem is None:
            written[name] = target
        else:
            not_written.append(f"--{name} was not written: {problem}")
    return written, OutputsError("; ".join(not_written)) if not_written else None


def _write(name: str, target: Path, path: Path, audio: AudioFormat, found: Beats) -> None:
    """One file. Raises EncodingError, MissingExtraError, AudioError or OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if name == "csv":
        write_text(target, beats_csv(found))
    elif name == "beats":
        write_text(target, beats_text(found))
    elif name == "activations" and found.activations is not None:
        write_activations(target, found.activations)
    elif name == "click":
        write_click_track(target, _as_said(path), audio, found.beats)
    elif name == "plot":
        waveform = waveform_of(_as_said(path), audio.sample_rate_hz)
        plot_beats(target, path.name, waveform, found)


def _as_said(path: Path) -> FileBlocks:
    """The input once more; what is wrong with it was said when its beats were found."""
    return FileBlocks(path, on_fault=lambda fault: None)


def _check_folders(wanted: BeatOutputs, n_files: int) -> None:
    """Raise RequestError where a file is named for the outputs of several inputs."""
    for name, target in wanted.items().items():
        if target.suffix.lower() in _FILE_SUFFIXES and not target.is_dir():
            raise RequestError(
                name,
                f"--{name} {target} is one file, and there are {n_files} inputs; name a folder, "
                f"such as {target.with_suffix('')}",
            )


def _check_place(name: str, what: str, target: Path, is_alone: bool) -> None:
    """Raise RequestError where it is plain that no such file can be made."""
    if target.is_dir():
        raise RequestError(name, f"{what} is to be the file {target}, which is a folder")
    above = next((one for one in target.parents if os.path.lexists(one)), Path())
    if not above.is_dir():
        hint = "" if is_alone else f"; of several inputs --{name} names a folder"
        raise RequestError(name, f"{what} is to be {target}, but {above} is no folder{hint}")
    if not os.access(above, os.W_OK | os.X_OK):
        raise RequestError(name, f"{what} is to be {target}, but nothing may be written in {above}")


def _check_click(click: Path, path: Path) -> None:
    if click_format(click).container == "wav" or not is_file(path):  # every rate, or not known
        return
    audio = None
    with suppress(AudioError):  # reported of the input, with the others, when it is read
        with open_audio(path) as reader:
            audio = reader.format
    if audio is not None:
        check_click_track(click, audio)


def _target(named: Named, path: Path, suffix: str, alone: bool) -> Named:
    if named is None or (alone and not named.is_dir()):
        return named
    return named / f"{track_name(path)}{suffix}"
