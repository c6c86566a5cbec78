"""The files that `stemline beats` writes: which, where to, and the writing."""

from dataclasses import dataclass
from pathlib import Path

from stemline.preprocessing.audio import AudioFormat

from ..beat_files import beats_csv, beats_text, write_activations, write_text
from ..beat_plot import plot_beats, waveform_of
from ..beats import Beats
from ..click_track import click_format, write_click_track
from ..errors import RequestError
from ..stem_files import FileBlocks

Named = Path | None


@dataclass(frozen=True)
class BeatOutputs:
    """The files that were asked for; of several inputs, folders."""

    csv: Named
    plot: Named
    click: Named
    beats: Named
    activations: Named

    def of(self, path: Path, *, alone: bool) -> "BeatOutputs":
        """Those of one input."""
        return BeatOutputs(
            _target(self.csv, path, ".csv", alone),
            _target(self.plot, path, ".png", alone),
            _target(self.click, path, ".wav", alone),
            _target(self.beats, path, ".beats", alone),
            _target(self.activations, path, ".npz", alone),
        )

    def items(self) -> dict[str, Path]:
        """Those that were asked for, by their option."""
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
    input, and EncodingError for a click track of an unknown kind.
    """
    targets = {path: wanted.of(path, alone=len(files) == 1) for path in files}
    taken = {path.resolve(): f"the input {path}" for path in files}
    for path, own in targets.items():
        for name, target in own.items().items():
            what = f"--{name} of {path}"
            other = taken.setdefault(target.resolve(), what)
            if other != what:
                raise RequestError(name, f"{what} would be written over {other}: {target}")
        if own.click is not None:
            click_format(own.click)
    return targets


def write_outputs(path: Path, audio: AudioFormat, found: Beats, wanted: BeatOutputs) -> None:
    """Write what was asked for of one input; folders are made.

    Raises EncodingError, MissingExtraError, AudioError or OSError.
    """
    for target in wanted.items().values():
        target.parent.mkdir(parents=True, exist_ok=True)
    if wanted.csv is not None:
        write_text(wanted.csv, beats_csv(found))
    if wanted.beats is not None:
        write_text(wanted.beats, beats_text(found))
    if wanted.activations is not None and found.activations is not None:
        write_activations(wanted.activations, found.activations)
    if wanted.click is not None:
        write_click_track(wanted.click, FileBlocks(path), audio, found.beats)
    if wanted.plot is not None:
        waveform = waveform_of(FileBlocks(path), audio.sample_rate_hz)
        plot_beats(wanted.plot, path.name, waveform, found)


def _target(given: Named, path: Path, suffix: str, alone: bool) -> Named:
    if given is None or (alone and not given.is_dir()):
        return given
    return given / f"{path.stem}{suffix}"
