"""What finds the beats of a file for `stemline beats`: a model here, or a server's."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stemline.arrays import Array
from stemline.errors import RequestError, UnknownModelError
from stemline.preprocessing.audio import AudioFormat

from ..artifact_folders import artifact_folders
from ..audio_suffixes import AUDIO_SUFFIXES
from ..beat_models import BeatModel, find_beat_model, find_separator
from ..beat_tracker import BeatTracker, Progress
from ..jobs import Beats
from ..library import EngineOptions, Library
from ..models import Model
from ..output_names import track_name
from ..stem_files import FileBlocks, StemFolder
from .remote import ServerOptions
from .report import say, warn
from .run_info import RunInfo

# Encoders add silence; more than so much and the stems are another track's.
_MOST_DIFFERENCE_S = 0.25


@dataclass(frozen=True)
class BeatRun(RunInfo):
    """What did the work, for the summary."""

    stems_from: str | None
    """The artifact that makes the stems, or where they lie; None where beats are found in the
    mixture."""

    def __str__(self) -> str:
        inputs = "the mixture" if self.stems_from is None else f"stems from {self.stems_from}"
        return f"{self.artifact} on {self.device} ({self.provider}), {inputs}"


class Tracks(Protocol):
    """A BeatTracker, here or on a server."""

    def track_blocks(
        self,
        blocks: Iterable[Array],
        audio: AudioFormat,
        *,
        with_activations: bool = False,
        on_progress: Progress | None = None,
    ) -> Beats:
        """A track's beats and sections."""


class BeatSource(Protocol):
    """Finds the beats of one file after another."""

    def reads(self, path: Path) -> list[Path]:
        """The files that are read for an input, those there are."""

    def find(self, path: Path, blocks: FileBlocks, asks: bool, advance: Progress) -> Beats:
        """The beats of a file, with its activations where one `asks` for them."""

    def describe(self) -> BeatRun:
        """What did it; a server says that only once it has accepted a call."""


@dataclass(frozen=True)
class OfMixtures:
    """Beats are found in the files themselves."""

    tracker: Tracks
    describe: Callable[[], BeatRun]

    def reads(self, path: Path) -> list[Path]:
        """The file itself."""
        return [path]

    def find(self, path: Path, blocks: FileBlocks, asks: bool, advance: Progress) -> Beats:
        """Read the file as often as the model wants it."""
        return self.tracker.track_blocks(
            blocks, blocks.format, with_activations=asks, on_progress=advance
        )


@dataclass(frozen=True)
class OfStems:
    """Beats are found in stems that lie in a folder, or in one a file below it."""

    tracker: BeatTracker
    folder: Path
    is_alone: bool
    """Whether there is but one file: its stems may be in the folder itself."""
    describe: Callable[[], BeatRun]

    def reads(self, path: Path) -> list[Path]:
        """Its stems."""
        folder = self._folder_of(path)
        names = {stem.lower() for stem in self.tracker.info.stems}
        return [
            one
            for one in (folder.iterdir() if folder.is_dir() else ())
            if one.stem.lower() in names and one.suffix.lower() in AUDIO_SUFFIXES
        ]

    def find(self, path: Path, blocks: FileBlocks, asks: bool, advance: Progress) -> Beats:
        """Read the stems; the file itself is not read."""
        folder, audio = self._folder_of(path), blocks.format
        stems = StemFolder(folder, self.tracker.info.stems)
        if audio.n_samples is not None and stems.format.n_samples is not None:
            track_s = audio.n_samples / audio.sample_rate_hz
            stems_s = stems.format.n_samples / stems.format.sample_rate_hz
            if abs(track_s - stems_s) > _MOST_DIFFERENCE_S:
                raise RequestError(
                    "stems-from",
                    f"the stems in {folder} are {stems_s:.2f} s long, {path} is {track_s:.2f} s: "
                    "they are of another track",
                )
        mono = self.tracker.collect(stems.format.sample_rate_hz)
        for block in stems.blocks():
            mono.push(block)
        return self.tracker.find(mono, with_activations=asks)

    def _folder_of(self, path: Path) -> Path:
        own = self.folder / track_name(path)
        return self.folder if self.is_alone and not own.is_dir() else own


def open_local(
    closing: ExitStack,
    artifacts: Path | None,
    model: str,
    separator: str,
    stems_from: Path | None,
    options: EngineOptions,
    *,
    is_alone: bool,
) -> BeatSource:
    """Load what the files need; `closing` frees it. Raises as `BeatModel.open` does."""
    library = Library(artifact_folders(artifacts), options)
    closing.callback(library.close)
    chosen = find_beat_model(library, model)
    if stems_from is not None and not chosen.info.stems:
        raise RequestError("stems-from", f"{chosen.name} hears the mixture, and takes no stems")
    found = None
    if stems_from is None:
        found = _find_separator(library, chosen, separator)
    tracker = chosen.open(library, found)
    if found is not None:
        _warn_of_separator(chosen, found)
    if not chosen.model.info.trained:
        warn(f"{chosen.name} has random weights: what it finds means nothing")
    spec = tracker.engine.spec
    origin = None if found is None else found.name
    run = BeatRun(
        model=chosen.model.info.model,
        artifact=chosen.name,
        artifact_sha256=tracker.sha256,
        provider=spec.provider,
        device=spec.device,
        stems_from=origin if stems_from is None else str(stems_from),
    )
    say(str(run))
    if stems_from is None:
        return OfMixtures(tracker, lambda: run)
    return OfStems(tracker, stems_from, is_alone, lambda: run)


def open_remote(
    closing: ExitStack, server: ServerOptions, model: str, separator: str
) -> BeatSource:
    """Connect with the first file; `closing` ends it."""
    tracker = closing.enter_context(server.connect()).beat_tracker(model, separator)

    def describe() -> BeatRun:
        accepted = tracker.accepted
        if accepted is None:
            return BeatRun(model, "", "", "", "", separator or None)
        return BeatRun(
            model=accepted.model,
            artifact=accepted.artifact,
            artifact_sha256=accepted.artifact_sha256,
            provider=accepted.provider,
            device=accepted.device,
            stems_from=accepted.separator or None,
        )

    return OfMixtures(tracker, describe)


def _find_separator(library: Library, model: BeatModel, separator: str) -> Model | None:
    """As `find_separator`, which cannot know that stems on the disk would do as well."""
    try:
        return find_separator(library, model.info, separator)
    except UnknownModelError as error:
        if separator or "--stems-from" in str(error):
            raise
        raise UnknownModelError(f"{error}, or give stems with --stems-from") from error


def _warn_of_separator(model: BeatModel, found: Model) -> None:
    """Say what may make the beats worse."""
    unused = sorted(set(map(str.lower, found.stems)) - set(map(str.lower, model.info.stems)))
    if unused:
        warn(f"{found.name} also makes {', '.join(unused)}, which {model.name} does not hear")
    if model.info.trained_on_stems_of not in ("", found.info.model):
        say(f"{model.name} learned from the stems of {model.info.trained_on_stems_of}")
    if not found.info.trained:
        warn(f"{found.name} has random weights: its stems are noise, and so are the beats")
