"""What each method reads of its parameters, and the work that it then is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemline.postprocessing.formats import OutputFormat

from ..job_runs import AnalyzeRun, BeatsRun, SeparateRun
from ..jobs import AnalyzeJob, BeatsJob, SeparateJob, SeparateOptions
from ..served_models import ServedModels
from ..stem_places import DEFAULT, file_names
from ..text_embeddings import checked_texts
from .fields import Fields
from .file_jobs import FileJob, Say, StemFiles, run_file_job
from .kept_models import Lease
from .under_way import UnderWay

_DEFAULT_CONTAINER = "wav"
_DEFAULT_OUT = Path("separated")


@dataclass(frozen=True)
class Work:
    """A request whose parameters are read and right; `run` it with a lease of the models."""

    run: Callable[[Lease, UnderWay, Say], dict[str, Any]]


def load_model(params: Fields) -> Work:
    """Open a model, and for one that finds beats what makes its input stems."""
    name = params.text("model")
    params.end()

    def run(lease: Lease, under_way: UnderWay, say: Say) -> dict[str, Any]:
        models = _models(lease)
        model = lease.named(name) if name else lease.find()
        if model.task == "beats":
            beat_model = models.beat_model(name)
            tracker = beat_model.open(lease, models.separator_for(beat_model, ""))
            if tracker.separator is not None:
                tracker.separator.load()
            spec = tracker.engine.spec
        else:
            separator = lease.separator_of(model)
            separator.load()
            spec = separator.engine_spec
        under_way.check()
        return {
            "model": model.info.model,
            "artifact": model.name,
            "artifact_sha256": model.sha256,
            "task": model.task,
            "stems": list(model.stems) if model.task == "separate" else [],
            "provider": spec.provider,
            "device": spec.device,
        }

    return Work(run)


def separate(params: Fields) -> Work:
    """One file to one file a stem."""
    job = SeparateJob(params.text("model"), _options(params))
    file = _file_job(params, job.options)
    params.end()

    def run(lease: Lease, under_way: UnderWay, say: Say) -> dict[str, Any]:
        return run_file_job(file, SeparateRun(_models(lease), job), under_way, say)

    return Work(run)


def beats(params: Fields) -> Work:
    """Tempo, beats, downbeats and sections of one file."""
    job = BeatsJob(params.text("model"), params.text("separator"))
    file = FileJob(params.path("file"), params.flag("strict"))
    params.end()

    def run(lease: Lease, under_way: UnderWay, say: Say) -> dict[str, Any]:
        return run_file_job(file, BeatsRun(_models(lease), job), under_way, say)

    return Work(run)


def analyze(params: Fields) -> Work:
    """One file to its stems, and to the beats and sections in these; separated once."""
    separation = SeparateJob(params.text("model"), _options(params))
    job = AnalyzeJob(separation, BeatsJob(params.text("beats_model")))
    file = _file_job(params, separation.options)
    params.end()

    def run(lease: Lease, under_way: UnderWay, say: Say) -> dict[str, Any]:
        return run_file_job(file, AnalyzeRun(_models(lease), job), under_way, say)

    return Work(run)


WORK: dict[str, Callable[[Fields], Work]] = {
    "load_model": load_model,
    "separate": separate,
    "beats": beats,
    "analyze": analyze,
}
"""The methods that take time. Each raises RequestError or EncodingError for wrong parameters."""


def _models(lease: Lease) -> ServedModels:
    return ServedModels(lease, takes_paths=True)


def _options(params: Fields) -> SeparateOptions:
    return SeparateOptions(
        stems=params.texts("stems"),
        residual=params.flag("residual"),
        overlap=params.number("overlap"),
        shifts=params.integer("shifts"),
        seed=params.integer("seed"),
        text=checked_texts(params.texts("text")),
        mono=params.flag("mono"),
    )


def _file_job(params: Fields, options: SeparateOptions) -> FileJob:
    output = OutputFormat(
        container=params.text("format", _DEFAULT_CONTAINER),
        bits=params.integer("bits", OutputFormat.bits),
        bitrate_kbps=params.integer("bitrate", OutputFormat.bitrate_kbps),
    )
    stems = StemFiles(
        out=params.path("out", _DEFAULT_OUT),
        names=file_names(params.text("filename", DEFAULT), output.container, options),
        output=output,
        tags=params.flag("tags", default=True),
    )
    return FileJob(params.path("file"), params.flag("strict"), stems)
