"""Jobs as they run: checked before any audio is there, then audio in and events out.

Every run is made with what it needs loaded, raising whatever is wrong with the job, so that a
transport can refuse it before a long upload. `start` is given the audio; `close` ends the work from
any thread.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self

from stemline.arrays import Array
from stemline.errors import RequestError, WrongModelError
from stemline.preprocessing.audio import AudioFormat
from stemline.preprocessing.channels import output_channels

from .beat_analysis import BeatAnalysis
from .beat_models import BeatModel
from .beat_tracker import BeatTracker, check_separator
from .jobs import (
    AnalyzeJob,
    BeatsAccepted,
    BeatsFound,
    BeatsJob,
    Event,
    Progress,
    SeparateAccepted,
    SeparatedBlock,
    SeparateJob,
    SeparateOptions,
    StemsComplete,
    Summary,
)
from .models import Model
from .separation import Separation
from .separator import Separator
from .served_models import ServedModels

_PROGRESS_EVERY_S = 0.5


class _Pace:
    """Says how far a run is, at most so often."""

    def __init__(self, n_samples: int | None) -> None:
        self._n_samples = n_samples
        self._started = self._said = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._started

    def after(self, n_done: int) -> Iterator[Progress]:
        """Progress, or nothing if some was said a moment ago."""
        if time.monotonic() - self._said >= _PROGRESS_EVERY_S:
            yield self.now(n_done)

    def now(self, n_done: int) -> Progress:
        """Progress."""
        self._said = time.monotonic()
        return Progress(n_done, self._n_samples, self._said - self._started)


class JobRun(ABC):
    """One job, ready to begin."""

    def __init__(self) -> None:
        self._running: Separation | BeatAnalysis | None = None

    @abstractmethod
    def start(self, blocks: Iterable[Array], audio: AudioFormat) -> Iterator[Event]:
        """Begin with this audio; the events, in the order that `jobs.py` has them.

        Raises, at once or while iterating, as `Separator.stream` and `BeatTracker.stream` do.
        """

    def close(self) -> None:
        """End what is under way, at once; from any thread, and more than once."""
        if self._running is not None:
            self._running.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._running is not None:
            self._running.__exit__(kind, error, traceback)


class SeparateRun(JobRun):
    """One recording to its stems, as they become final."""

    def __init__(self, models: ServedModels, job: SeparateJob) -> None:
        """Raises as `ServedModels.separator` and `Separator.check` do."""
        super().__init__()
        self._model = models.separator(job.model)
        self._separator = models.library.separator_of(self._model)
        self._separator.check(job.options)
        self._options = job.options

    def start(self, blocks: Iterable[Array], audio: AudioFormat) -> Iterator[Event]:
        """As JobRun."""
        self._running = separation = self._separator.stream(blocks, audio, self._options)
        return self._events(separation)

    def _events(self, separation: Separation) -> Iterator[Event]:
        yield _accepted(self._model, self._separator, separation, separation.stems)
        pace = _Pace(separation.audio.n_samples)
        for block in separation:
            yield block
            yield from pace.after(separation.n_samples_done)
        yield StemsComplete()
        yield _summary(self._separator, separation, pace)


class BeatsRun(JobRun):
    """One recording to its tempo, beats, downbeats and sections."""

    def __init__(self, models: ServedModels, job: BeatsJob) -> None:
        """Raises as `ServedModels.beat_model`, `separator_for` and `BeatModel.open` do."""
        super().__init__()
        self._job = job
        self._model = models.beat_model(job.model)
        self._input = models.separator_for(self._model, job.separator)
        self._tracker = self._model.open(models.library, self._input)
        if self._tracker.separator is not None:
            self._tracker.separator.check(SeparateOptions(stems=self._tracker.info.stems))

    def start(self, blocks: Iterable[Array], audio: AudioFormat) -> Iterator[Event]:
        """As JobRun."""
        self._running = analysis = self._tracker.stream(blocks, audio)
        return self._events(analysis)

    def _events(self, analysis: BeatAnalysis) -> Iterator[Event]:
        pace = _Pace(analysis.audio.n_samples)
        yield _beats_accepted(self._model, self._tracker, self._input)
        for _ in analysis:
            yield from pace.after(analysis.n_samples_done)
        yield pace.now(analysis.n_samples)
        yield _found(self._tracker, analysis, self._job, pace)


class AnalyzeRun(JobRun):
    """One recording to its stems, and to the beats and sections in these; separated once."""

    def __init__(self, models: ServedModels, job: AnalyzeJob) -> None:
        """Raises as the two others do; an error of the beat model names `beats_model`."""
        super().__init__()
        self._job = job
        self._model = _beat_model(models, job.beats.model)
        self._input = _separator_of(models, self._model, job.separate.model)
        self._tracker = self._model.open(models.library, self._input)
        assert self._tracker.separator is not None
        self._separator: Separator = self._tracker.separator
        self._options = job.separate.options
        self._separator.check(replace(self._options, also=self._model.info.stems))

    def start(self, blocks: Iterable[Array], audio: AudioFormat) -> Iterator[Event]:
        """As JobRun."""
        self._running = analysis = self._tracker.stream(blocks, audio, self._options)
        return self._events(analysis)

    def _events(self, analysis: BeatAnalysis) -> Iterator[Event]:
        separation = analysis.separation
        assert separation is not None  # for stems are wanted
        names = _wanted(analysis.stems, self._options)
        takes_stems = self._tracker.needs_separator
        yield _accepted(self._input, self._separator, separation, names)
        yield _beats_accepted(self._model, self._tracker, self._input if takes_stems else None)
        pace = _Pace(analysis.audio.n_samples)
        for block in analysis:
            yield SeparatedBlock(block.offset_samples, {name: block.stems[name] for name in names})
            yield from pace.after(analysis.n_samples_done)
        yield StemsComplete()
        yield pace.now(analysis.n_samples)
        yield _found(self._tracker, analysis, self._job.beats, pace)
        yield _summary(self._separator, separation, pace)


def _accepted(
    model: Model, separator: Separator, separation: Separation, stems: tuple[str, ...]
) -> SeparateAccepted:
    spec = separator.engine_spec
    return SeparateAccepted(
        model=model.info.model,
        artifact=model.name,
        artifact_sha256=separator.sha256,
        networks=separation.networks,
        provider=spec.provider,
        device=spec.device,
        stems=stems,
        sample_rate_hz=separation.audio.sample_rate_hz,
        channels=output_channels(separation.audio.channels),
        batch_size=separator.batch_size,
    )


def _beats_accepted(
    model: BeatModel, tracker: BeatTracker, separator: Model | None
) -> BeatsAccepted:
    spec = tracker.engine.spec
    return BeatsAccepted(
        model=model.model.info.model,
        artifact=model.name,
        artifact_sha256=tracker.sha256,
        provider=spec.provider,
        device=spec.device,
        separator="" if separator is None else separator.name,
        labels=model.info.labels,
    )


def _found(tracker: BeatTracker, analysis: BeatAnalysis, job: BeatsJob, pace: _Pace) -> BeatsFound:
    beats = analysis.find(with_activations=job.with_activations)
    return BeatsFound(
        beats=beats,
        artifact_sha256=tracker.sha256,
        n_samples=analysis.n_samples,
        sample_rate_hz=analysis.audio.sample_rate_hz,
        elapsed_s=pace.elapsed_s,
    )


def _summary(separator: Separator, separation: Separation, pace: _Pace) -> Summary:
    return Summary(
        artifact_sha256=separator.sha256,
        n_samples=separation.n_samples_done,
        sample_rate_hz=separation.audio.sample_rate_hz,
        chunks=separation.chunks_done,
        seconds=separation.seconds,
        elapsed_s=pace.elapsed_s,
    )


def _beat_model(models: ServedModels, name: str) -> BeatModel:
    try:
        return models.beat_model(name)
    except WrongModelError as error:
        raise RequestError("beats_model", str(error)) from error


def _separator_of(models: ServedModels, model: BeatModel, name: str) -> Model:
    """What takes the recording apart: into the input stems of the beat model, at least."""
    if not name and model.info.stems:
        chosen = models.separator_for(model, "")
        assert chosen is not None
        return chosen
    found = models.separator(name)
    try:
        check_separator(found.name, found.stems, model.info)
    except RequestError as error:
        raise RequestError("model", str(error)) from error
    return found


def _wanted(stems: tuple[str, ...], options: SeparateOptions) -> tuple[str, ...]:
    """Of the stems that are made those that the caller wants; the residual is the last."""
    made, residual = (stems[:-1], stems[-1:]) if options.residual else (stems, ())
    named = {name.lower() for name in options.stems}
    return (*(stem for stem in made if not named or stem.lower() in named), *residual)
