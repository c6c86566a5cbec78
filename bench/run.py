"""All that one `stemline bench` measures, in order: read this first."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from stemline.engines.device import CUDA, parse_device
from stemline.engines.runtimes import DEFAULT_RUNTIME
from stemline.errors import BenchError, RequestError
from stemline.serving.library import Library

from .engines import REFERENCE, Subject, engine_names, find_engine, reference_first
from .machine import describe_machine, pinned
from .overlaps import measure_overlap
from .processes import EngineSetting
from .quality import QualityOptions, check_quality, measure_batches, measure_overlaps
from .results import BatchRow, EngineRow, Failure, OverlapRow, QualityRow, Report, RoundTripRow
from .round_trip import measure_round_trip
from .speed import measure_batch
from .tracks import layout_of


@dataclass(frozen=True)
class BenchOptions:
    """What is measured."""

    models: tuple[str, ...] = ()
    """Models, artifacts or paths; what `separate` would take when empty."""
    engines: tuple[str, ...] = (REFERENCE, DEFAULT_RUNTIME)
    batches: tuple[int, ...] = (1, 2, 4)
    rounds: int = 5
    threads: int = 1
    device: str = "cpu"
    weights: Path | None = None
    overlaps: tuple[float, ...] = ()
    """Each with a whole track of `track_s` seconds, shortened where it would take more than
    `max_s`."""
    track_s: float = 180.0
    max_s: float = 120.0
    clip_s: float | None = None
    """Seconds of the clip that goes through gRPC; None leaves that out."""
    quality: QualityOptions | None = None
    """Which songs are separated and compared with their stems; None leaves that out."""


def run_bench(
    artifacts: Path | Sequence[Path],
    options: BenchOptions,
    announce: Callable[[str], None] = lambda _: None,
) -> Report:
    """Measure models of some folders; `announce` is called with what comes next.

    What fails once something was measured is in the report's failures, and the rest goes on.

    Raises
    ------
    BenchError
        Nothing could be measured: an engine cannot be opened, or its process died.
    RequestError, OverlapError, UnknownModelError, ArtifactError, MissingExtraError, DeviceError
        Before anything is run.
    """
    library = Library(artifacts)
    subjects = [
        of_network
        for model in options.models or ("",)
        for of_network in _subjects(library, model, options.engines)
    ]
    _check(subjects, options)
    setting = EngineSetting(options.device, options.threads, options.rounds, options.weights)
    machine = describe_machine(options.threads)
    measured = _Measured(options, setting, announce)
    with ExitStack() as stack:
        if parse_device(options.device).kind != CUDA:
            cores = stack.enter_context(pinned(options.threads))
            machine = replace(machine, pinned_to=cores)
        for of_model in subjects:
            measured.model(of_model)
    return Report(
        machine,
        tuple(measured.rows),
        tuple(measured.overlaps),
        tuple(measured.round_trips),
        tuple(measured.quality),
        tuple(measured.batches),
        tuple(measured.failures),
    )


class _Measured:
    """What has been measured so far."""

    def __init__(
        self, options: BenchOptions, setting: EngineSetting, announce: Callable[[str], None]
    ) -> None:
        self._options = options
        self._setting = setting
        self._announce = announce
        self.rows: list[EngineRow] = []
        self.overlaps: list[OverlapRow] = []
        self.round_trips: list[RoundTripRow] = []
        self.quality: list[QualityRow] = []
        self.batches: list[BatchRow] = []
        self.failures: list[Failure] = []

    def model(self, subjects: list[Subject]) -> None:
        """One model: engines at each batch size, whole tracks through those that serve, quality."""
        name = subjects[0].artifact.info.model
        n_before = len(self.rows)
        for batch in sorted(set(self._options.batches)):
            try:
                self.rows += measure_batch(subjects, batch, self._setting, self._announce)
            except BenchError as error:
                self._failed(name, f"batch {batch}", error)
                break  # a larger batch fares no better
        per_chunk = {row.engine: row.seconds_per_chunk for row in reversed(self.rows[n_before:])}
        for subject in subjects:
            if not subject.engine.served or subject.engine.name not in per_chunk:
                continue
            if self._options.overlaps:
                self._overlaps(subject, per_chunk[subject.engine.name])
            if self._options.clip_s is not None:
                self._round_trip(subject, self._options.clip_s)
        if self._options.quality is not None:
            self._quality(subjects, self._options.quality)

    def _quality(self, subjects: list[Subject], options: QualityOptions) -> None:
        name = subjects[0].artifact.info.model
        rows: list[QualityRow] = []
        for subject in reference_first(subjects):
            try:
                rows += measure_overlaps(subject, options, self._setting, rows, self._announce)
                self.batches.append(
                    measure_batches(subject, options, self._setting, self._announce)
                )
            except BenchError as error:
                self._failed(name, f"quality of {subject.engine.name}", error)
        self.quality += rows

    def _overlaps(self, subject: Subject, seconds_per_chunk: float) -> None:
        for overlap in self._options.overlaps:
            try:
                row = measure_overlap(
                    subject,
                    overlap,
                    self._setting,
                    track_s=self._options.track_s,
                    max_s=self._options.max_s,
                    seconds_per_chunk=seconds_per_chunk,
                    announce=self._announce,
                )
            except BenchError as error:
                self._failed(subject.artifact.info.artifact_stem, f"overlap {overlap:g}", error)
            else:
                self.overlaps.append(row)

    def _round_trip(self, subject: Subject, clip_s: float) -> None:
        try:
            row = measure_round_trip(subject, self._setting, clip_s, self._announce)
        except BenchError as error:
            self._failed(subject.artifact.info.artifact_stem, "gRPC", error)
        else:
            self.round_trips.append(row)

    def _failed(self, model: str, what: str, error: BenchError) -> None:
        if not self.rows:
            raise error
        self.failures.append(Failure(model, what, str(error)))


def _subjects(library: Library, model: str, engines: tuple[str, ...]) -> list[list[Subject]]:
    """For each network of a model every engine with the artifact it runs.

    Raises RequestError for an unknown engine, UnknownModelError or ArtifactError.
    """
    if not engines:
        raise RequestError(
            "engines", f"--engines names none; there are {', '.join(engine_names())}"
        )
    columns = []
    for name in dict.fromkeys(engines):
        engine = find_engine(name)
        found = library.find(model)
        if found.info.precision != engine.precision:
            found = library.find(f"{found.info.artifact_stem}.{engine.precision}")
        columns.append([Subject(engine, artifact) for artifact in found.artifacts])
    return [list(of_network) for of_network in zip(*columns, strict=True)]


def _check(subjects: list[list[Subject]], options: BenchOptions) -> None:
    """Raise for what would only be found after a long run."""
    if options.weights is not None and len(subjects) > 1:
        raise RequestError("weights", "--weights is one checkpoint, for one model")
    if not options.batches or min(options.batches) < 1:
        raise RequestError("batches", "--batches must be numbers from 1 up")
    for name, value in (("track-s", options.track_s), ("max-s", options.max_s)):
        if not value > 0:
            raise RequestError(name, f"--{name} must be more than 0; got {value:g}")
    if options.clip_s is not None and not options.clip_s > 0:
        raise RequestError("clip-s", f"--clip-s must be more than 0; got {options.clip_s:g}")
    for of_model in subjects:
        if options.quality is not None:
            check_quality(of_model[0].artifact.info, options.quality)
        for overlap in options.overlaps:
            layout_of(of_model[0].artifact.info, overlap)
        if (options.overlaps or options.clip_s is not None) and not any(
            subject.engine.served for subject in of_model
        ):
            served = ", ".join(name for name in engine_names() if find_engine(name).served)
            raise RequestError("engines", f"--overlaps and --grpc need an engine of: {served}")
