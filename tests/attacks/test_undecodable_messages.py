"""The attack: bytes that are no message. gRPC answered them itself, and then never stopped."""

import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_helpers import pcm_config, running_server, server_process
from grpc_reflection.v1alpha import reflection_pb2
from helpers import gain_separator, music

from stemline.preprocessing.audio import AudioFormat
from stemline.serving.client.client import StemlineClient
from stemline.serving.rpc import guard
from stemline.v1 import stemline_pb2 as pb

Code = grpc.StatusCode

# Method, and a message that it takes.
METHODS = {
    "/stemline.v1.StemlineService/Separate": pcm_config().SerializeToString(),
    "/stemline.v1.StemlineService/Beats": pb.BeatsRequest(
        config=pb.BeatsConfig()
    ).SerializeToString(),
    "/stemline.v1.StemlineService/Analyze": pb.AnalyzeRequest(
        config=pb.AnalyzeConfig()
    ).SerializeToString(),
    "/stemline.v1.StemlineService/ListModels": b"",
    "/grpc.health.v1.Health/Check": b"",
    "/grpc.health.v1.Health/Watch": b"",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": (
        reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    ),
}
# A field that has no end, a field number that is none, a string that is no UTF-8, a group unclosed.
UNDECODABLE = [b"\x0a\xff", b"\x00\x00", b"\x0a\x02\xff\xfe" + b"\x0a\xff", b"\x0b", b"\xff" * 4000]


def raw_call(channel: grpc.Channel, method: str, messages: Iterator[bytes]) -> grpc.RpcError:
    """Send bytes to a method; the error that ends the call."""
    with pytest.raises(grpc.RpcError) as raised:
        for _ in channel.stream_stream(method)(messages, timeout=20):
            pass
    return raised.value


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("data", UNDECODABLE)
def test_it_is_the_clients_fault_and_says_so(method: str, data: bytes) -> None:
    with (
        running_server(gain_separator()) as (address, server),
        grpc.insecure_channel(address) as channel,
    ):
        error = raw_call(channel, method, iter([data]))
        assert error.code() is Code.INVALID_ARGUMENT, error.details()
        assert f"{len(data)} bytes" in error.details() and method in error.details()
        assert server.n_streams == 0


@pytest.mark.parametrize("method", ["Separate", "Beats", "Analyze"])
def test_a_later_message_ends_the_call_too(method: str) -> None:
    path = f"/stemline.v1.StemlineService/{method}"
    with (
        running_server(gain_separator()) as (address, server),
        grpc.insecure_channel(address) as channel,
    ):
        config = pcm_config().SerializeToString()
        messages = iter([config if method == "Separate" else METHODS[path], b"\x0a\xff"])
        assert raw_call(channel, path, messages).code() in (Code.INVALID_ARGUMENT, Code.NOT_FOUND)
        assert server.n_streams == 0


@pytest.mark.parametrize("grace_s", [None, 1.0])
def test_the_server_still_ends_and_leaks_nothing(grace_s: float | None, tmp_path: Path) -> None:
    """It never ended: each such call counted as under way for ever, with or without a grace."""
    with server_process(tmp_path / "log", grace_s=grace_s) as (process, address):
        with grpc.insecure_channel(address) as channel:
            watched = psutil.Process(process.pid)
            for round_ in range(3):
                for method in METHODS:
                    for data in UNDECODABLE:
                        raw_call(channel, method, iter([data]))
                if round_ == 0:
                    n_threads, n_files = watched.num_threads(), watched.num_fds()
            assert watched.num_threads() <= n_threads and watched.num_fds() <= n_files
        with StemlineClient(address) as client:  # and still it works
            samples = music(5000)
            blocks = list(client.separate([samples], AudioFormat(44100, 2, None)))
            assert sum(block.stems["vocals"].shape[1] for block in blocks) == 5000
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    said = (tmp_path / "log").read_text()
    assert "Traceback" not in said and not re.search("[Ee]xception", said)


def test_the_wait_for_a_message_that_never_comes_has_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A method that takes one message waited for it in a thread of the pool, for as long as a
    client liked: some eighty such calls, and nobody was answered."""
    monkeypatch.setattr(guard, "UNARY_WAIT_S", 0.5)
    stop = threading.Event()
    with (
        running_server(gain_separator(), max_streams=1) as (address, _),
        grpc.insecure_channel(address) as channel,
        StemlineClient(address) as client,
    ):

        def silent() -> Iterator[bytes]:
            stop.wait(60)
            yield b""

        method = "/stemline.v1.StemlineService/ListModels"
        calls = [channel.stream_stream(method)(silent(), timeout=60) for _ in range(60)]
        started = time.monotonic()
        for call in calls:
            with pytest.raises(grpc.RpcError) as raised:
                next(call)
            assert raised.value.code() is Code.CANCELLED
        assert time.monotonic() - started < 30  # and not the calls' own 60
        assert client.list_models()
        stop.set()
