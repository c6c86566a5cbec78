"""Analyze: one recording to its stems, and to the beats and sections in these."""

from collections.abc import Iterator
from typing import Any

from stemline.v1 import stemline_pb2 as pb

from ..job_runs import AnalyzeRun
from ..jobs import AnalyzeJob, BeatsJob
from ..messages.output import output_of
from ..messages.separate import separate_job
from ..served_models import ServedModels
from .call import Call
from .job_call import as_responses, run_job
from .status import RequestFields
from .uploads import UploadLimits, check_input, config_of

FIELDS = RequestFields(
    "config.separate",
    {"beats_model": "config.beats_model", "separator": "config.separate.model"},
)
"""Where an AnalyzeRequest has the options that errors name."""


def analyze_call(
    call: Call[pb.AnalyzeRequest], models: ServedModels, limits: UploadLimits
) -> Iterator[Any]:
    """Every AnalyzeResponse of one call. Raises whatever ends it."""
    config: pb.AnalyzeConfig = config_of(call.requests)
    check_input(config.separate.input)
    output_of(config.separate.output)
    beats = BeatsJob(config.beats_model, with_activations=config.activations)
    run = AnalyzeRun(models, AnalyzeJob(separate_job(config.separate), beats))
    limits = limits.for_beats(call.stack)
    messages = run_job(call, run, config.separate.input, config.separate.output, limits)
    yield from as_responses(pb.AnalyzeResponse, messages)
