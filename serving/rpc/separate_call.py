"""Separate: one recording to its stems, as they become final."""

from collections.abc import Iterator
from typing import Any

from stemline.v1 import stemline_pb2 as pb

from ..job_runs import SeparateRun
from ..messages.output import output_of
from ..messages.separate import separate_job
from ..served_models import ServedModels
from .call import Call
from .job_call import as_responses, run_job
from .uploads import UploadLimits, check_input, config_of


def separate_call(
    call: Call[pb.SeparateRequest], models: ServedModels, limits: UploadLimits
) -> Iterator[Any]:
    """Every SeparateResponse of one call. Raises whatever ends it."""
    config: pb.SeparateConfig = config_of(call.requests)
    check_input(config.input)
    output_of(config.output)
    run = SeparateRun(models, separate_job(config))
    messages = run_job(call, run, config.input, config.output, limits)
    yield from as_responses(pb.SeparateResponse, messages)
