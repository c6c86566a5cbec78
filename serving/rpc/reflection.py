"""gRPC reflection, with a bound on what its calls may hold.

It is outside the admission of the calls that work, so it has a bound of its own.
"""

from collections.abc import Iterator
from contextlib import suppress

import grpc

from stemline.errors import IdleError, MissingExtraError

from .health import HEALTH
from .patience import Patience
from .places import Places

try:
    from grpc_reflection.v1alpha import (  # type: ignore[import-untyped]
        reflection,
        reflection_pb2,
        reflection_pb2_grpc,
    )
except ImportError as error:
    raise MissingExtraError("grpcio-reflection", "serve") from error

MOST_REFLECTING = 4
"""Calls that reflect at once: each holds two threads."""


class Reflection(reflection.ReflectionServicer):  # type: ignore[misc]
    """gRPC reflection; a call that sends nothing, or does not read, ends as any other."""

    def __init__(self, services: tuple[str, ...], patience: Patience) -> None:
        super().__init__((*services, HEALTH, reflection.SERVICE_NAME))
        self._patience = patience
        self._calls = Places(MOST_REFLECTING, "use reflection")

    def ServerReflectionInfo(
        self,
        request_iterator: "Iterator[reflection_pb2.ServerReflectionRequest]",
        context: grpc.ServicerContext,
    ) -> "Iterator[reflection_pb2.ServerReflectionResponse]":
        """Answer the client's questions; see gRPC's reflection protocol."""
        with (
            self._calls.inside(),
            self._patience.messages(request_iterator) as requests,
            self._patience.reading(context, "of reflection") as reading,
            suppress(IdleError),
        ):
            yield from reading.timed(super().ServerReflectionInfo(requests, context))

    def add_to(self, server: grpc.Server) -> None:
        """Register with a server."""
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(self, server)
