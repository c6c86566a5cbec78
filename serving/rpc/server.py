"""The gRPC server around the service: address, TLS, token, health, and how it starts and stops."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import FrameType
from typing import Any

import grpc

from stemline.errors import IdleError, ListenError, MissingExtraError, UntrainedError
from stemline.v1 import stemline_pb2, stemline_pb2_grpc

from ..artifact_folders import artifact_folders, listed
from ..library import Library, nothing_exported
from .access import TokenCheck, address_of, check_free, read_token, tls_credentials
from .admission import WAIT_S, Admission, HeldAudio
from .idle import TimedMessages
from .service import StemlineServicer
from .settings import ServerSettings, check_settings
from .unread import timed_reading
from .uploads import UploadLimits

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

_log = logging.getLogger(__name__)

SERVICE = stemline_pb2.DESCRIPTOR.services_by_name["StemlineService"].full_name
_SERVICES = ("", SERVICE)
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

# Threads beside those of the streams: health, reflection, the list, and refusing calls.
_SPARE_THREADS = 16
# Calls beyond the streams, with a spare thread or waiting for one, which is soon free: a refusal
# takes no time. What comes above is refused by gRPC itself, as RESOURCE_EXHAUSTED.
_SPARE_CALLS = 256
# Seconds: a call that is over may still have its last messages to send.
_FLUSH_S = 5.0
_KEEPALIVE_MS = 60_000


class StemlineServer:
    """One server: `start` it, then `drain` it."""

    def __init__(self, library: Library, settings: ServerSettings) -> None:
        """Nothing listens yet. Raises SettingsError when the settings do not fit together."""
        check_settings(settings)
        self._library = library
        self._settings = settings
        self._admission = Admission(settings.max_streams)
        self._beats_audio = HeldAudio(settings.max_beats_total_s)
        self._pool = ThreadPoolExecutor(
            settings.max_streams + _SPARE_THREADS, thread_name_prefix="stemline call"
        )
        self._health = health.HealthServicer()
        self._set_health(_NOT_SERVING)
        self._server = self._built()
        self._stopped = threading.Event()

    @property
    def n_streams(self) -> int:
        """Streaming calls under way."""
        return self._admission.n_inside

    @property
    def held_audio_s(self) -> float:
        """Seconds of audio for which calls that find beats hold memory."""
        return self._beats_audio.held_s

    def start(self) -> int:
        """Listen, load the models, take calls; returns the port.

        Raises ListenError, and whatever opening a model raises.
        """
        port = self.listen()
        try:
            self.load_models()
        except BaseException:
            self.stop()
            raise
        self.open()
        return port

    def listen(self) -> int:
        """Answer on the address, but refuse calls until `open`; returns the port."""
        host, port = self._settings.host, self._settings.port
        address = address_of(host, port)
        check_free(host, port, address)
        credentials = tls_credentials(self._settings)
        try:
            if credentials is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise ListenError(f"cannot listen on {address}: {error}") from error
        self._server.start()
        return port

    def load_models(self, go_on: Callable[[], bool] = lambda: True) -> None:
        """Open the models of the settings, or every one that may run, as long as `go_on()` is true.

        Raises UnknownModelError when there is none, UntrainedError when there are only untrained
        ones, and whatever opening a model raises.
        """
        for name in self._settings.models or self._usable_models():
            if not go_on():
                return
            model = self._library.named(name)
            if model.task == "beats":
                spec = self._library.beat_tracker(model).engine.spec
            else:
                separator = self._library.separator_of(model)
                separator.load()
                spec = separator.engine_spec
            if not model.info.trained:
                _log.warning("%s has random weights: what it gives means nothing", model.name)
            _log.info("%s is loaded, on %s", model.name, spec.provider)

    def open(self) -> None:
        """Take calls, and say so to health checks."""
        self._admission.open()
        self._set_health(_SERVING)

    def drain(self, grace_s: float | None = None) -> bool:
        """Refuse new calls, let the accepted ones finish, stop; whether all of them finished.

        They have `grace_s` seconds, or those of the settings when None, which may be no limit;
        health checks and refusals are answered until the end.
        """
        self._admission.drain()
        self._health.enter_graceful_shutdown()
        grace_s = self._settings.grace_s if grace_s is None else grace_s
        finished = self._admission.wait_until_empty(grace_s) and not self._stopped.is_set()
        if not finished:
            _log.warning("stopping before every call has finished")
        self.stop(_FLUSH_S if finished else 0)
        return finished

    def stop(self, flush_s: float = 0) -> None:
        """Cancel what is still under way after `flush_s` seconds, and stop listening."""
        self._stopped.set()
        self._admission.drain()
        self._server.stop(flush_s).wait()
        self._admission.wait_until_empty(_FLUSH_S)
        self._pool.shutdown(wait=False)

    def _usable_models(self) -> list[str]:
        """The names of the models that may run; the others are logged. Raises if there is none."""
        models = self._library.models()
        if not models:
            raise nothing_exported(f"in {listed(artifact_folders(self._settings.artifacts))}")
        usable = [model for model in models if self._library.may_run(model)]
        for model in models:
            if model not in usable:
                _log.warning("%s has random weights and is not served", model.name)
        if not usable:
            raise UntrainedError(
                "every artifact has random weights, not trained ones; export with "
                "--weights official or --weights PATH, or pass --allow-untrained"
            )
        return [model.name for model in usable]

    def _built(self) -> grpc.Server:
        settings = self._settings
        token = None if settings.token_file is None else read_token(settings.token_file)
        server = grpc.server(
            self._pool,
            interceptors=[] if token is None else [TokenCheck(token)],
            options=[
                ("grpc.so_reuseport", 0),  # a taken port is an error
                ("grpc.max_receive_message_length", round(settings.max_message_mb * 1e6)),
                # A client that vanished without a word is noticed, and its work freed.
                ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
                ("grpc.keepalive_timeout_ms", _KEEPALIVE_MS // 3),
            ],
            maximum_concurrent_rpcs=settings.max_streams + _SPARE_CALLS,
        )
        servicer = StemlineServicer(
            self._library,
            self._admission,
            UploadLimits(
                settings.max_upload_bytes,
                settings.max_audio_s,
                settings.max_beats_s,
                self._beats_audio,
            ),
            preferred=settings.models,
            idle_s=settings.idle_s,
        )
        stemline_pb2_grpc.add_StemlineServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if settings.reflection:
            names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflecting = _Reflection(names, settings.idle_s)
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflecting, server)
        return server

    def _set_health(self, status: "health_pb2.HealthCheckResponse.ServingStatus") -> None:
        for service in _SERVICES:
            self._health.set(service, status)


class _Reflection(reflection.ReflectionServicer):  # type: ignore[misc]
    """gRPC reflection; a call that sends nothing for `idle_s`, or does not read, ends."""

    def __init__(self, names: tuple[str, ...], idle_s: float) -> None:
        super().__init__(names)
        self._idle_s = idle_s

    def ServerReflectionInfo(
        self,
        request_iterator: "Iterator[reflection_pb2.ServerReflectionRequest]",
        context: grpc.ServicerContext,
    ) -> "Iterator[reflection_pb2.ServerReflectionResponse]":
        """Answer the client's questions; see gRPC's reflection protocol."""
        with (
            TimedMessages(request_iterator, self._idle_s) as requests,
            timed_reading(context, "of reflection", self._idle_s) as reading,
            suppress(IdleError),
        ):
            yield from reading.timed(super().ServerReflectionInfo(requests, context))


def serve(
    library: Library,
    settings: ServerSettings,
    on_ready: Callable[[str], None] = lambda address: None,
) -> bool:
    """Serve until SIGTERM or SIGINT, then drain; a second signal stops at once.

    Call it from the main thread. `on_ready` is called with the address once calls are taken. The
    library stays open. Returns whether every accepted call finished. Raises as
    `StemlineServer.start` does.
    """
    signals = _Signals()
    server = StemlineServer(library, settings)
    with signals:
        port = server.listen()
        try:
            server.load_models(go_on=lambda: signals.n_received == 0)
            if signals.n_received == 0:
                server.open()
                on_ready(address_of(settings.host, port))
            while signals.n_received == 0:
                time.sleep(WAIT_S)
            _log.info("draining: %d calls are under way", server.n_streams)
            signals.on_second = server.stop
            if signals.n_received > 1:
                server.stop()
            return server.drain()
        except BaseException:
            server.stop()
            raise


class _Signals:
    """Counts SIGTERM and SIGINT while serving; every one after the first calls `on_second`.

    Python runs handlers in the main thread between two of its steps, and a signal that another
    thread received does not wake the main thread. So the main thread waits in short steps, and the
    handler takes no lock.
    """

    def __init__(self) -> None:
        self.n_received = 0
        self.on_second: Callable[[], None] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "_Signals":
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _received(self, number: int, frame: FrameType | None) -> None:
        self.n_received += 1
        if self.n_received > 1 and self.on_second is not None:
            # Not here: the main thread may hold the very lock that stopping needs.
            threading.Thread(target=self.on_second, daemon=True).start()
