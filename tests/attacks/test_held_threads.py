"""The attack: calls that hold threads until none is left, and a system that has no more of them."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_helpers import GainLibrary, running_server, settings
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from helpers import gain_separator

from stemline.errors import ListenError
from stemline.serving.rpc import health as health_service
from stemline.serving.rpc import reflection
from stemline.serving.rpc.ready_threads import ReadyThreads
from stemline.serving.rpc.server import StemlineServer

Code = grpc.StatusCode
SERVING = health_pb2.HealthCheckResponse.SERVING


def test_reflection_cannot_silence_health() -> None:
    """Ninety reflection streams took every thread, and nobody heard whether the server was well."""
    stop = threading.Event()
    asked = reflection_pb2.ServerReflectionRequest(list_services="")

    def holding() -> Iterator[reflection_pb2.ServerReflectionRequest]:
        yield asked
        stop.wait(60)

    with (
        running_server(gain_separator()) as (address, _),
        grpc.insecure_channel(address) as channel,
    ):
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        calls = [stub.ServerReflectionInfo(holding(), timeout=60) for _ in range(120)]
        ends = []
        for call in calls:
            try:
                next(call)
                ends.append(None)
            except grpc.RpcError as error:
                ends.append(error.code())
        assert ends.count(None) == reflection.MOST_REFLECTING
        assert set(ends) == {None, Code.RESOURCE_EXHAUSTED}
        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest(), timeout=5).status == SERVING
        stop.set()


def test_watchers_of_the_health_are_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_service, "MOST_WATCHERS", 3)
    request = health_pb2.HealthCheckRequest()
    with (
        running_server(gain_separator()) as (address, _),
        grpc.insecure_channel(address) as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        watching = [stub.Watch(request, timeout=60) for _ in range(3)]
        assert [next(watch).status for watch in watching] == [SERVING] * 3
        with pytest.raises(grpc.RpcError) as raised:
            next(stub.Watch(request, timeout=60))
        assert raised.value.code() is Code.RESOURCE_EXHAUSTED
        watching[0].cancel()
        for _ in range(1000):  # the server hears of it in a moment
            try:
                assert next(stub.Watch(request, timeout=60)).status == SERVING
                return
            except grpc.RpcError as error:
                assert error.code() is Code.RESOURCE_EXHAUSTED
        raise AssertionError("a watcher that left still has its place")


def test_health_is_answered_while_every_other_thread_is_held() -> None:
    gate = threading.Event()
    with (
        running_server(gain_separator()) as (address, server),
        grpc.insecure_channel(address) as channel,
        ExitStack() as stack,
    ):
        stack.callback(gate.set)
        for _ in range(settings().max_streams + 16):
            server._pool.submit(gate.wait, 60)
        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest(), timeout=5).status == SERVING
        assert next(health.Watch(health_pb2.HealthCheckRequest(), timeout=5)).status == SERVING


def test_too_few_threads_are_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    library = GainLibrary()
    started, start = [], threading.Thread.start

    def limited(thread: threading.Thread) -> None:
        if len(started) == 10:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    with pytest.raises(ListenError, match=r"10 of 80 threads .* --max-streams"):
        StemlineServer(library, settings())
    monkeypatch.undo()
    for thread in started:
        thread.join(5)
        assert not thread.is_alive()


@pytest.mark.parametrize("fails", [False, True])
def test_a_server_that_stopped_or_could_not_listen_leaves_no_threads(fails: bool) -> None:
    before = set(threading.enumerate())
    with running_server(gain_separator()) as (address, _):
        if fails:
            with pytest.raises(ListenError):
                StemlineServer(
                    GainLibrary({}), settings(port=int(address.rpartition(":")[2]))
                ).start()
    ours = [each for each in set(threading.enumerate()) - before if "stemline" in each.name]
    for thread in ours:
        thread.join(10)
    assert not [each.name for each in ours if each.is_alive()]


def test_ready_threads_start_none_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = ReadyThreads(2, "ready")
    monkeypatch.setattr(threading.Thread, "start", refused)
    assert pool.submit(lambda a, b: a + b, 1, b=2).result(5) == 3
    with pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 / 0).result(5)
    assert pool.submit(threading.get_ident).result(5) != threading.get_ident()
    pool.shutdown()
    assert pool.submit(print).cancelled()  # and nothing is raised


DYING = """
import grpc
import grpc._server
from grpc_helpers import GainLibrary, settings
from helpers import gain_separator
from stemline.serving.rpc.server import serve

def dies(state, event):
    raise RuntimeError("can't start new thread")

def ready(address):
    grpc._server._process_event_and_continue = dies
    print(address, flush=True)
    global channel, call
    channel = grpc.insecure_channel(address)
    call = channel.unary_unary("/grpc.health.v1.Health/Check").future(b"")

serve(GainLibrary(), settings(), on_ready=ready)
"""


def test_a_server_whose_grpc_thread_dies_ends_loudly() -> None:
    """It lived on, and answered nobody."""
    ended = subprocess.run(
        [sys.executable, "-c", DYING],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert ended.returncode == 1
    assert "ServingError: the thread that serves all calls has died" in ended.stderr


def test_half_open_calls_of_health_hold_it_up_for_moments_only() -> None:
    """Ninety calls that sent no message kept the few threads of health for two minutes."""
    stop = threading.Event()

    def silent() -> Iterator[bytes]:
        stop.wait(60)
        yield from ()

    with (
        running_server(gain_separator()) as (address, _),
        grpc.insecure_channel(address) as channel,
    ):
        method = channel.stream_unary("/grpc.health.v1.Health/Check")
        calls = [method.future(silent(), timeout=60) for _ in range(90)]
        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest(), timeout=20).status == SERVING
        stop.set()
        for call in calls:
            call.cancel()
