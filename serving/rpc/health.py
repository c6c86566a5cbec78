"""gRPC's standard health service, whose watchers cannot hold it up.

The servicer of grpcio-health-checking sends to its watchers while it holds its lock, and takes the
same lock on gRPC's one serving thread when a watcher leaves. A watcher that leaves while another is
sent to stops that thread for good, and with it the server. Besides, one that does not read holds up
every change of the health, the beginning of a drain too, and every name that was ever watched is
kept. So the messages are that package's, and the servicer is ours: nothing is sent under a lock,
nor by a thread that anything else needs.

It is outside the admission of the calls that work: nobody has to be let in to ask whether a server
is well. So it has a bound and threads of its own.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc

from stemline.errors import MissingExtraError

from .alarm import Alarm
from .places import Places
from .ready_threads import ReadyThreads

try:
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
except ImportError as error:
    raise MissingExtraError("grpcio-health-checking", "serve") from error

HEALTH = health.SERVICE_NAME
HEALTH_THREADS = 8
"""What answers the calls."""
MOST_WATCHERS = 256
"""Calls that watch the health at once: they hold memory, not threads."""
SENDING_THREADS = 4
"""What sends to watchers: one that does not read holds one of these for a while."""
UNREAD_S = 5.0
"""Seconds in which a watcher has to take its few bytes. It ends after that."""
_SHOWN_CHARS = 100

_Status = int  # health_pb2.HealthCheckResponse.ServingStatus


@dataclass(eq=False)
class _Watcher:
    """One call of Watch."""

    service: str
    send: Callable[[Any], None]
    """Sends one response, and waits until gRPC has taken it."""
    cancel: Callable[[], object]
    free: Callable[[], None]
    """Frees its place."""
    to_send: list[_Status] = field(default_factory=list)
    """The last status that it has not been sent, if there is one."""
    is_sent_to: bool = False
    """Whether a thread sends to it at the moment."""


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """The standard health service for the services named; none is serving at first."""

    def __init__(self, services: tuple[str, ...], alarm: Alarm) -> None:
        """Raises ListenError where the system has not the few threads that it needs."""
        self._lock = threading.Lock()
        self._status = dict.fromkeys(("", *services), health_pb2.HealthCheckResponse.NOT_SERVING)
        self._is_over = False
        self._alarm = alarm
        self._places = Places(MOST_WATCHERS, "watch the health")
        self._watchers: set[_Watcher] = set()
        self.threads = ReadyThreads(HEALTH_THREADS, "stemline health")
        """For gRPC to run the calls in."""
        self._senders = ReadyThreads(SENDING_THREADS, "stemline watch")

    def serving(self) -> None:
        """From now on all are serving, until `not_serving`."""
        self._set(health_pb2.HealthCheckResponse.SERVING)

    def not_serving(self) -> None:
        """None is serving any more, for good. It waits for no watcher."""
        self._set(health_pb2.HealthCheckResponse.NOT_SERVING)
        with self._lock:
            self._is_over = True

    def close(self) -> None:
        """End its threads; nobody is waited for."""
        self.threads.shutdown()
        self._senders.shutdown()

    def Check(
        self, request: "health_pb2.HealthCheckRequest", context: grpc.ServicerContext
    ) -> "health_pb2.HealthCheckResponse":
        """The health of one service, or of the server where it has no name."""
        with self._lock:
            status = self._status.get(request.service)
        if status is None:
            known = ", ".join(name for name in self._status if name)
            context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"no service {request.service[:_SHOWN_CHARS]!r} on this server; there is {known}, "
                "and the empty name for the whole server",
            )
        return health_pb2.HealthCheckResponse(status=status)

    def Watch(
        self,
        request: "health_pb2.HealthCheckRequest",
        context: grpc.ServicerContext,
        send_response_callback: Callable[[Any], None],
    ) -> None:
        """Every change of a service's health, as long as the client watches.

        A change that comes while the one before it is being sent takes the place of what has not
        been sent yet.
        """
        watcher = _Watcher(
            request.service, send_response_callback, context.cancel, self._places.take()
        )
        unknown = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        with self._lock:
            self._watchers.add(watcher)
            watcher.to_send = [self._status.get(watcher.service, unknown)]
        if not context.add_callback(partial(self._left, watcher)):
            self._left(watcher)
        self._wake(watcher)

    # gRPC then lets it return and go on sending, so that no thread is held. The package's own
    # servicer asks for the same, by the same name.
    Watch.experimental_non_blocking = True  # type: ignore[attr-defined]

    def add_to(self, server: grpc.Server) -> None:
        """Register with a server."""
        health_pb2_grpc.add_HealthServicer_to_server(self, server)

    def _set(self, status: _Status) -> None:
        with self._lock:
            if self._is_over:
                return
            self._status = dict.fromkeys(self._status, status)
            changed = [each for each in self._watchers if each.service in self._status]
            for watcher in changed:
                watcher.to_send = [status]
        for watcher in changed:
            self._wake(watcher)

    def _left(self, watcher: _Watcher) -> None:
        """A watcher's call is over. gRPC's serving thread calls it: it waits for nothing."""
        with self._lock:
            if watcher not in self._watchers:
                return
            self._watchers.remove(watcher)
        watcher.free()

    def _wake(self, watcher: _Watcher) -> None:
        """Have what a watcher was not sent yet sent, by a thread that sends to it alone."""
        with self._lock:
            if watcher.is_sent_to:
                return
            watcher.is_sent_to = True
        self._senders.submit(self._send, watcher)

    def _send(self, watcher: _Watcher) -> None:
        while True:
            with self._lock:
                if not watcher.to_send or watcher not in self._watchers:
                    watcher.is_sent_to = False
                    return
                status = watcher.to_send.pop()
            with self._alarm.after(UNREAD_S, watcher.cancel):
                watcher.send(health_pb2.HealthCheckResponse(status=status))
