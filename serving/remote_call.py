"""One Separate call of a client: sent from gRPC's thread, received in the caller's."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any

import grpc

from stemline.v1 import stemline_pb2 as pb

from .errors import RemoteError
from .replies import MAX_DATA_BYTES

_log = logging.getLogger(__name__)

_UPLOAD_ENDS_WITHIN_S = 5.0


class RemoteCall(Iterator[pb.SeparateResponse]):
    """One Separate call: its upload in gRPC's thread, its responses in the caller's."""

    def __init__(
        self,
        responses: Any,
        upload: "Upload",
        remote_error: Callable[[grpc.RpcError], RemoteError],
    ) -> None:
        self._responses = responses
        self._upload = upload
        self._remote_error = remote_error
        self._is_complete = False
        upload.call.set_result(responses)
        try:
            self.accepted: pb.Accepted = next(self).accepted
        except BaseException:
            self.close()
            raise

    def __next__(self) -> pb.SeparateResponse:
        try:
            message: pb.SeparateResponse = next(self._responses)
        except grpc.RpcError as error:
            if self._upload.error is not None:
                raise self._upload.error from None
            raise self._remote_error(error) from error
        except StopIteration:
            if self._is_complete:
                raise
            raise RemoteError(
                grpc.StatusCode.INTERNAL, "the server ended the call before its summary"
            ) from None
        self._is_complete = message.WhichOneof("response") == "summary"
        return message

    def close(self) -> None:
        """Cancel the call if it still runs, and let go of the source of the audio."""
        self._responses.cancel()
        # Whoever closes us may close the source next: it must not be in use then.
        self._upload.stop()


class Upload:
    """The messages of the client, and what went wrong in making them."""

    def __init__(self, config: pb.SeparateConfig, parts: Iterable[bytes]) -> None:
        self.call: Future[Any] = Future()
        self.error: Exception | None = None
        self._config = config
        self._parts = parts
        self._lock = threading.Lock()
        self._stopped = False
        self._idle = threading.Event()
        self._idle.set()

    def requests(self) -> Iterator[pb.SeparateRequest]:
        """The config, then the audio; an error ends the call."""
        yield pb.SeparateRequest(config=self._config)
        with self._lock:
            if self._stopped:
                return
            self._idle.clear()
        try:
            for part in self._parts:
                for start in range(0, len(part), MAX_DATA_BYTES):
                    yield pb.SeparateRequest(audio=part[start : start + MAX_DATA_BYTES])
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
