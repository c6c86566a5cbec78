"""Who may reach a server, and where: address, TLS, token."""

import hmac
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc

from stemline.errors import ListenError, SettingsError

from .settings import ServerSettings

_OPEN_TO_ALL = "/grpc.health.v1.Health/"


class TokenCheck(grpc.ServerInterceptor):
    """Refuses calls without the token; health checks need none."""

    def __init__(self, token: str) -> None:
        self._wanted = f"Bearer {token}".encode()

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], "grpc.RpcMethodHandler[Any, Any] | None"],
        details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """The method's own handler, or one that refuses."""
        if details.method.startswith(_OPEN_TO_ALL) or self._is_known(details):
            return continuation(details)
        # A stream, whatever the method: it refuses without waiting for a message.
        return grpc.stream_stream_rpc_method_handler(_refuse)

    def _is_known(self, details: grpc.HandlerCallDetails) -> bool:
        sent = dict(details.invocation_metadata).get("authorization", "")
        received = sent if isinstance(sent, bytes) else sent.encode()
        return hmac.compare_digest(received, self._wanted)


def _refuse(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    context.abort(
        grpc.StatusCode.UNAUTHENTICATED,
        "no token, or a wrong one; send `authorization: Bearer TOKEN` with every call",
    )
    yield b""


def read_token(path: Path) -> str:
    """The token in a file. Raises SettingsError when it holds none."""
    token = path.read_text(errors="replace").strip()
    if not token or not token.isascii() or not token.isprintable():
        raise SettingsError(f"--token-file: {path} holds no token, a line of printable ASCII")
    return token


def tls_credentials(settings: ServerSettings) -> grpc.ServerCredentials | None:
    """Credentials for TLS, None without it. Raises SettingsError for files that do not fit."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    try:
        # gRPC only says "could not listen"; the standard library says what is wrong.
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
        if settings.tls_client_ca is not None:
            context.load_verify_locations(settings.tls_client_ca)
    except OSError as error:  # SSLError is one
        raise SettingsError(
            f"--tls-cert, --tls-key and --tls-client-ca must be PEM files that fit: {error}"
        ) from error
    client_ca = settings.tls_client_ca
    return grpc.ssl_server_credentials(
        [(settings.tls_key.read_bytes(), settings.tls_cert.read_bytes())],
        root_certificates=None if client_ca is None else client_ca.read_bytes(),
        require_client_auth=client_ca is not None,
    )


def address_of(host: str, port: int) -> str:
    """`host:port`, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def check_free(host: str, port: int, address: str) -> None:
    """Raise ListenError where an address is taken, in the system's words, which gRPC leaves out."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
            probe.listen(1)
    except OSError as error:
        raise ListenError(
            f"cannot listen on {address}: {error.strerror or error}; choose another address"
        ) from error
