"""A streaming call as a job: its config and audio to a run, the run's events to responses."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from google.protobuf.message import Message

from stemline.v1 import stemline_pb2 as pb

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
from ..messages.beats import activation_messages, beats_accepted_message, result_message
from ..messages.separate import accepted_message, progress_message, summary_message
from .call import Call
from .replies import Replies, replies_for
from .uploads import UploadLimits, UploadMessage, audio_of

_log = logging.getLogger(__name__)

RequestT = TypeVar("RequestT", bound=UploadMessage)


def run_job(
    call: Call[RequestT],
    run: JobRun,
    wanted_input: pb.InputFormat,
    wanted_output: pb.OutputFormat,
    limits: UploadLimits,
) -> Iterator[tuple[str, Message]]:
    """Every response of one call: the field of the response's oneof, and what it carries.

    The names are those of AnalyzeResponse. Raises whatever ends the call.
    """
    blocks, audio = audio_of(call.requests, wanted_input, limits, call.stack)
    call.stack.enter_context(run)  # after the upload's file, so that it ends before that is closed
    events = run.start(blocks, audio)
    if not call.ends_with(run.close):
        return
    translated = _Translation(call, wanted_output)
    for event in events:
        yield from translated.of(event)
    _log.info("request %s: %s", call.request_id, translated.done)


class _Translation:
    """Events to messages; stems leave by the replies that the output asks for."""

    def __init__(self, call: Call[RequestT], wanted_output: pb.OutputFormat) -> None:
        self._request_id = call.request_id
        self._stack = call.stack
        self._output = wanted_output
        self._replies: Replies | None = None
        self._encode_s = 0.0
        self._work: list[str] = []
        self._took = ""

    @property
    def done(self) -> str:
        """What was done, for the log."""
        return f"{' and '.join(self._work)}, {self._took}"

    def of(self, event: Event) -> Iterator[tuple[str, Message]]:
        """The messages of one event."""
        match event:
            case SeparateAccepted():
                self._replies = replies_for(
                    self._output, event.sample_rate_hz, event.channels, event.stems, self._stack
                )
                self._work.append(event.artifact)
                yield "accepted", accepted_message(event, self._request_id)
            case BeatsAccepted():
                self._work.append(f"beats of {event.artifact}")
                yield "beats_accepted", beats_accepted_message(event, self._request_id)
            case Progress():
                yield "progress", progress_message(event)
            case SeparatedBlock():
                if self._replies is not None:
                    yield from self._encoded(self._replies.add(event))
            case StemsComplete():
                if self._replies is not None:
                    yield from self._encoded(self._replies.finish())
            case BeatsFound():
                self._took = _took(event)
                if event.beats.activations is not None:
                    for block in activation_messages(event.beats.activations):
                        yield "activations", block
                yield "beats", result_message(event)
            case Summary():
                self._took = _took(event)
                yield "summary", summary_message(event, self._encode_s)

    def _encoded(self, stem_blocks: Iterator[pb.StemBlock]) -> Iterator[tuple[str, Message]]:
        """Stem blocks, made when asked for; the time that making them takes is added up."""
        while True:
            started = time.monotonic()
            block = next(stem_blocks, None)
            self._encode_s += time.monotonic() - started
            if block is None:
                return
            yield "stem_block", block


def _took(event: BeatsFound | Summary) -> str:
    audio_s = event.n_samples / event.sample_rate_hz
    return f"{audio_s:.1f} s of audio in {event.elapsed_s:.1f} s"


def carried(
    response: Callable[..., Message], messages: Iterator[tuple[str, Message]], **names: str
) -> Iterator[Message]:
    """Each message in a response; `names` are the fields that are called otherwise in it."""
    for field, message in messages:
        yield response(**{names.get(field, field): message})
