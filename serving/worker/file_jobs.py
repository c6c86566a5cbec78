"""One file through a job of the house: stems to files, beats to JSON, progress as it goes."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

from stemline.errors import RequestError
from stemline.postprocessing.encode import OutputFormat

from ..beat_files import beats_json
from ..job_runs import JobRun
from ..jobs import (
    BeatsAccepted,
    BeatsFound,
    Event,
    Progress,
    SeparateAccepted,
    SeparatedBlock,
    StemsComplete,
    Summary,
)
from ..output_names import FileNames
from ..stem_files import FileBlocks
from ..stem_origin import mark
from ..stem_output import StemOutput
from ..stem_places import Place, model_in_paths, replaced_words
from ..stem_tags import TrackTags, tags_of_file
from .under_way import UnderWay

Say = Callable[[dict[str, Any]], None]
"""Sends an event of the request."""
_DIGITS = 4
_LEAST_FRACTION = 0.01


@dataclass(frozen=True)
class StemFiles:
    """Where stems go, and how they are written."""

    out: Path
    names: FileNames
    output: OutputFormat
    tags: bool = True


@dataclass(frozen=True)
class FileJob:
    """What is read, and where its stems go; None where none are wanted."""

    path: Path
    strict: bool
    stems: StemFiles | None = None


def run_file_job(job: FileJob, run: JobRun, under_way: UnderWay, say: Say) -> dict[str, Any]:
    """Run it to its end; what came of it, as `stemline separate` and `beats` have it with --json.

    All stems are written or none. Raises SeparationClosedError where it was cancelled before they
    were, AudioError, EncodingError, EngineError, RequestError for a stem that would be written over
    the input, OSError.
    """
    started = time.perf_counter()
    _check_ends(job.path)
    blocks = FileBlocks(job.path, strict=job.strict, on_fault=lambda fault: None)
    results = _Results(job, blocks, say)
    with ExitStack() as closing:
        closing.enter_context(run)
        results.closing = closing.enter_context(ExitStack())
        events = run.start(blocks, blocks.format)
        under_way.ends_with(run.close)
        for event in events:
            results.take(event)
        under_way.check()
    results.end(time.perf_counter() - started)
    return results.json


def _check_ends(path: Path) -> None:
    """Raise RequestError for a pipe or a device, of which a worker might wait for ever."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise RequestError("file", f"{path} is a pipe or a device; only files are read")


class _Results:
    """The events of one job → files and JSON."""

    def __init__(self, job: FileJob, blocks: FileBlocks, say: Say) -> None:
        self.closing = ExitStack()
        """Ends what is written: whole files, or none where an error ends it."""
        self.json: dict[str, Any] = {"input": str(job.path)}
        self._job = job
        self._blocks = blocks
        self._say = say
        self._warnings: list[str] = []
        self._files: StemOutput | None = None
        self._model = ""
        self._encode_s = 0.0
        self._beats: dict[str, Any] = {}

    def take(self, event: Event) -> None:
        """Do what an event asks for. Raises as `run_file_job` does."""
        match event:
            case SeparateAccepted():
                self._accept(event)
            case BeatsAccepted():
                self._beats = _beats_run(event)
            case Progress():
                self._say(_progress(event))
            case SeparatedBlock() if self._files is not None:
                started = time.perf_counter()
                self._files.write(event.stems)
                self._encode_s += time.perf_counter() - started
            case SeparatedBlock() | StemsComplete():
                pass
            case BeatsFound():
                self._beats |= {**beats_json(event.beats), "seconds": _rounded(event.beats.seconds)}
                self.json["n_samples"] = event.n_samples
                self.json["sample_rate_hz"] = event.sample_rate_hz
            case Summary():
                self.json["n_samples"] = event.n_samples
                self.json["sample_rate_hz"] = event.sample_rate_hz
                self.json["seconds"] = event.seconds
            case _:
                assert_never(event)

    def end(self, wall_s: float) -> None:
        """Complete the JSON, once all files are whole."""
        known = self.json
        if self._files is None:
            known |= self._beats
        else:
            mark(self._files.paths.values(), self._model)
            known["stems"] = {stem: str(path) for stem, path in self._files.paths.items()}
            known["clipped_samples"] = self._files.clipped_samples
            known["seconds"]["encode"] = self._encode_s
            if self._beats:
                known["beats"] = self._beats
        known["seconds"] = _rounded({**known["seconds"], "wall": wall_s})
        audio_s = known["n_samples"] / known["sample_rate_hz"]
        known["realtime_factor"] = round(audio_s / wall_s, _DIGITS)
        known["faults"] = list(self._blocks.faults)
        known["warnings"] = self._warnings

    def _accept(self, event: SeparateAccepted) -> None:
        """Begin the files of the stems."""
        self.json |= {
            "model": event.model,
            "artifact": event.artifact,
            "artifact_sha256": event.artifact_sha256,
            "provider": event.provider,
            "device": event.device,
            "networks": list(event.networks),
        }
        wanted = self._job.stems
        assert wanted is not None  # for stems were asked for
        self._model = model_in_paths(event.model, event.artifact)
        place = Place(self._job.path, wanted.out, wanted.names, self._model).of_model()
        paths = place.paths(event.stems)
        if words := replaced_words(paths.values()):
            self._warnings.append(words)
        known: TrackTags | None = None
        if wanted.tags:
            known = tags_of_file(self._job.path, self._warnings.append)
        self._files = self.closing.enter_context(
            StemOutput(
                paths,
                wanted.output,
                event.sample_rate_hz,
                event.channels,
                made_from=self._job.path,
                tags={stem: known.of_stem(stem, self._model) for stem in paths} if known else None,
            )
        )


def _beats_run(event: BeatsAccepted) -> dict[str, Any]:
    """What finds the beats."""
    return {
        "model": event.model,
        "artifact": event.artifact,
        "artifact_sha256": event.artifact_sha256,
        "provider": event.provider,
        "device": event.device,
        "stems_from": event.separator or None,
    }


def _progress(event: Progress) -> dict[str, Any]:
    """How far it is; null where that cannot be told."""
    total, left_s = event.n_samples_total, event.left_s
    fraction = min(1.0, event.n_samples_done / total) if total else None
    if fraction is None or left_s is None or fraction < _LEAST_FRACTION:
        left_s = None  # of so little: a model that reads the track twice has only begun
    return {
        "event": "progress",
        "fraction": None if fraction is None else round(fraction, _DIGITS),
        "left_s": None if left_s is None else round(left_s, 1),
    }


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {stage: round(value, _DIGITS) for stage, value in seconds.items()}
