"""Beats: one recording to its tempo, beats, downbeats and sections."""

import logging
from collections.abc import Iterator

from stemline.v1 import stemline_pb2 as pb

from ..beat_models import BeatModel
from ..beat_tracker import BeatTracker
from ..jobs import SeparateOptions
from ..messages.beats import found_messages
from ..models import Offer
from .call import Call, Pace
from .served import ServedModels
from .uploads import UploadLimits, audio_of, check_input, config_of

_log = logging.getLogger(__name__)


def beats_call(
    call: Call[pb.BeatsRequest], models: ServedModels, limits: UploadLimits
) -> Iterator[pb.BeatsResponse]:
    """Every response of one call. Raises what the client is to be told."""
    config: pb.BeatsConfig = config_of(call.requests)
    model = models.beat_model(config.model)
    separator = models.heard_separator(model, config.separator)
    check_input(config.input)
    tracker = model.open(models.library, separator)
    if tracker.separator is not None:
        tracker.separator.check(SeparateOptions(stems=tracker.facts.stems))
    blocks, audio = audio_of(call.requests, config.input, limits.for_beats(call.stack), call.stack)
    tracking = call.stack.enter_context(tracker.stream(blocks, audio))
    if not call.ends_with(tracking.close):
        return
    pace = Pace(audio.n_samples)
    yield pb.BeatsResponse(accepted=accepted_message(call.request_id, model, tracker, separator))
    for _ in tracking:
        for progress in pace.after(tracking.n_samples_done):
            yield pb.BeatsResponse(progress=progress)
    yield pb.BeatsResponse(progress=pace.now(tracking.n_samples))
    for message in found_messages(
        tracking,
        with_activations=config.activations,
        pace=pace,
        artifact_sha256=tracker.sha256,
    ):
        if isinstance(message, pb.BeatsResult):
            yield pb.BeatsResponse(result=message)
        else:
            yield pb.BeatsResponse(activations=message)
    _log.info(
        "request %s: beats of %s, %.1f s of audio in %.1f s",
        call.request_id,
        model.name,
        tracking.n_samples / audio.sample_rate_hz,
        pace.elapsed_s,
    )


def accepted_message(
    request_id: str, model: BeatModel, tracker: BeatTracker, separator: Offer | None
) -> pb.BeatsAccepted:
    """What will find the beats."""
    spec = tracker.engine.spec
    return pb.BeatsAccepted(
        request_id=request_id,
        model=model.offer.info.model,
        artifact=model.name,
        artifact_sha256=tracker.sha256,
        provider=spec.provider,
        device=spec.device,
        separator="" if separator is None else separator.name,
        labels=model.facts.labels,
    )
