"""Separate: one recording to its stems, as they become final."""

import logging
from collections.abc import Iterator

from stemline.preprocessing.channels import output_channels
from stemline.v1 import stemline_pb2 as pb

from ..jobs import SeparateOptions
from ..models import Offer
from ..separation import Separation
from ..separator import Separator
from .call import Call, Pace, Timed
from .replies import Replies, file_format_of, replies_for
from .served import ServedModels
from .uploads import UploadLimits, audio_of, check_input, config_of

_log = logging.getLogger(__name__)


def separate_call(
    call: Call[pb.SeparateRequest], models: ServedModels, limits: UploadLimits
) -> Iterator[pb.SeparateResponse]:
    """Every response of one call. Raises what the client is to be told."""
    config: pb.SeparateConfig = config_of(call.requests)
    offer = models.separator(config.model)
    separator = models.library.separator_of(offer)
    options = options_of(config)
    check_separate(config, separator, options)
    blocks, audio = audio_of(call.requests, config.input, limits, call.stack)
    separation = call.stack.enter_context(separator.stream(blocks, audio, options))
    if not call.ends_with(separation.close):
        return
    replies = replies_for(
        config.output,
        audio.sample_rate_hz,
        output_channels(audio.channels),
        separation.stems,
        call.stack,
    )
    yield pb.SeparateResponse(
        accepted=accepted_message(call.request_id, offer, separator, separation, separation.stems)
    )
    yield from _responses(replies, separator.sha256, separation)
    _log.info(
        "request %s: %s, %.1f s of audio in %.1f s",
        call.request_id,
        offer.name,
        separation.n_samples_done / audio.sample_rate_hz,
        separation.seconds["wall"],
    )


def options_of(config: pb.SeparateConfig) -> SeparateOptions:
    """What a config chooses."""
    return SeparateOptions(
        stems=tuple(config.stems),
        residual=config.residual,
        overlap=config.overlap if config.HasField("overlap") else None,
        shifts=config.shifts,
        seed=config.seed,
    )


def check_separate(
    config: pb.SeparateConfig, separator: Separator, options: SeparateOptions
) -> None:
    """Raise for whatever is wrong with the config before a long upload is received."""
    check_input(config.input)
    file_format_of(config.output)
    separator.check(options)


def accepted_message(
    request_id: str,
    offer: Offer,
    separator: Separator,
    separation: Separation,
    stems: tuple[str, ...],
) -> pb.Accepted:
    """What will run, and that these stems will come of it."""
    return pb.Accepted(
        request_id=request_id,
        model=offer.info.model,
        artifact=offer.name,
        artifact_sha256=separator.sha256,
        networks=separation.networks,
        provider=separator.engine_spec.provider,
        device=separator.engine_spec.device,
        stems=stems,
        sample_rate_hz=separation.audio.sample_rate_hz,
        channels=output_channels(separation.audio.channels),
        batch_size=separator.batch_size,
    )


def summary_message(
    sha256: str, separation: Separation, encode_s: float, wall_s: float
) -> pb.Summary:
    """What was done."""
    return pb.Summary(
        artifact_sha256=sha256,
        n_samples=separation.n_samples_done,
        seconds=separation.seconds | {"encode": encode_s, "wall": wall_s},
        realtime_factor=separation.n_samples_done / separation.audio.sample_rate_hz / wall_s,
        chunks=separation.chunks_done,
    )


def _responses(
    replies: Replies, sha256: str, separation: Separation
) -> Iterator[pb.SeparateResponse]:
    """Everything after `accepted`."""
    pace = Pace(separation.audio.n_samples)
    encoding = Timed()
    for block in separation:
        for stem_block in encoding.of(replies.add(block)):
            yield pb.SeparateResponse(stem_block=stem_block)
        for progress in pace.after(separation.n_samples_done):
            yield pb.SeparateResponse(progress=progress)
    for stem_block in encoding.of(replies.finish()):
        yield pb.SeparateResponse(stem_block=stem_block)
    yield pb.SeparateResponse(
        summary=summary_message(sha256, separation, encoding.seconds, pace.elapsed_s)
    )
