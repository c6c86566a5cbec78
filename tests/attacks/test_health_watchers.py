"""The attack: watchers of the health that do not read, leave at any moment, and ask for anything.

The servicer of grpcio-health-checking sent under its lock and took that lock on gRPC's serving
thread when a watcher left: a few hundred watchers that came and went stopped the server for good,
and SIGTERM did not end it.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_helpers import running_server
from helpers import gain_separator

from stemline.serving.rpc import health as health_service
from stemline.serving.rpc.alarm import Alarm
from stemline.serving.rpc.health import Health

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class FakeWatch:
    """A client that watches, and reads while its gate is open."""

    def __init__(self, health: Health, service: str = "", reads: bool = True) -> None:
        self.read: list[int] = []
        self.gate = threading.Event()
        self.waits = threading.Event()
        self.cancelled = threading.Event()
        self._came = threading.Condition()
        self._on_leave: list[Callable[[], None]] = []
        if reads:
            self.gate.set()
        health.Watch(health_pb2.HealthCheckRequest(service=service), self, self._send)  # type: ignore[arg-type]

    def add_callback(self, callback: Callable[[], None]) -> bool:
        self._on_leave.append(callback)
        return True

    def cancel(self) -> None:
        """As gRPC does: whoever sends goes on, and the call is over."""
        self.cancelled.set()
        self.gate.set()
        self.leave()

    def leave(self) -> None:
        for callback in self._on_leave:
            callback()

    def comes(self, status: int) -> bool:
        """Whether a status comes as the last one read."""
        with self._came:
            return self._came.wait_for(lambda: self.read[-1:] == [status], 5)

    def _send(self, response: Any) -> None:
        self.waits.set()
        assert self.gate.wait(30)
        with self._came:
            self.read.append(response.status)
            self._came.notify_all()


@pytest.fixture
def health() -> Any:
    alarm = Alarm()
    health = Health(("one",), alarm)
    yield health
    health.close()
    alarm.close()


def in_time(work: Callable[[], object]) -> bool:
    """Whether it comes back, in a thread that may be lost if it does not."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(5)
    return not thread.is_alive()


def test_a_watcher_that_does_not_read_holds_up_nobody(health: Health) -> None:
    slow, other, leaving = FakeWatch(health, reads=False), FakeWatch(health), FakeWatch(health)
    assert slow.waits.wait(5)
    assert in_time(leaving.leave)  # gRPC's serving thread calls it
    assert in_time(health.serving)
    assert other.comes(SERVING)
    assert in_time(health.not_serving)  # a drain begins with it
    assert other.comes(NOT_SERVING)
    slow.gate.set()
    assert slow.comes(NOT_SERVING)
    assert slow.read == [NOT_SERVING, NOT_SERVING]  # what it had missed between is the past


def test_a_watcher_that_never_reads_is_ended(
    health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_service, "UNREAD_S", 0.05)
    held = [FakeWatch(health, reads=False) for _ in range(2 * health_service.SENDING_THREADS)]
    late = FakeWatch(health)
    assert all(watch.cancelled.wait(5) for watch in held)
    assert late.comes(NOT_SERVING)
    assert not late.cancelled.is_set()


def test_a_watcher_that_left_has_its_place_no_more_and_is_sent_nothing(
    health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = FakeWatch(health)
    assert watch.comes(NOT_SERVING)
    watch.leave()
    watch.leave()  # a second time it frees nothing, which the place would raise for
    health.serving()
    other = FakeWatch(health)
    assert other.comes(SERVING)
    assert watch.read == [NOT_SERVING]

    assert len(health._watchers) == 1


def test_names_that_nobody_serves_are_not_kept(health: Health) -> None:
    for number in range(50):
        watch = FakeWatch(health, f"nobody {number}")
        assert watch.comes(SERVICE_UNKNOWN)
        watch.leave()
    health.serving()
    assert set(health._status) == {"", "one"}
    assert not health._watchers


def test_no_health_after_the_end(health: Health) -> None:
    health.serving()
    health.not_serving()
    health.serving()
    watch = FakeWatch(health, "one")
    assert watch.comes(NOT_SERVING)


def test_hundreds_of_watchers_that_come_and_go() -> None:
    request = health_pb2.HealthCheckRequest()

    def watched(number: int) -> int:
        watch = stub.Watch(request, timeout=30)
        status = next(watch).status if number % 3 else SERVING
        watch.cancel()
        return int(status)

    with (
        running_server(gain_separator()) as (address, server),
        grpc.insecure_channel(address) as channel,
        ThreadPoolExecutor(16) as pool,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        assert set(pool.map(watched, range(1500))) == {SERVING}
        assert stub.Check(request, timeout=5).status == SERVING
        left = stub.Watch(request, timeout=30)
        assert next(left).status == SERVING
        assert server.drain(0)  # it ends, and says so to whoever watches
        assert next(left).status == NOT_SERVING


def test_an_unknown_service_is_not_found_in_few_words() -> None:
    with (
        running_server(gain_separator()) as (address, _),
        grpc.insecure_channel(address) as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        with pytest.raises(grpc.RpcError) as raised:
            stub.Check(health_pb2.HealthCheckRequest(service="x" * 100_000), timeout=5)
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND
        assert "there is stemline.v1.StemlineService" in str(raised.value.details())
        assert len(str(raised.value.details())) < 500
