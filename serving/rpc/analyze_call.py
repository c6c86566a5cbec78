"""Analyze: one recording to its stems, and to the beats and sections in these."""

import logging
from collections.abc import Iterator
from dataclasses import replace

from stemline.errors import RequestError, WrongModelError
from stemline.preprocessing.channels import output_channels
from stemline.v1 import stemline_pb2 as pb

from ..beat_models import BeatModel
from ..beat_tracker import check_separator
from ..jobs import SeparatedBlock, SeparateOptions
from ..messages.beats import found_messages
from ..models import Offer
from . import beats_call
from .call import Call, Pace, Timed
from .replies import replies_for
from .separate_call import accepted_message, check_separate, options_of, summary_message
from .served import ServedModels
from .status import RequestFields
from .uploads import UploadLimits, audio_of, config_of

_log = logging.getLogger(__name__)

FIELDS = RequestFields(
    "config.separate",
    {"beats_model": "config.beats_model", "separator": "config.separate.model"},
)
"""Where its request has what errors name."""


def analyze_call(
    call: Call[pb.AnalyzeRequest], models: ServedModels, limits: UploadLimits
) -> Iterator[pb.AnalyzeResponse]:
    """Every response of one call. Raises what the client is to be told."""
    config: pb.AnalyzeConfig = config_of(call.requests)
    model = _beat_model(models, config.beats_model)
    offer = _separator(models, model, config.separate.model)
    options = options_of(config.separate)
    tracker = model.open(models.library, offer)
    separator = tracker.separator
    assert separator is not None
    check_separate(config.separate, separator, replace(options, also=model.facts.stems))
    limits = limits.for_beats(call.stack)
    blocks, audio = audio_of(call.requests, config.separate.input, limits, call.stack)
    tracking = call.stack.enter_context(tracker.stream(blocks, audio, options))
    if not call.ends_with(tracking.close):
        return
    separation = tracking.separation
    assert separation is not None  # for stems are wanted
    names = _sent(tracking.stems, options)
    replies = replies_for(
        config.separate.output,
        audio.sample_rate_hz,
        output_channels(audio.channels),
        names,
        call.stack,
    )
    yield pb.AnalyzeResponse(
        accepted=accepted_message(call.request_id, offer, separator, separation, names)
    )
    yield pb.AnalyzeResponse(
        beats_accepted=beats_call.accepted_message(
            call.request_id, model, tracker, offer if tracker.needs_separator else None
        )
    )
    pace, encoding = Pace(audio.n_samples), Timed()
    for block in tracking:
        sent = SeparatedBlock(block.offset_samples, {name: block.stems[name] for name in names})
        for stem_block in encoding.of(replies.add(sent)):
            yield pb.AnalyzeResponse(stem_block=stem_block)
        for progress in pace.after(tracking.n_samples_done):
            yield pb.AnalyzeResponse(progress=progress)
    for stem_block in encoding.of(replies.finish()):
        yield pb.AnalyzeResponse(stem_block=stem_block)
    yield pb.AnalyzeResponse(progress=pace.now(tracking.n_samples))
    for message in found_messages(
        tracking,
        with_activations=config.activations,
        pace=pace,
        artifact_sha256=tracker.sha256,
    ):
        if isinstance(message, pb.BeatsResult):
            yield pb.AnalyzeResponse(beats=message)
        else:
            yield pb.AnalyzeResponse(activations=message)
    yield pb.AnalyzeResponse(
        summary=summary_message(separator.sha256, separation, encoding.seconds, pace.elapsed_s)
    )
    _log.info(
        "request %s: %s and beats of %s, %.1f s of audio in %.1f s",
        call.request_id,
        offer.name,
        model.name,
        tracking.n_samples / audio.sample_rate_hz,
        pace.elapsed_s,
    )


def _beat_model(models: ServedModels, name: str) -> BeatModel:
    try:
        return models.beat_model(name)
    except WrongModelError as error:
        raise RequestError("beats_model", str(error)) from error


def _separator(models: ServedModels, model: BeatModel, name: str) -> Offer:
    """What takes the recording apart: into the stems that the beat model hears, at least."""
    if not name and model.facts.stems:
        offer = models.heard_separator(model, "")
        assert offer is not None
        return offer
    offer = models.separator(name)
    try:
        check_separator(offer.name, offer.stems, model.facts)
    except RequestError as error:
        raise RequestError("model", str(error)) from error
    return offer


def _sent(stems: tuple[str, ...], options: SeparateOptions) -> tuple[str, ...]:
    """Of the stems that are made those that the client wants; the residual is the last."""
    made, residual = (stems[:-1], stems[-1:]) if options.residual else (stems, ())
    named = {name.lower() for name in options.stems}
    return (*(stem for stem in made if not named or stem.lower() in named), *residual)
