"""gRPC's own services, health and reflection, with bounds on what their calls may hold.

They are outside the admission of the calls that work: nobody has to be let in to ask whether a
server is well. So each has a bound of its own, and health has threads that nothing else takes.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import grpc

from stemline.errors import IdleError, LimitError, MissingExtraError

from .patience import Patience

try:
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
except ImportError as error:
    raise MissingExtraError("grpcio-health-checking", "serve") from error
try:
    from grpc_reflection.v1alpha import (  # type: ignore[import-untyped]
        reflection,
        reflection_pb2,
        reflection_pb2_grpc,
    )
except ImportError as error:
    raise MissingExtraError("grpcio-reflection", "serve") from error

HEALTH = health.SERVICE_NAME
HEALTH_THREADS = 4
MOST_WATCHERS = 256
"""Calls that watch the health at once: they hold memory, not threads."""
MOST_REFLECTING = 4
"""Calls that reflect at once: each holds two threads."""


class _Places:
    """So many at once, and no more."""

    def __init__(self, most: int, what: str) -> None:
        self._places = threading.BoundedSemaphore(most)
        self._refusal = f"{most} calls {what} at once and all are taken; try again later"

    def take(self) -> Callable[[], None]:
        """Take a place; what is returned frees it. Raises LimitError where there is none."""
        if not self._places.acquire(blocking=False):
            raise LimitError(self._refusal)
        return self._places.release

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Take a place for the `with`. Raises LimitError where there is none."""
        free = self.take()
        try:
            yield
        finally:
            free()


class Health(health.HealthServicer):  # type: ignore[misc]
    """The standard health service for the services named; none is serving at first."""

    def __init__(self, services: tuple[str, ...]) -> None:
        super().__init__()
        self._services = ("", *services)
        self._watchers = _Places(MOST_WATCHERS, "watch the health")
        self._set(health_pb2.HealthCheckResponse.NOT_SERVING)

    def serving(self) -> None:
        """From now on all are serving, until `enter_graceful_shutdown`."""
        self._set(health_pb2.HealthCheckResponse.SERVING)

    def Watch(
        self,
        request: "health_pb2.HealthCheckRequest",
        context: grpc.ServicerContext,
        send_response_callback: Any = None,
    ) -> Any:
        """Every change of a service's health, as long as the client watches."""
        leave = self._watchers.take()
        if not context.add_callback(leave):
            leave()
            return None
        return super().Watch(request, context, send_response_callback)

    def add_to(self, server: grpc.Server) -> None:
        """Register with a server."""
        health_pb2_grpc.add_HealthServicer_to_server(self, server)

    def _set(self, status: "health_pb2.HealthCheckResponse.ServingStatus") -> None:
        for service in self._services:
            self.set(service, status)


class Reflection(reflection.ReflectionServicer):  # type: ignore[misc]
    """gRPC reflection; a call that sends nothing, or does not read, ends as any other."""

    def __init__(self, services: tuple[str, ...], patience: Patience) -> None:
        super().__init__((*services, HEALTH, reflection.SERVICE_NAME))
        self._patience = patience
        self._calls = _Places(MOST_REFLECTING, "use reflection")

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
