"""A client that does not read: its call ends in words, and one that reads slowly goes on."""

import logging
import threading
import time
from collections.abc import Iterator

import grpc
import pytest
from beat_helpers import FACTS, GAINS, write_beat_artifact
from demucs_track_helpers import gain_info, write_gains
from grpc_helpers import audio_messages, pcm_config, running_server, stem_bytes
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from helpers import gain_separator

from stemline.serving.library import EngineOptions, Library
from stemline.serving.rpc.alarm import Alarm
from stemline.serving.rpc.unread import TimedReading
from stemline.v1 import stemline_pb2 as pb
from stemline.v1 import stemline_pb2_grpc as pb_grpc

Code = grpc.StatusCode
IDLE_S = 0.4
# What a client's transport takes in without being read is small: 64 KB.
UNREAD = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1 << 16)]
ORDER = ("drums", "bass", "other", "vocals")


def wait_for(condition, what: str) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, f"never came: {what}"
        time.sleep(0.005)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    root = tmp_path_factory.mktemp("artifacts")
    write_beat_artifact(root, FACTS)
    write_gains(root, gain_info("tiny", stems=ORDER), [GAINS[name] for name in ORDER])
    library = Library(root, EngineOptions("cpu", 1))
    yield library
    library.close()


def upload(method: str, n_samples: int) -> Iterator[object]:
    """The messages of a call that sends stereo floats, and asks for all there is to be read."""
    separate = pcm_config().config
    if method == "Separate":
        kind, config = pb.SeparateRequest, separate
    elif method == "Beats":
        kind, config = pb.BeatsRequest, pb.BeatsConfig(input=separate.input, activations=True)
    else:
        kind, config = pb.AnalyzeRequest, pb.AnalyzeConfig(separate=separate, activations=True)
    yield kind(config=config)
    for message in audio_messages(bytes(8 * n_samples)):
        yield kind(audio=message.audio)


@pytest.mark.parametrize(
    ("method", "n_samples"), [("Separate", 200_000), ("Analyze", 200_000), ("Beats", 3_000_000)]
)
def test_a_client_that_uploads_and_does_not_read_is_ended_and_told_why(
    library: Library, caplog: pytest.LogCaptureFixture, method: str, n_samples: int
) -> None:
    caplog.set_level(logging.INFO, "stemline.serving.rpc")
    with running_server(library=library, idle_s=IDLE_S) as (address, server):
        with grpc.insecure_channel(address, options=UNREAD) as channel:
            call = getattr(pb_grpc.StemlineServiceStub(channel), method)(upload(method, n_samples))
            wait_for(lambda: server.n_streams == 1, "the call")
            wait_for(lambda: server.n_streams == 0, "the end of the stream")
            with pytest.raises(grpc.RpcError) as raised:
                list(call)
        wait_for(lambda: server._alarm.n_watched == 0, "the end of its watch")
    assert raised.value.code() is Code.DEADLINE_EXCEEDED
    assert "read none of the server's responses for 1.6 s" in raised.value.details()
    assert "while the audio is sent" in raised.value.details()
    lines = [record.getMessage() for record in caplog.records if "read none" in record.getMessage()]
    assert len(lines) == 1
    assert "DEADLINE_EXCEEDED" in lines[0]


def test_a_client_that_reads_slowly_reads_everything() -> None:
    """Its pauses are a quarter of the idle limit; what it read is reported by the megabyte."""
    pause_s, idle_s = 0.2, 0.8
    n_samples = 500_000
    wanted = pb.OutputFormat(wav=pb.WavOutput(bits=32))  # sent once the upload has ended
    messages = [pcm_config(output=wanted), *audio_messages(bytes(8 * n_samples), 1 << 19)]
    got = []
    with running_server(gain_separator(batch_size=8), idle_s=idle_s) as (address, _):
        with grpc.insecure_channel(address) as channel:
            for response in pb_grpc.StemlineServiceStub(channel).Separate(iter(messages)):
                got.append(response)
                if response.WhichOneof("response") == "stem_block":
                    time.sleep(pause_s)
    assert got[-1].summary.n_samples == n_samples
    assert all(len(data) > 8 * n_samples for data in stem_bytes(got).values())


def test_a_reflection_whose_answers_are_not_read_is_ended() -> None:
    asked = reflection_pb2.ServerReflectionRequest(file_containing_symbol="stemline.v1.Beat")
    with (
        running_server(gain_separator(), idle_s=IDLE_S) as (address, server),
        grpc.insecure_channel(address, options=UNREAD) as channel,
    ):
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo(asked for _ in range(1_000))
        wait_for(lambda: server._alarm.n_watched == 1, "the call")
        wait_for(lambda: server._alarm.n_watched == 0, "its end")
        with pytest.raises(grpc.RpcError) as raised:
            list(call)
    assert raised.value.code() is Code.DEADLINE_EXCEEDED


def test_no_time_runs_while_there_is_nothing_to_read() -> None:
    ended = threading.Event()

    def slow_server() -> Iterator[int]:
        yield 1
        time.sleep(0.5)
        yield 2

    alarm, reading = Alarm(), TimedReading(0.1, ended.set)
    with alarm.watching(reading.interval_s, reading.look):
        assert list(reading.timed(slow_server())) == [1, 2]
        assert not ended.is_set()
        unread = reading.timed(iter([3]))
        next(unread)
        assert ended.wait(10)
