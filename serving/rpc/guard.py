"""What stands between gRPC and every method of the server, ours or not.

gRPC answers a message that cannot be decoded by itself, with INTERNAL, and leaves the handler to
answer a second time: the call then never counts as over, and a server that waits for its calls
never stops. It also waits without end, in a thread of the pool, for the one message of a method
that takes one. So no decoding raises here, and no such wait is without end.
"""

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc

from stemline.errors import RequestError, StemlineError

from .alarm import Alarm
from .status import rpc_status_of

_log = logging.getLogger(__name__)

UNARY_WAIT_S = 5.0
OWN_WAIT_S = 0.5  # in threads that a method has of its own, which are few
"""How long the only message of a call may take after its headers: a thread waits for it."""

# What gRPC reads from a behaviour: how it is to be run.
_MARKS = ("experimental_non_blocking", "experimental_thread_pool")


@dataclass(frozen=True)
class _Undecodable:
    """Stands for a message that is none of its method's."""

    n_bytes: int
    why: str


class Guard(grpc.ServerInterceptor):
    """Sees to the messages of every method before their handlers do; put it first."""

    def __init__(
        self,
        alarm: Alarm,
        own_threads: Mapping[str, ThreadPoolExecutor],
        answers_itself: str,
    ) -> None:
        """`own_threads` are pools by service, for those that must not wait for others' threads.

        The methods of the service `answers_itself` make a status of every error of ours; for the
        others this does.
        """
        self._alarm = alarm
        self._own_threads = {f"/{service}/": pool for service, pool in own_threads.items()}
        self._answers_itself = f"/{answers_itself}/"

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], "grpc.RpcMethodHandler[Any, Any] | None"],
        details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """The method's handler, guarded."""
        handler = continuation(details)
        if handler is None:
            return None
        inner = _behaviour(handler)
        takes = self._one if not handler.request_streaming else self._many
        behaviour = takes(inner, details.method)
        if not details.method.startswith(self._answers_itself):
            answered = _answered_stream if handler.response_streaming else _answered
            behaviour = answered(behaviour)
        for mark in _MARKS:
            if hasattr(inner, mark):
                setattr(behaviour, mark, getattr(inner, mark))
        for prefix, pool in self._own_threads.items():
            if details.method.startswith(prefix):
                behaviour.experimental_thread_pool = pool  # type: ignore[attr-defined]
        # A stream of requests whatever the method: so the wait for the first is in our hands.
        made = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
        decode, encode = _never_raising(handler.request_deserializer), handler.response_serializer
        return made(behaviour, decode, encode)

    def _many(self, inner: Callable[..., Any], method: str) -> Callable[..., Any]:
        def behaviour(requests: Iterator[Any], context: grpc.ServicerContext, *more: Any) -> Any:
            return inner(_decoded(requests, method), context, *more)

        return behaviour

    def _one(self, inner: Callable[..., Any], method: str) -> Callable[..., Any]:
        def behaviour(requests: Iterator[Any], context: grpc.ServicerContext, *more: Any) -> Any:
            is_own = any(method.startswith(prefix) for prefix in self._own_threads)
            wait_s = min(OWN_WAIT_S, UNARY_WAIT_S) if is_own else UNARY_WAIT_S
            with self._alarm.after(wait_s, context.cancel):
                request = next(requests, None)
            try:
                if request is None:
                    raise RequestError("request", f"{method} takes one message; none came")
                _check(request, method)
            except RequestError as error:
                _abort(context, error)
            return inner(request, context, *more)

        return behaviour


def _behaviour(handler: "grpc.RpcMethodHandler[Any, Any]") -> Callable[..., Any]:
    """The one of four fields that a handler has."""
    kinds = {
        (False, False): handler.unary_unary,
        (False, True): handler.unary_stream,
        (True, False): handler.stream_unary,
        (True, True): handler.stream_stream,
    }
    found = kinds[bool(handler.request_streaming), bool(handler.response_streaming)]
    assert found is not None  # gRPC's own handlers have it
    return found


def _never_raising(decode: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    if decode is None:
        return None

    def decoded(data: bytes) -> Any:
        try:
            return decode(data)
        except Exception as error:  # noqa: BLE001 - the decoder's, of whatever kind
            return _Undecodable(len(data), str(error))

    return decoded


def _decoded(requests: Iterator[Any], method: str) -> Iterator[Any]:
    """The requests; raises RequestError at one that could not be decoded."""
    for request in requests:
        _check(request, method)
        yield request


def _check(request: object, method: str) -> None:
    if isinstance(request, _Undecodable):
        raise RequestError(
            "request",
            f"a message of {request.n_bytes} bytes is none that {method} takes ({request.why}); "
            "encode it with the proto that this server offers by reflection",
        )


def _answered(behaviour: Callable[..., Any]) -> Callable[..., Any]:
    """A behaviour whose errors of ours become the call's status."""

    def answered(requests: Iterator[Any], context: grpc.ServicerContext, *more: Any) -> Any:
        try:
            return behaviour(requests, context, *more)
        except StemlineError as error:
            _abort(context, error)

    return answered


def _answered_stream(behaviour: Callable[..., Any]) -> Callable[..., Any]:
    """The same where the response is a stream: an error may come at any message of it."""

    def answered(requests: Iterator[Any], context: grpc.ServicerContext, *more: Any) -> Any:
        responses = _answered(behaviour)(requests, context, *more)
        if responses is None:  # it does not block, and has sent through `more` what it had to send
            return None
        return _until_error(responses, context)

    return answered


def _until_error(responses: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
    try:
        yield from responses
    except StemlineError as error:
        _abort(context, error)


def _abort(context: grpc.ServicerContext, error: StemlineError) -> None:
    """End a call with the status of an error; always raises, as gRPC's own `abort` does."""
    request_id = secrets.token_hex(4)
    status = rpc_status_of(error, request_id)
    _log.info("request %s: %s, %s", request_id, status.code.name, status.details)
    context.abort_with_status(status)
