"""A connection to one server: address, TLS, token, and gRPC's errors as RemoteError."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import grpc

from stemline.errors import RemoteError, SettingsError
from stemline.v1 import stemline_pb2 as pb
from stemline.v1 import stemline_pb2_grpc as pb_grpc

from ..loopback import is_loopback
from ..messages.conventions import REASON_KEY
from .remote_call import RemoteCall, Upload

_MAX_MESSAGE_BYTES = 1 << 24

RequestT = TypeVar("RequestT")


def _check(tls_cert: bytes | None, tls_key: bytes | None, token: str | None) -> None:
    """Raise SettingsError for what gRPC ends the process on, takes for nothing, or cannot send."""
    if (tls_cert is None) != (tls_key is None):
        raise SettingsError(
            "a client's certificate and its key belong together (tls_cert and tls_key); give both "
            "or neither"
        )
    if token is not None and not (token.isascii() and token.isprintable()):
        raise SettingsError("a token is a line of printable ASCII; this one cannot be sent")


class Connection:
    """Calls to one server; safe to share between threads."""

    def __init__(
        self,
        address: str,
        *,
        tls_ca: bytes | None,
        tls_cert: bytes | None,
        tls_key: bytes | None,
        tls: bool,
        token: str | None,
        timeout_s: float | None,
    ) -> None:
        """See StemlineClient. Raises SettingsError."""
        _check(tls_cert, tls_key, token)
        self.address = address
        self._timeout_s = timeout_s
        self._metadata = None if token is None else (("authorization", f"Bearer {token}"),)
        options = [
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.keepalive_time_ms", 300_000),  # the pace that every server allows
        ]
        if is_loopback(address.rpartition(":")[0]):
            options.append(("grpc.enable_http_proxy", 0))  # a proxy's loopback is not ours
        self._is_secure = tls or tls_ca is not None or tls_cert is not None
        if self._is_secure:
            credentials = grpc.ssl_channel_credentials(
                root_certificates=tls_ca, private_key=tls_key, certificate_chain=tls_cert
            )
            self._channel = grpc.secure_channel(address, credentials, options)
        else:
            self._channel = grpc.insecure_channel(address, options)
        self._stub = pb_grpc.StemlineServiceStub(self._channel)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Close the connection; calls under way are cancelled."""
        self._channel.close()

    def list_models(self) -> pb.ListModelsResponse:
        """All models. Raises RemoteError."""
        request = pb.ListModelsRequest()
        try:
            found: pb.ListModelsResponse = self._stub.ListModels(
                request, metadata=self._metadata, timeout=self._timeout_s
            )
        except grpc.RpcError as error:
            raise self._remote_error(error) from error
        return found

    def separate(
        self, config: pb.SeparateConfig, parts: Iterable[bytes]
    ) -> RemoteCall[pb.SeparateResponse]:
        """Begin a call; returns once it is accepted. Raises RemoteError."""
        first = pb.SeparateRequest(config=config)
        upload = Upload(first, lambda part: pb.SeparateRequest(audio=part), parts)
        return RemoteCall(*self._begun(self._stub.Separate, upload), "summary")

    def beats(self, config: pb.BeatsConfig, parts: Iterable[bytes]) -> RemoteCall[pb.BeatsResponse]:
        """Begin a call, as `separate` does."""
        first = pb.BeatsRequest(config=config)
        upload = Upload(first, lambda part: pb.BeatsRequest(audio=part), parts)
        return RemoteCall(*self._begun(self._stub.Beats, upload), "result")

    def analyze(
        self, config: pb.AnalyzeConfig, parts: Iterable[bytes]
    ) -> RemoteCall[pb.AnalyzeResponse]:
        """Begin a call, as `separate` does."""
        first = pb.AnalyzeRequest(config=config)
        upload = Upload(first, lambda part: pb.AnalyzeRequest(audio=part), parts)
        return RemoteCall(*self._begun(self._stub.Analyze, upload), "summary")

    def _begun(
        self, method: Callable[..., Any], upload: Upload[RequestT]
    ) -> tuple[Any, Upload[RequestT], Callable[[grpc.RpcError], RemoteError]]:
        responses = method(upload.requests(), metadata=self._metadata, timeout=self._timeout_s)
        return responses, upload, self._remote_error

    def _remote_error(self, error: grpc.RpcError) -> RemoteError:
        code, details = error.code(), error.details() or ""
        metadata = {item.key: item.value for item in error.trailing_metadata() or ()}
        reason = str(metadata.get(REASON_KEY, ""))
        if code is grpc.StatusCode.UNAVAILABLE and not reason:
            with_tls = "with TLS" if self._is_secure else "without TLS"
            return RemoteError(
                code.name, f"no stemline server answers at {self.address} {with_tls}: {details}"
            )
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return RemoteError(
                code.name, f"what answers at {self.address} is no stemline server, or an older one"
            )
        return RemoteError(code.name, f"{self.address}: {details or code.name}", reason)
