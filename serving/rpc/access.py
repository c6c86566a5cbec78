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
        self._wanted = token.encode()

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
        """Whether the call has one `authorization`, of the scheme Bearer in any case (RFC 6750)."""
        sent = [value for key, value in details.invocation_metadata if key == "authorization"]
        if len(sent) != 1:  # of two, a proxy and we might each read another
            return False
        received = sent[0] if isinstance(sent[0], bytes) else sent[0].encode()
        scheme, _, token = received.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._wanted)


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
    _check_dates(settings.tls_cert, settings.tls_key)
    client_ca = settings.tls_client_ca
    return grpc.ssl_server_credentials(
        [(settings.tls_key.read_bytes(), settings.tls_cert.read_bytes())],
        root_certificates=None if client_ca is None else client_ca.read_bytes(),
        require_client_auth=client_ca is not None,
    )


_DATES = {9: "is not valid yet", 10: "has expired"}  # OpenSSL's codes of verification


def _check_dates(certificate: Path, key: Path) -> None:
    """Raise SettingsError for a certificate out of its dates, which every client would refuse.

    Python reads the dates of a peer's certificate only, so the server is its own peer, in memory.
    """
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # itself is all that it has to trust
    client.load_verify_locations(certificate)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(4):  # flights of a handshake
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                if error.verify_code in _DATES:
                    raise SettingsError(
                        f"--tls-cert: {certificate} {_DATES[error.verify_code]}; every client "
                        "would refuse it"
                    ) from error
                return  # the clients' authorities are not ours to judge
            except ssl.SSLError:
                return


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
