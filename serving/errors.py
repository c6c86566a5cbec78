"""What goes wrong between a request and its response, and what the caller is told.

The one table: every error a caller can meet, its gRPC status and the command's exit code. An
exception that is not in it is a fault of ours; over gRPC, so is one that is INTERNAL here.
"""

import grpc

from stemline.engines import (
    ArtifactError,
    DeviceError,
    EngineError,
    EngineMemoryError,
    MissingExtraError,
)
from stemline.postprocessing.encode import EncodingError
from stemline.preprocessing.audio import AudioError
from stemline.preprocessing.chunks import OverlapError


class UnknownModelError(LookupError):
    """No such model is exported; the message names those there are."""


class WrongModelError(ValueError):
    """The model finds beats where stems are wanted, or the reverse; the message says which do."""


class MissingNetworkError(ArtifactError):
    """A bag lacks a network that the stems need; the message is how to get it."""


class UnknownStemError(LookupError):
    """The model has no such stem; the message names those it has."""


class UntrainedError(RuntimeError):
    """The artifact holds seeded random weights and was not asked for by `--allow-untrained`."""


class RequestError(ValueError):
    """A parameter of the request is wrong; `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class LimitError(RuntimeError):
    """The server's limit on streams, upload or length is reached."""


class IdleError(TimeoutError):
    """The client sent no message for longer than the server waits for one."""


class DrainingError(RuntimeError):
    """The server is starting or stopping and takes no new work."""


class ListenError(OSError):
    """The server cannot listen where it was told to; the message says why."""


class SettingsError(ValueError):
    """A setting is wrong or does not fit the others; the message names it."""


class RemoteError(RuntimeError):
    """The server refused or failed a call, or there is none at the address.

    `reason` is the name of the server's own error, a class of this table; empty when it told none.
    """

    def __init__(self, code: grpc.StatusCode, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class SeparationClosedError(RuntimeError):
    """What was asked for was closed before it was complete."""


FAILED, USAGE, MISSING = 1, 2, 3
"""Exit codes: it went wrong; it was called wrong; something is missing that can be got."""

REASON_KEY = "stemline-error"
"""Trailing metadata of a refused call: the error's name, as in its google.rpc.ErrorInfo. Our client
reads it here, for the messages of google.rpc come with the `serve` extra alone."""

_Code = grpc.StatusCode
STATUS_AND_EXIT: dict[type[Exception], tuple[grpc.StatusCode, int]] = {
    AudioError: (_Code.INVALID_ARGUMENT, FAILED),
    EncodingError: (_Code.INVALID_ARGUMENT, USAGE),
    OverlapError: (_Code.INVALID_ARGUMENT, USAGE),
    RequestError: (_Code.INVALID_ARGUMENT, USAGE),
    WrongModelError: (_Code.INVALID_ARGUMENT, USAGE),
    UnknownModelError: (_Code.NOT_FOUND, MISSING),
    UnknownStemError: (_Code.NOT_FOUND, USAGE),
    UntrainedError: (_Code.FAILED_PRECONDITION, MISSING),
    MissingNetworkError: (_Code.FAILED_PRECONDITION, MISSING),
    ArtifactError: (_Code.FAILED_PRECONDITION, FAILED),
    DeviceError: (_Code.FAILED_PRECONDITION, MISSING),
    MissingExtraError: (_Code.FAILED_PRECONDITION, MISSING),
    EngineError: (_Code.INTERNAL, FAILED),
    LimitError: (_Code.RESOURCE_EXHAUSTED, FAILED),
    EngineMemoryError: (_Code.RESOURCE_EXHAUSTED, FAILED),
    IdleError: (_Code.DEADLINE_EXCEEDED, FAILED),
    DrainingError: (_Code.UNAVAILABLE, FAILED),
    SeparationClosedError: (_Code.CANCELLED, FAILED),
    # Met by the command alone.
    ListenError: (_Code.INTERNAL, FAILED),
    RemoteError: (_Code.INTERNAL, FAILED),
    SettingsError: (_Code.INTERNAL, USAGE),
}
_EXIT_OF_REASON = {kind.__name__: exit_code for kind, (_, exit_code) in STATUS_AND_EXIT.items()}


def status_of(error: BaseException) -> grpc.StatusCode | None:
    """The gRPC status of an error, or None for a fault of ours."""
    row = _row(error)
    return None if row is None else row[0]


def exit_code_of(error: BaseException) -> int | None:
    """The command's exit code for an error, or None for a fault of ours.

    A server's error has the code that it has when it happens here.
    """
    if isinstance(error, RemoteError):
        return _EXIT_OF_REASON.get(error.reason, FAILED)
    row = _row(error)
    return None if row is None else row[1]


def reason_of(error: BaseException) -> str:
    """The name in the table of an error, which a server tells its clients; empty for none."""
    kind = _kind(error)
    return "" if kind is None else kind.__name__


def _row(error: BaseException) -> tuple[grpc.StatusCode, int] | None:
    kind = _kind(error)
    return None if kind is None else STATUS_AND_EXIT[kind]


def _kind(error: BaseException) -> type[Exception] | None:
    return next((kind for kind in type(error).__mro__ if kind in STATUS_AND_EXIT), None)
