"""The gRPC service: every method, from the admission of a call to its status.

What a method does is in the file of its call. One thread a call. Whatever goes wrong in a call
becomes its status here, and nowhere else.
"""

import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TypeVar

import grpc

from stemline.v1 import stemline_pb2 as pb
from stemline.v1 import stemline_pb2_grpc as pb_grpc

from ..library import Library
from ..served_models import ServedModels
from . import analyze_call
from .admission import Admission
from .beats_call import beats_call
from .budget import Budget, CallHolding
from .call import Call
from .model_list import list_models
from .patience import Patience
from .separate_call import separate_call
from .status import RequestFields, rpc_status_of
from .uploads import UploadLimits

_log = logging.getLogger(__name__)

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
Responses = Callable[[Call[RequestT], ServedModels, UploadLimits], Iterator[ResponseT]]


class StemlineServicer(pb_grpc.StemlineServiceServicer):
    """Separate, Beats, Analyze and ListModels over the models of one library."""

    def __init__(
        self,
        library: Library,
        admission: Admission,
        limits: UploadLimits,
        patience: Patience,
        memory: Budget,
        disk: Budget,
        preferred: Sequence[str] = (),
    ) -> None:
        """`memory` and `disk` are what all calls and their temporary files may hold, in bytes.

        `preferred` are models by name: the first of each task is its default.
        """
        self._models = ServedModels(library, preferred)
        self._admission = admission
        self._limits = limits
        self._patience = patience
        self._memory, self._disk = memory, disk

    def Separate(
        self, request_iterator: Iterator[pb.SeparateRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.SeparateResponse]:
        """Separate one recording; see the proto."""
        return self._streamed(separate_call, request_iterator, context)

    def Beats(
        self, request_iterator: Iterator[pb.BeatsRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.BeatsResponse]:
        """Find the beats and sections of one recording; see the proto."""
        return self._streamed(beats_call, request_iterator, context)

    def Analyze(
        self, request_iterator: Iterator[pb.AnalyzeRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.AnalyzeResponse]:
        """Separate one recording and find the beats and sections in its stems; see the proto."""
        responses = analyze_call.analyze_call
        return self._streamed(responses, request_iterator, context, analyze_call.FIELDS)

    def ListModels(
        self, request: pb.ListModelsRequest, context: grpc.ServicerContext
    ) -> pb.ListModelsResponse:
        """List the artifacts that may run; see the proto."""
        try:
            self._admission.check()
            return list_models(self._models)
        except Exception as error:  # noqa: BLE001 - the boundary: any error becomes a status
            status = rpc_status_of(error, secrets.token_hex(4))
        context.abort_with_status(status)
        raise AssertionError("abort_with_status raises")

    def _streamed(
        self,
        responses: Responses[RequestT, ResponseT],
        messages: Iterator[RequestT],
        context: grpc.ServicerContext,
        fields: RequestFields | None = None,
    ) -> Iterator[ResponseT]:
        """One call from its admission to its status; `fields` maps options to request fields."""
        request_id = secrets.token_hex(4)
        try:
            with self._admission.inside(), ExitStack() as stack:
                requests = stack.enter_context(
                    self._patience.messages(self._admission.moved(messages))
                )
                memory = stack.enter_context(self._memory.share())
                disk = stack.enter_context(self._disk.share())
                holding = CallHolding(memory, disk)
                call = Call(request_id, requests, context, holding, stack)
                reading = stack.enter_context(self._patience.reading(context, request_id))
                answers = responses(call, self._models, self._limits)
                yield from reading.timed(self._admission.moved(answers))
            return
        except Exception as error:  # noqa: BLE001 - the boundary: any error becomes a status
            if not context.is_active():
                _log.info("request %s: the client is gone", request_id)
                return
            status = rpc_status_of(error, request_id, fields)
            _log.info("request %s: %s, %s", request_id, status.code.name, status.details)
        context.abort_with_status(status)
