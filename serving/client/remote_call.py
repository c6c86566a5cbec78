"""One streaming call of a client: sent from gRPC's thread, received in the caller's."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeVar

import grpc

from stemline.errors import RemoteError

from ..messages.conventions import MAX_DATA_BYTES

_log = logging.getLogger(__name__)

_UPLOAD_ENDS_WITHIN_S = 5.0


class ResponseMessage(Protocol):
    """A message of a server."""

    def WhichOneof(self, oneof_group: str, /) -> str | None:
        """The name of the field that it carries."""


RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT", bound=ResponseMessage)


class RemoteCall(Iterator[ResponseT], Generic[ResponseT]):
    """One call: its upload in gRPC's thread, its responses in the caller's."""

    def __init__(
        self,
        responses: Any,
        upload: "Upload[Any]",
        remote_error: Callable[[grpc.RpcError], RemoteError],
        last: str,
    ) -> None:
        """Wait for the first response; `last` is the field that the last one carries.

        Raises RemoteError.
        """
        self._responses = responses
        self._upload = upload
        self._remote_error = remote_error
        self._last = last
        self._is_complete = False
        upload.call.set_result(responses)
        try:
            self.first: ResponseT = next(self)
            """The first response, which carries `accepted`."""
        except BaseException:
            self.close()
            raise

    def __next__(self) -> ResponseT:
        try:
            message: ResponseT = next(self._responses)
        except grpc.RpcError as error:
            if self._upload.error is not None:
                raise self._upload.error from None
            raise self._remote_error(error) from error
        except StopIteration:
            if self._is_complete:
                raise
            raise RemoteError(
                "INTERNAL", f"the server ended the call before its {self._last}"
            ) from None
        self._is_complete = message.WhichOneof("response") == self._last
        return message

    def close(self) -> None:
        """Cancel the call if it still runs, and stop reading the source of the audio."""
        self._responses.cancel()
        # Whoever closes us may close the source next: it must not be in use then.
        self._upload.stop()


class Upload(Generic[RequestT]):
    """The client's messages, and the error that reading the audio raised."""

    def __init__(
        self, first: RequestT, message_of: Callable[[bytes], RequestT], parts: Iterable[bytes]
    ) -> None:
        """`first` carries the config; `message_of` makes each of the others from its audio."""
        self.call: Future[Any] = Future()
        """The call that sends them, once it is made."""
        self.error: Exception | None = None
        """The error of reading the audio; it ended the call."""
        self._first = first
        self._message_of = message_of
        self._parts = parts
        self._lock = threading.Lock()
        self._stopped = False
        self._idle = threading.Event()
        self._idle.set()

    def requests(self) -> Iterator[RequestT]:
        """The config, then the audio; an error ends the call."""
        yield self._first
        with self._lock:
            if self._stopped:
                return
            self._idle.clear()
        try:
            for part in self._parts:
                for start in range(0, len(part), MAX_DATA_BYTES):
                    yield self._message_of(part[start : start + MAX_DATA_BYTES])
        except Exception as error:  # noqa: BLE001 - the thread that reads the stems raises it
            self.error = error
            self.call.result().cancel()
        finally:
            self._idle.set()

    def stop(self) -> None:
        """Wait until the parts are no longer read; the call must be over."""
        with self._lock:
            self._stopped = True
        if not self._idle.wait(_UPLOAD_ENDS_WITHIN_S):
            _log.warning("the source of the audio still blocks although the call is over")
