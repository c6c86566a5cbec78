"""The gRPC service: look up, convert, stream; what is computed is the pipeline's.

One thread a call. Whatever goes wrong in a call is turned into its status here, and nowhere else.
"""

import base64
import binascii
import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import grpc

from stemline.preprocessing.audio import AudioFormat
from stemline.preprocessing.channels import output_channels
from stemline.v1 import stemline_pb2 as pb
from stemline.v1 import stemline_pb2_grpc as pb_grpc

from .admission import Admission
from .errors import RequestError, UnknownModelError
from .idle import TimedMessages
from .library import Library
from .offers import Offer
from .pipeline import SeparatedBlock, SeparateOptions, Separation, Separator
from .replies import Replies, file_format_of, replies_for
from .rpc_errors import rpc_status_of
from .uploads import Requests, UploadLimits, audio_of, check_input, config_of

_log = logging.getLogger(__name__)

_PROGRESS_EVERY_S = 0.5
_DEFAULT_PAGE, _MAX_PAGE = 100, 1000


class StemlineServicer(pb_grpc.StemlineServiceServicer):
    """Separate and ListModels over the models of one library."""

    def __init__(
        self,
        library: Library,
        admission: Admission,
        limits: UploadLimits,
        default_model: str = "",
        idle_s: float = 60,
    ) -> None:
        self._library = library
        self._admission = admission
        self._limits = limits
        self._default_model = default_model
        self._idle_s = idle_s

    def Separate(
        self, request_iterator: Requests, context: grpc.ServicerContext
    ) -> Iterator[pb.SeparateResponse]:
        """Separate one recording; see the proto."""
        request_id = secrets.token_hex(4)
        try:
            with self._admission.inside(), ExitStack() as stack:
                requests = stack.enter_context(TimedMessages(request_iterator, self._idle_s))
                call = _SeparateCall(request_id, requests, context, stack)
                yield from self._separate(call)
            return
        except Exception as error:  # noqa: BLE001 - the boundary: the client must hear of anything
            if not context.is_active():
                _log.info("request %s: the client is gone", request_id)
                return
            status = rpc_status_of(error, request_id)
            _log.info("request %s: %s, %s", request_id, status.code.name, status.details)
        context.abort_with_status(status)

    def ListModels(
        self, request: pb.ListModelsRequest, context: grpc.ServicerContext
    ) -> pb.ListModelsResponse:
        """List the artifacts that may run; see the proto."""
        try:
            self._admission.check()
            return self._list_models(request)
        except Exception as error:  # noqa: BLE001 - the boundary: the client must hear of anything
            status = rpc_status_of(error, secrets.token_hex(4))
        context.abort_with_status(status)
        raise AssertionError("abort_with_status raises")

    def _separate(self, call: "_SeparateCall") -> Iterator[pb.SeparateResponse]:
        config = config_of(call.requests)
        offer = self._offer(config.model)
        separator = self._library.separator(offer.name)
        options = SeparateOptions(
            stems=tuple(config.stems),
            residual=config.residual,
            overlap=config.overlap if config.HasField("overlap") else None,
            shifts=config.shifts,
            seed=config.seed,
        )
        _check(config, separator, options)
        blocks, audio = audio_of(call.requests, config, self._limits, call.stack)
        separation = call.stack.enter_context(separator.stream(blocks, audio, options))
        call.stack.callback(call.requests.close)  # first, for the separation may wait for one
        # A call that is cancelled or expires frees its chunks at once, whatever this thread
        # waits for.
        if not call.context.add_callback(separation.close):
            return
        replies = replies_for(
            config.output,
            audio.sample_rate_hz,
            output_channels(audio.channels),
            separation.stems,
            call.stack,
        )
        yield pb.SeparateResponse(accepted=_accepted(call, offer, separator, separation))
        yield from _responses(replies, separator.sha256, separation)
        _log.info(
            "request %s: %s, %.1f s of audio in %.1f s",
            call.request_id,
            offer.name,
            separation.n_samples_done / audio.sample_rate_hz,
            separation.seconds["wall"],
        )

    def _offer(self, model: str) -> Offer:
        """What a client means: a name, never a path on this machine."""
        if model.endswith(".onnx"):
            names = ", ".join(offer.name for offer in self._offers())
            raise UnknownModelError(f"no model {model!r}; there are {names}")
        return self._library.find(model or self._default_model)

    def _offers(self) -> list[Offer]:
        """Those that this server can run, by name."""
        return [offer for offer in self._library.offers() if self._library.may_run(offer)]

    def _list_models(self, request: pb.ListModelsRequest) -> pb.ListModelsResponse:
        if request.page_size < 0:
            raise RequestError("page_size", f"a page of {request.page_size}; it must be 0 or more")
        page_size = min(request.page_size or _DEFAULT_PAGE, _MAX_PAGE)
        after = _after(request.page_token)
        offers = [offer for offer in self._offers() if offer.name > after]
        page = offers[:page_size]
        return pb.ListModelsResponse(
            models=[_model(offer, self._library.is_open(offer)) for offer in page],
            next_page_token=_token(page[-1].name) if len(offers) > len(page) else "",
        )


@dataclass(frozen=True)
class _SeparateCall:
    request_id: str
    requests: TimedMessages[pb.SeparateRequest]
    context: grpc.ServicerContext
    stack: ExitStack
    """Closes what the call holds, whatever its end."""


def _check(config: pb.SeparateConfig, separator: Separator, options: SeparateOptions) -> None:
    """Raise for whatever is wrong with the config before a long upload is received."""
    check_input(config)
    file_format_of(config.output)
    separator.check(options)


def _accepted(
    call: _SeparateCall, offer: Offer, separator: Separator, separation: Separation
) -> pb.Accepted:
    return pb.Accepted(
        request_id=call.request_id,
        model=offer.info.model,
        artifact=offer.name,
        artifact_sha256=separator.sha256,
        networks=separation.networks,
        provider=separator.engine_spec.provider,
        device=separator.engine_spec.device,
        stems=separation.stems,
        sample_rate_hz=separation.audio.sample_rate_hz,
        channels=output_channels(separation.audio.channels),
        batch_size=separator.batch_size,
    )


def _responses(
    replies: Replies, sha256: str, separation: Separation
) -> Iterator[pb.SeparateResponse]:
    """Everything after `accepted`."""
    audio = separation.audio
    started = told = time.monotonic()
    encoding = _Timed()
    for block in separation:
        for stem_block in encoding.of(replies.add(block)):
            yield pb.SeparateResponse(stem_block=stem_block)
        now = time.monotonic()
        if now - told >= _PROGRESS_EVERY_S:
            told = now
            yield pb.SeparateResponse(progress=_progress(block, audio, now - started))
    for stem_block in encoding.of(replies.finish()):
        yield pb.SeparateResponse(stem_block=stem_block)
    wall_s = time.monotonic() - started
    seconds = separation.seconds | {"encode": encoding.seconds, "wall": wall_s}
    yield pb.SeparateResponse(
        summary=pb.Summary(
            artifact_sha256=sha256,
            n_samples=separation.n_samples_done,
            seconds=seconds,
            realtime_factor=separation.n_samples_done / audio.sample_rate_hz / seconds["wall"],
            chunks=separation.chunks_done,
        )
    )


class _Timed:
    """Adds up the time that stem blocks take to make; not that of whoever they are given to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def of(self, stem_blocks: Iterator[pb.StemBlock]) -> Iterator[pb.StemBlock]:
        """The same blocks, made when asked for."""
        while True:
            started = time.monotonic()
            stem_block = next(stem_blocks, None)
            self.seconds += time.monotonic() - started
            if stem_block is None:
                return
            yield stem_block


def _progress(block: SeparatedBlock, audio: AudioFormat, elapsed_s: float) -> pb.Progress:
    n_done = block.offset_samples + next(iter(block.stems.values())).shape[1]
    progress = pb.Progress(
        samples_done=n_done, samples_total=audio.n_samples or 0, seconds_elapsed=elapsed_s
    )
    if audio.n_samples and n_done:
        # Time goes with samples: left / elapsed = (total − done) / done.
        progress.seconds_left = elapsed_s * max(0, audio.n_samples - n_done) / n_done
    return progress


def _model(offer: Offer, loaded: bool) -> pb.Model:
    info = offer.info
    return pb.Model(
        name=info.model,
        artifact=offer.name,
        family=info.family,
        stems=offer.stems,
        sample_rate_hz=info.sample_rate_hz,
        channels=info.channels,
        precision=info.precision,
        default_overlap=info.default_overlap,
        trained=info.trained,
        licence=info.licence,
        artifact_sha256=offer.sha256,
        loaded=loaded,
    )


def _token(name: str) -> str:
    """The page after the model `name`, opaque to clients."""
    return base64.urlsafe_b64encode(name.encode()).decode()


def _after(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise RequestError(
            "page_token", f"{token!r} is no page token; send the next_page_token of a response"
        ) from error
