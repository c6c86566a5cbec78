"""Jobs as they run: checked first, then audio in and events out.

    run = SeparateRun(models, job)        finds and loads the models; raises for what is wrong
    for event in run.start(blocks, audio) the events of `jobs.py`, as the audio comes
    run.close()                           ends the work early, from any thread

So a transport can refuse a job before a long upload.
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
from .holding import Holding
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


class _ProgressClock:
    """Reports how far a run is, at most every `_PROGRESS_EVERY_S`."""

    def __init__(self, n_samples: int | None) -> None:
        """`n_samples` are those of the whole track, None where that is not known."""
        self._n_samples = n_samples
        self._started = self._reported = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._started

    def if_due(self, n_done: int) -> Iterator[Progress]:
        """One report, or none if the last one is recent."""
        if time.monotonic() - self._reported >= _PROGRESS_EVERY_S:
            yield self.now(n_done)

    def now(self, n_done: int) -> Progress:
        """Report that `n_done` samples are done."""
        self._reported = time.monotonic()
        return Progress(n_done, self._n_samples, self._reported - self._started)


class JobRun(ABC):
    """One job that has been checked and whose models are loaded; `start` it once, in a `with`."""

    def __init__(self) -> None:
        self._running: Separation | BeatAnalysis | None = None

    @abstractmethod
    def start(
        self, blocks: Iterable[Array], audio: AudioFormat, holding: Holding | None = None
    ) -> Iterator[Event]:
        """Begin the work; the events come in the order that `jobs.py` shows.

        Blocks are (channels, n) float32 at the rate of `audio`, read as the events are iterated
        over. `holding` is told what the work holds. Raises, at once or while iterating, as
        `Separator.stream` and `BeatTracker.stream` do.
        """

    def close(self) -> None:
        """End what is under way, at once; safe from any thread, and more than once."""
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
        self._model = models.separator(job.model, by_text=bool(job.options.text))
        self._separator = models.library.separator_of(self._model)
        self._separator.check(job.options)
        self._options = job.options

    def start(
        self, blocks: Iterable[Array], audio: AudioFormat, holding: Holding | None = None
    ) -> Iterator[Event]:
        """Begin to separate; see JobRun."""
        self._running = separation = self._separator.stream(blocks, audio, self._options, holding)
        return self._events(separation)

    def _events(self, separation: Separation) -> Iterator[Event]:
        yield _accepted(self._model, self._separator, separation, separation.stems)
        clock = _ProgressClock(separation.audio.n_samples)
        for block in separation:
            yield block
            yield from clock.if_due(separation.n_samples_done)
        yield StemsComplete()
        yield _summary(self._separator, separation, clock)


class BeatsRun(JobRun):
    """One recording to its tempo, beats, downbeats and sections."""

    def __init__(self, models: ServedModels, job: BeatsJob) -> None:
        """Raises as `ServedModels.beat_model`, `separator_for` and `BeatModel.open` do."""
        super().__init__()
        self._job = job
        self._beat_model = models.beat_model(job.model)
        self._separator_model = models.separator_for(self._beat_model, job.separator)
        self._tracker = self._beat_model.open(models.library, self._separator_model)
        if self._tracker.separator is not None:
            self._tracker.separator.check(SeparateOptions(stems=self._tracker.info.stems))

    def start(
        self, blocks: Iterable[Array], audio: AudioFormat, holding: Holding | None = None
    ) -> Iterator[Event]:
        """Begin to find beats; see JobRun."""
        self._running = analysis = self._tracker.stream(blocks, audio, holding=holding)
        return self._events(analysis)

    def _events(self, analysis: BeatAnalysis) -> Iterator[Event]:
        clock = _ProgressClock(analysis.audio.n_samples)
        yield _beats_accepted(self._beat_model, self._tracker, self._separator_model)
        for _ in analysis:
            yield from clock.if_due(analysis.n_samples_done)
        yield clock.now(analysis.n_samples)  # the beat network may yet be waited for
        yield _beats_found(self._tracker, analysis, self._job, clock)


class AnalyzeRun(JobRun):
    """One recording to its stems, and to the beats and sections in these; separated once."""

    def __init__(self, models: ServedModels, job: AnalyzeJob) -> None:
        """Raises as the two others do; an error of the beat model names `beats_model`."""
        super().__init__()
        self._job = job
        self._beat_model = _find_beat_model(models, job.beats.model)
        self._separator_model = _find_separator(
            models, self._beat_model, job.separate.model, bool(job.separate.options.text)
        )
        self._tracker = self._beat_model.open(models.library, self._separator_model)
        assert self._tracker.separator is not None
        self._separator: Separator = self._tracker.separator
        self._options = job.separate.options
        self._separator.check(replace(self._options, also=self._beat_model.info.stems))

    def start(
        self, blocks: Iterable[Array], audio: AudioFormat, holding: Holding | None = None
    ) -> Iterator[Event]:
        """Begin to separate and find beats; see JobRun."""
        self._running = analysis = self._tracker.stream(blocks, audio, self._options, holding)
        return self._events(analysis)

    def _events(self, analysis: BeatAnalysis) -> Iterator[Event]:
        separation = analysis.separation
        assert separation is not None  # for stems are wanted
        names = _wanted_stems(analysis.stems, self._options)
        beats_of_stems = self._separator_model if self._tracker.needs_separator else None
        yield _accepted(self._separator_model, self._separator, separation, names)
        yield _beats_accepted(self._beat_model, self._tracker, beats_of_stems)
        clock = _ProgressClock(analysis.audio.n_samples)
        for block in analysis:
            yield SeparatedBlock(block.offset_samples, {name: block.stems[name] for name in names})
            yield from clock.if_due(analysis.n_samples_done)
        yield StemsComplete()
        yield clock.now(analysis.n_samples)  # the beat network may yet be waited for
        yield _beats_found(self._tracker, analysis, self._job.beats, clock)
        yield _summary(self._separator, separation, clock)


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
    beat_model: BeatModel, tracker: BeatTracker, separator: Model | None
) -> BeatsAccepted:
    """`separator` makes the stems in which beats are found; None where the network takes none."""
    spec = tracker.engine.spec
    return BeatsAccepted(
        model=beat_model.model.info.model,
        artifact=beat_model.name,
        artifact_sha256=tracker.sha256,
        provider=spec.provider,
        device=spec.device,
        separator="" if separator is None else separator.name,
        labels=beat_model.info.labels,
    )


def _beats_found(
    tracker: BeatTracker, analysis: BeatAnalysis, job: BeatsJob, clock: _ProgressClock
) -> BeatsFound:
    beats = analysis.find(with_activations=job.with_activations)
    return BeatsFound(
        beats=beats,
        artifact_sha256=tracker.sha256,
        n_samples=analysis.n_samples,
        sample_rate_hz=analysis.audio.sample_rate_hz,
        elapsed_s=clock.elapsed_s,
    )


def _summary(separator: Separator, separation: Separation, clock: _ProgressClock) -> Summary:
    return Summary(
        artifact_sha256=separator.sha256,
        n_samples=separation.n_samples_done,
        sample_rate_hz=separation.audio.sample_rate_hz,
        chunks=separation.chunks_done,
        seconds=separation.seconds,
        elapsed_s=clock.elapsed_s,
    )


def _find_beat_model(models: ServedModels, name: str) -> BeatModel:
    """The beat model of an AnalyzeJob; a separator in its place is an error of `beats_model`."""
    try:
        return models.beat_model(name)
    except WrongModelError as error:
        raise RequestError("beats_model", str(error)) from error


def _find_separator(models: ServedModels, beat_model: BeatModel, name: str, by_text: bool) -> Model:
    """The separator of an AnalyzeJob, which makes every input stem of the beat model."""
    if not name and beat_model.info.stems:
        separator = models.separator_for(beat_model, "")
        assert separator is not None  # for the beat model takes stems
        return separator
    separator = models.separator(name, by_text=by_text)
    try:
        check_separator(separator.name, separator.stems, beat_model.info)
    except RequestError as error:
        raise RequestError("model", str(error)) from error
    return separator


def _wanted_stems(stems: tuple[str, ...], options: SeparateOptions) -> tuple[str, ...]:
    """`stems` without those that only the beat network wants; the residual stays last."""
    made, residual = (stems[:-1], stems[-1:]) if options.residual else (stems, ())
    named = {name.lower() for name in options.stems}
    return (*(stem for stem in made if not named or stem.lower() in named), *residual)
