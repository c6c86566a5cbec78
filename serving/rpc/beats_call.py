"""Beats: one recording to its tempo, beats, downbeats and sections."""

from collections.abc import Iterator
from typing import Any

from stemline.v1 import stemline_pb2 as pb

from ..job_runs import BeatsRun
from ..jobs import BeatsJob
from ..served_models import ServedModels
from .call import Call
from .job_call import as_responses, run_job
from .uploads import UploadLimits, check_input, config_of


def beats_call(
    call: Call[pb.BeatsRequest], models: ServedModels, limits: UploadLimits
) -> Iterator[Any]:
    """Every BeatsResponse of one call. Raises whatever ends it."""
    config: pb.BeatsConfig = config_of(call.requests)
    check_input(config.input)
    run = BeatsRun(models, BeatsJob(config.model, config.separator, config.activations))
    limits = limits.for_beats(call.stack)
    messages = run_job(call, run, config.input, pb.OutputFormat(), limits)
    yield from as_responses(pb.BeatsResponse, messages, beats_accepted="accepted", beats="result")
