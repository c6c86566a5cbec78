"""The gRPC server around the service: address, TLS, token, health, and how it starts and stops."""

import logging
import math
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import grpc

from stemline.errors import ListenError, MissingExtraError, ServingError, UntrainedError
from stemline.v1 import stemline_pb2, stemline_pb2_grpc

from ..artifact_folders import artifact_folders, listed
from ..library import Library, nothing_exported
from ..machine_memory import usable_memory_bytes
from .access import TokenCheck, address_of, check_free, read_token, tls_credentials
from .admission import WAIT_S, Admission
from .alarm import Alarm
from .budget import beats_budget, disk_budget, memory_budget
from .guard import Guard
from .health import HEALTH, Health
from .patience import Patience
from .ready_threads import ReadyThreads
from .reflection import MOST_REFLECTING, Reflection
from .service import StemlineServicer
from .settings import ServerSettings, check_settings
from .uploads import UploadLimits

_log = logging.getLogger(__name__)

SERVICE = stemline_pb2.DESCRIPTOR.services_by_name["StemlineService"].full_name

# Threads beside those of the streams: reflection, the list, and refusing calls.
_SPARE_THREADS = 16
# Calls beyond the streams, with a spare thread or waiting for one, which is soon free: a refusal
# takes no time. What comes above is refused by gRPC itself, as RESOURCE_EXHAUSTED.
_SPARE_CALLS = 256
# Seconds: a call that is over may still have its last messages to send.
_FLUSH_S = 5.0
# Seconds that gRPC has to stop in, once it was told to; it takes a few milliseconds.
_STOP_S = 5.0
# Seconds after which a drain without a limit gives up on calls of which none has had a message. One
# that sends, reads or waits for its turn has some every minute; an hour's beats take less.
STILL_S = 900.0
_KEEPALIVE_MS = 60_000
# A terminal that closes says so with SIGHUP, which would end the process with all its calls.
_HANG_UP = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()


class StemlineServer:
    """One server: `start` it, then `drain` it."""

    def __init__(self, library: Library, settings: ServerSettings) -> None:
        """Nothing listens yet; its threads are there.

        Raises SettingsError when the settings do not fit together, ListenError where the system has
        not so many threads.
        """
        check_settings(settings)
        token = None if settings.token_file is None else read_token(settings.token_file)
        self._library = library
        self._settings = settings
        self._admission = Admission(settings.max_streams)
        self._beats_audio = beats_budget(settings.max_beats_total_s)
        self._memory = memory_budget(_most_memory_bytes(settings))
        self._disk = disk_budget(_most_disk_bytes(settings))
        self._pool = ReadyThreads(settings.max_streams + _SPARE_THREADS, "stemline call")
        # Beside every call that streams, one that waits for its messages.
        self._receivers = ReadyThreads(
            settings.max_streams + MOST_REFLECTING + _SPARE_THREADS, "stemline receive"
        )
        self._alarm = Alarm()
        self._health = Health((SERVICE,), self._alarm)
        self._server = self._built(token)
        self._grpc_threads: set[threading.Thread] = set()
        self._stopped = threading.Event()

    @property
    def n_streams(self) -> int:
        """Streaming calls under way."""
        return self._admission.n_inside

    @property
    def held_audio_s(self) -> float:
        """Seconds of audio for which calls that find beats hold memory."""
        return self._beats_audio.held

    @property
    def held_memory_bytes(self) -> float:
        """What calls under way may hold in memory."""
        return self._memory.held

    @property
    def held_disk_bytes(self) -> float:
        """What the temporary files of calls under way may hold."""
        return self._disk.held

    def start(self) -> int:
        """Listen, load the models, take calls; returns the port.

        Raises ListenError, and whatever opening a model raises.
        """
        try:
            port = self.listen()
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
        before = set(threading.enumerate())
        self._server.start()
        self._grpc_threads = set(threading.enumerate()) - before
        return port

    def check(self) -> None:
        """Raise ServingError where gRPC's own thread has died: nobody would be answered again."""
        if not self._stopped.is_set() and not all(each.is_alive() for each in self._grpc_threads):
            raise ServingError(
                "the thread that serves all calls has died, its traceback is above; start the "
                "server anew"
            )

    def load_models(self, go_on: Callable[[], bool] = lambda: True) -> None:
        """Open the models of the settings, or every one that may run, as long as `go_on()` is true.

        Raises UnknownModelError when there is none, UntrainedError when there are only untrained
        ones, and whatever opening a model raises.
        """
        for name in self._settings.models or self._usable_models():
            if not go_on():
                return
            try:
                self._load(name)
            except MissingExtraError as error:
                if self._settings.models:
                    raise
                _log.warning("%s cannot be run: %s", name, error)

    def _load(self, name: str) -> None:
        """Open one model, and say so."""
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
        self._health.serving()

    def drain(
        self, grace_s: float | None = None, on_wait: Callable[[], None] = lambda: None
    ) -> bool:
        """Refuse new calls, let the accepted ones finish, stop; whether all of them finished.

        They have `grace_s` seconds, or those of the settings when None, which may be no limit: then
        the drain ends when no call has had a message for `STILL_S`. Health checks and refusals are
        answered until the end. `on_wait` is called several times a second while calls go on.
        """
        self._admission.drain()
        self._health.not_serving()
        grace_s = self._settings.grace_s if grace_s is None else grace_s
        finished = self._admission.wait_until_empty(
            grace_s, STILL_S if grace_s is None else math.inf, on_wait
        )
        finished = finished and not self._stopped.is_set()
        if not finished:
            _log.warning("stopping before every call has finished")
        self.stop(_FLUSH_S if finished else 0)
        return finished

    def stop(self, flush_s: float = 0) -> None:
        """Cancel what is still under way after `flush_s` seconds, and stop listening.

        It takes at most some seconds more than that, whatever the calls do.
        """
        self._stopped.set()
        self._admission.drain()
        try:
            stopped = self._server.stop(flush_s).wait(flush_s + _STOP_S)
        except RuntimeError:  # it needs a thread of its own, and the system has none
            stopped = False
        if not stopped:
            _log.error("gRPC did not stop in time; what it still held ends with the process")
        self._admission.wait_until_empty(_FLUSH_S)
        self._admission.abandon()  # a drain that waits for a call that cannot be cancelled
        self._pool.shutdown()
        self._health.close()
        self._receivers.shutdown()
        self._alarm.close()

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

    def _built(self, token: str | None) -> grpc.Server:
        settings = self._settings
        guard = Guard(self._alarm, {HEALTH: self._health.threads}, answers_itself=SERVICE)
        server = grpc.server(
            self._pool,
            interceptors=[guard, *([] if token is None else [TokenCheck(token)])],
            options=[
                ("grpc.so_reuseport", 0),  # a taken port is an error
                ("grpc.max_receive_message_length", round(settings.max_message_mb * 1e6)),
                # A client that vanished without a word is noticed, and its work freed.
                ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
                ("grpc.keepalive_timeout_ms", _KEEPALIVE_MS // 3),
            ],
            maximum_concurrent_rpcs=settings.max_streams + _SPARE_CALLS,
        )
        patience = Patience(
            self._alarm,
            self._receivers.submit,
            settings.idle_s,
            settings.unread_s,
            settings.min_bytes_s,
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
            patience,
            self._memory,
            self._disk,
            preferred=settings.models,
        )
        stemline_pb2_grpc.add_StemlineServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
        self._health.add_to(server)
        if settings.reflection:
            Reflection((SERVICE,), patience).add_to(server)
        return server


def _most_memory_bytes(settings: ServerSettings) -> float:
    """What calls may hold in memory: as it was set, else half of what this process may have."""
    if settings.max_memory_mb is not None:
        return settings.max_memory_mb * 1e6
    return usable_memory_bytes() / 2


def _most_disk_bytes(settings: ServerSettings) -> float:
    """What temporary files may hold: as it was set, else half of what is free at the start."""
    if settings.max_disk_mb is not None:
        return settings.max_disk_mb * 1e6
    return shutil.disk_usage(tempfile.gettempdir()).free / 2


def serve(
    library: Library,
    settings: ServerSettings,
    on_ready: Callable[[str], None] = lambda address: None,
    while_ending: Callable[[], None] = lambda: None,
) -> bool:
    """Serve until SIGTERM, SIGINT or SIGHUP, then drain; a second signal stops at once.

    Call it from the main thread. `on_ready` is called with the address once calls are taken,
    `while_ending` from the first signal on, several times a second while calls go on and once
    before the server stops. The library stays open. Returns whether every accepted call finished.
    Raises as `StemlineServer.start` and `StemlineServer.check` do.
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
                server.check()
            _log.info("draining: %d calls are under way", server.n_streams)
            while_ending()
            signals.on_second = server.stop
            if signals.n_received > 1:
                server.stop()
            return server.drain(on_wait=while_ending)
        except BaseException:
            server.stop()
            raise


class _Signals:
    """Counts SIGTERM, SIGINT and SIGHUP while serving; every one after the first calls `on_second`.

    Python runs handlers in the main thread between two of its steps, and a signal that another
    thread received does not wake the main thread. So the main thread waits in short steps, and the
    handler takes no lock.
    """

    def __init__(self) -> None:
        self.n_received = 0
        self.on_second: Callable[[], None] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "_Signals":
        for number in (signal.SIGTERM, signal.SIGINT, *_HANG_UP):
            if number in _HANG_UP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # started with nohup, to outlive its terminal
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
