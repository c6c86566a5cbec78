"""A streaming call as a job: its audio goes to a run, the run's events become responses."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import TypeVar, assert_never

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
    """What every response of one call carries: (field of the response's oneof, message).

    The fields are named as in AnalyzeResponse, whose oneof has all of them; `as_responses` makes
    the responses. Raises whatever ends the call.
    """
    blocks, audio, faults = audio_of(call.requests, wanted_input, limits, call.holding, call.stack)
    call.stack.enter_context(run)  # after the upload's file, so that it ends before that is closed
    events = run.start(blocks, audio, call.holding)
    if not call.ends_with(run.close):
        return
    translator = _Translator(call, wanted_output, audio.n_samples, faults)
    for event in events:
        yield from translator.messages(event)
    for fault in faults:
        _log.warning("request %s: %s", call.request_id, fault)
    _log.info("request %s: %s", call.request_id, translator.done)


class _Translator:
    """The events of one call → messages; `Replies` encode the stems as the output format asks."""

    def __init__(
        self,
        call: Call[RequestT],
        wanted_output: pb.OutputFormat,
        n_samples: int | None,
        faults: list[str],
    ) -> None:
        """`n_samples` are those of the track, None where that is not known."""
        self._holding = call.holding
        self._n_samples = n_samples
        self._request_id = call.request_id
        self._stack = call.stack
        self._output = wanted_output
        self._faults = faults
        self._replies: Replies | None = None
        self._encode_s = 0.0
        self._work: list[str] = []
        self._duration = ""

    @property
    def done(self) -> str:
        """What was done and how long it took, for the log."""
        return f"{' and '.join(self._work)}, {self._duration}"

    def messages(self, event: Event) -> Iterator[tuple[str, Message]]:
        """The messages of one event, each with the field that carries it."""
        match event:
            case SeparateAccepted():
                self._replies = replies_for(self._output, event, self._holding, self._stack)
                self._replies.expect(self._n_samples)
                self._work.append(event.artifact)
                yield "accepted", accepted_message(event, self._request_id)
            case BeatsAccepted():
                self._work.append(f"beats of {event.artifact}")
                yield "beats_accepted", beats_accepted_message(event, self._request_id)
            case Progress():
                yield "progress", progress_message(event)
            case SeparatedBlock():
                yield from self._encoded(self._replies_of_stems().add(event))
            case StemsComplete():
                yield from self._encoded(self._replies_of_stems().finish())
            case BeatsFound():
                self._duration = _duration(event)
                if event.beats.activations is not None:
                    for block in activation_messages(event.beats.activations):
                        yield "activations", block
                yield "beats", result_message(event, self._faults)
            case Summary():
                self._duration = _duration(event)
                yield "summary", summary_message(event, self._encode_s, self._faults)
            case _:
                assert_never(event)

    def _replies_of_stems(self) -> Replies:
        if self._replies is None:
            raise RuntimeError("stems came before they were accepted")
        return self._replies

    def _encoded(self, stem_blocks: Iterator[pb.StemBlock]) -> Iterator[tuple[str, Message]]:
        """Stem blocks as they are encoded; the time that encoding takes is added up."""
        while True:
            started = time.monotonic()
            block = next(stem_blocks, None)
            self._encode_s += time.monotonic() - started
            if block is None:
                return
            yield "stem_block", block


def _duration(event: BeatsFound | Summary) -> str:
    """How much audio, in how much time."""
    audio_s = event.n_samples / event.sample_rate_hz
    return f"{audio_s:.1f} s of audio in {event.elapsed_s:.1f} s"


def as_responses(
    response: Callable[..., Message], messages: Iterator[tuple[str, Message]], **names: str
) -> Iterator[Message]:
    """Each (field, message) in a `response`; `names` are the fields that it calls otherwise."""
    for field, message in messages:
        yield response(**{names.get(field, field): message})
