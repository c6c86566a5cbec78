"""Our errors → the gRPC status that a client sees, with google.rpc details."""

import errno
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc

from stemline.errors import LimitError, MissingExtraError, StemlineError

from ..messages.conventions import REASON_KEY

try:
    from google.protobuf.message import Message
    from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
    from grpc_status import rpc_status  # type: ignore[import-untyped]
except ImportError as error:
    raise MissingExtraError("grpcio-status", "serve") from error

_log = logging.getLogger(__name__)

_DOMAIN = "stemline"  # of the reasons in ErrorInfo
_RETRY_S = 5
# A status travels in HTTP headers, of which 8 KiB are taken: in words, where every byte that is not
# ASCII takes three, and twice in details, where three bytes take four.
_MAX_MESSAGE_BYTES = 1000

_CONFIG = "config"
# Fields of the requests themselves, and the name of their oneof. Whatever else an error names is an
# option, as callers of the library know it.
_OF_REQUEST = {_CONFIG, "audio", "request"}


@dataclass(frozen=True)
class RequestFields:
    """Where a call's request has the options that errors name."""

    config: str = _CONFIG
    """The field that holds every option that is not in `elsewhere`."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Option → field, for the others."""

    def path_of(self, name: str) -> str:
        """An option, bare or as `config.…`, or a field of the request → the request's field."""
        if name in _OF_REQUEST:
            return name
        option = name.removeprefix(f"{_CONFIG}.")
        return self.elsewhere.get(option) or f"{self.config}.{option}"


_RETRIED = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}


def status_of(error: BaseException) -> grpc.StatusCode:
    """The status code of an error; INTERNAL for a fault of ours."""
    return grpc.StatusCode[error.grpc_status if isinstance(error, StemlineError) else "INTERNAL"]


def _reason_of(error: BaseException) -> str:
    """The name of an error, which clients read; empty for a fault of ours."""
    return type(error).__name__ if isinstance(error, StemlineError) else ""


def rpc_status_of(
    error: BaseException, request_id: str, fields: RequestFields | None = None
) -> grpc.Status:
    """The status to end a call with.

    `fields` are those of the call's request; unset, every option is a field of its config. A fault
    of ours is logged with its traceback, and the client gets the request's id alone.
    """
    error = _shortage_of(error) or error
    code = status_of(error)
    if not isinstance(error, StemlineError) or code is grpc.StatusCode.INTERNAL:
        _log.error("request %s failed", request_id, exc_info=error)
        return _status(
            grpc.StatusCode.INTERNAL,
            f"a fault of the server; its log has the details under {request_id}",
            _reason_of(error),
        )
    message = str(error)
    details: list[Message] = []
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=(fields or RequestFields()).path_of(error.field),
            description=_short(message),
        )
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    elif code in _RETRIED:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromSeconds(_RETRY_S)
        details.append(retry)
    return _status(code, message, _reason_of(error), *details)


_NO_THREAD = "can't start new thread"
_SHORTAGES = {
    errno.ENOSPC: "the server's disk is full; try again later",
    errno.EDQUOT: "the server's share of the disk is full; try again later",
    errno.EMFILE: "the server has no file descriptors left; try again later",
    errno.ENFILE: "the server's system has no file descriptors left; try again later",
}


def _shortage_of(error: BaseException) -> LimitError | None:
    """What the machine has none of at the moment, where an error says so; not a fault of ours."""
    if isinstance(error, OSError) and error.errno in _SHORTAGES:
        return LimitError(_SHORTAGES[error.errno])
    if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
        return LimitError("the server has no threads left; try again later")
    if isinstance(error, MemoryError):
        return LimitError("the server has no memory left for this call; try again later")
    return None


def _short(message: str) -> str:
    """As much of a message as a status holds."""
    return message.encode(errors="replace")[:_MAX_MESSAGE_BYTES].decode(errors="ignore")


def _status(code: grpc.StatusCode, message: str, reason: str, *details: Message) -> grpc.Status:
    status = status_pb2.Status(code=code.value[0], message=_short(message))
    if reason:
        info = error_details_pb2.ErrorInfo(reason=reason, domain=_DOMAIN)
        status.details.add().Pack(info)
    for detail in details:
        status.details.add().Pack(detail)
    converted = rpc_status.to_status(status)
    metadata = (*converted.trailing_metadata, *([(REASON_KEY, reason)] if reason else []))
    with_reason: grpc.Status = converted._replace(trailing_metadata=metadata)
    return with_reason
