"""Many calls at once, too many, too long, and calls that go away."""

import io
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile
from grpc_helpers import (
    audio_messages,
    call_separate,
    pcm_config,
    reasons,
    retry_s,
    running_server,
    stem_bytes,
)
from helpers import GainEngine, gain_separator, music, tiny_info

from stemline.errors import EngineMemoryError
from stemline.serving.rpc.server import SERVICE
from stemline.serving.separator import Separator
from stemline.v1 import stemline_pb2 as pb
from stemline.v1 import stemline_pb2_grpc as pb_grpc

Code = grpc.StatusCode


def request(n_samples: int, seed: int = 0) -> list[pb.SeparateRequest]:
    return [pcm_config(), *audio_messages(music(n_samples, seed=seed).T.tobytes())]


def flac(n_samples: int) -> list[pb.SeparateRequest]:
    file = io.BytesIO()
    soundfile.write(file, music(n_samples).T, 44100, format="FLAC")
    return [pb.SeparateRequest(config=pb.SeparateConfig()), *audio_messages(file.getvalue())]


def wait_for(condition, what: str) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, f"never came: {what}"
        time.sleep(0.005)


def n_spools() -> int:
    """Temporary files that this process holds open; they have no name, so nobody else could."""
    n_found = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            n_found += link.readlink().is_relative_to(tempfile.gettempdir())
    return n_found


def n_feeding() -> int:
    return sum(thread.name == "stemline feed" for thread in threading.enumerate())


def n_receiving() -> int:
    return sum(thread.name == "stemline receive" for thread in threading.enumerate())


def test_ten_clients_at_once_are_all_right():
    lengths = [24_000] * 3 + [4_000] * 7
    wanted = [
        gain_separator().separate(music(length, seed=seed), 44100)["vocals"]
        for seed, length in enumerate(lengths)
    ]

    with running_server(gain_separator(delay_s=0.01)) as (address, _):

        def client(seed: int) -> None:
            got = stem_bytes(call_separate(address, request(lengths[seed], seed)))
            vocals = np.frombuffer(got["vocals"], "<f4").reshape(-1, 2).T
            np.testing.assert_array_equal(vocals, wanted[seed])

        with ThreadPoolExecutor(10) as pool:
            list(pool.map(client, range(10)))


class OrderEngine(GainEngine):
    """Records, as each run begins, which of its chunks have sound."""

    def __init__(self, info, gate):
        super().__init__(info, gate=gate)
        self.order: list[list[bool]] = []

    def run(self, inputs):
        self.order.append([bool(np.any(row)) for row in inputs["mixture"]])
        return super().run(inputs)


def test_a_short_call_takes_turns_with_the_chunks_that_a_long_one_queued_before_it():
    gate = threading.Event()
    info = tiny_info()
    engine = OrderEngine(info, gate)
    separator = Separator(engine, info, batch_size=4)
    silence = [pcm_config(), *audio_messages(bytes(8 * 4_000))]
    with running_server(separator) as (address, _), ThreadPoolExecutor(2) as pool:
        long = pool.submit(call_separate, address, request(60_000))
        wait_for(lambda: engine.order, "the first run")
        # 2 · 4 + 1 chunks of a call are under way; the first run took some of them.
        n_queued = 9 - len(engine.order[0])
        wait_for(lambda: separator.n_queued == n_queued, "the long call's chunks")
        short = pool.submit(call_separate, address, silence)
        # 4 000 samples in steps of 31 · 128 // 4: 5 chunks.
        wait_for(lambda: separator.n_queued == n_queued + 5, "the short call's chunks")
        gate.set()
        assert short.result()[-1].summary.chunks == 5
        assert long.result()[-1].summary.n_samples == 60_000
    ran = [is_long for run in engine.order[1:] for is_long in run]
    # First come, first served would run the long call's n_queued >= 5 chunks before.
    assert ran[:10] == [True, False] * 5


def test_a_call_that_sends_nothing_more_ends_and_leaves_nothing_behind():
    going_on = threading.Event()

    def stuck(messages):
        yield from messages
        going_on.wait(20)

    with running_server(gain_separator(), idle_s=0.3) as (address, server):
        before = n_feeding(), n_receiving(), n_spools()
        for messages in ([], [pcm_config()], request(30_000), flac(30_000)):
            with pytest.raises(grpc.RpcError) as raised:
                call_separate(address, stuck(messages))
            assert raised.value.code() is Code.DEADLINE_EXCEEDED
            assert "nothing for 0.3 s" in raised.value.details()
            assert reasons(raised.value) == [("stemline", "IdleError")]
            wait_for(lambda: server.n_streams == 0, "the end of the stream")
            wait_for(
                lambda: (n_feeding(), n_receiving(), n_spools()) == before,
                "the end of its threads and file",
            )
        going_on.set()


def test_waiting_for_the_server_is_no_idleness():
    gate = threading.Event()
    with running_server(gain_separator(gate=gate), idle_s=0.2) as (address, _):
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(call_separate, address, request(100_000))
            time.sleep(0.6)  # three times what a client has
            assert not call.done()
            gate.set()
            assert call.result()[-1].summary.n_samples == 100_000


def test_a_call_that_fails_does_not_wait_for_the_clients_next_message():
    class FullEngine(GainEngine):
        def run(self, inputs):
            raise EngineMemoryError("no memory")

    def stuck():
        yield from request(30_000)
        going_on.wait(20)

    going_on = threading.Event()
    info = tiny_info()
    separator = Separator(FullEngine(info), info, batch_size=1)
    # Below the seconds that a separation waits for its feeding thread.
    with running_server(separator) as (address, _), ThreadPoolExecutor(1) as pool:
        call = pool.submit(call_separate, address, stuck())
        error = call.exception(timeout=4)
        going_on.set()
    assert error.code() is Code.RESOURCE_EXHAUSTED


def test_more_calls_than_may_wait_are_refused_and_end_no_other():
    done = threading.Event()
    with (
        running_server(gain_separator(), max_streams=1) as (address, _),
        grpc.insecure_channel(address) as channel,
    ):
        listing = channel.stream_stream(f"/{SERVICE}/ListModels")
        # None of them sends its message, so each keeps a thread for some seconds, or waits for one.
        calls: list[Any] = [listing(iter(done.wait, True)) for _ in range(300)]
        wait_for(lambda: any(call.done() for call in calls), "a refusal")
        refused = [call for call in calls if call.done()]
        assert {call.code() for call in refused} == {Code.RESOURCE_EXHAUSTED}
        assert len(refused) <= 300 - 256
        for call in calls:
            call.cancel()
        wait_for(lambda: serves(address), "a place for another call")
        done.set()


def serves(address: str) -> bool:
    with suppress(grpc.RpcError):
        return call_separate(address, request(4_000))[-1].summary.n_samples == 4_000
    return False


def test_one_stream_too_many_is_told_when_to_try_again_and_the_others_finish():
    gate = threading.Event()
    with (
        running_server(gain_separator(gate=gate), max_streams=2) as (address, server),
        ThreadPoolExecutor(2) as pool,
    ):
        running = [pool.submit(call_separate, address, request(5_000)) for _ in range(2)]
        wait_for(lambda: server.n_streams == 2, "two streams")
        for _ in range(40):  # more than the spare threads: no refusal may keep one
            with pytest.raises(grpc.RpcError) as raised:
                call_separate(address, request(100))
            assert raised.value.code() is Code.RESOURCE_EXHAUSTED
        assert retry_s(raised.value) == [5]
        gate.set()
        for call in running:
            assert call.result()[-1].summary.n_samples == 5_000
        assert call_separate(address, request(100))[-1].summary.n_samples == 100


@pytest.mark.parametrize(
    ("limits", "messages", "says"),
    [
        ({"max_upload_mb": 0.1}, request(20_000), "0.1 MB"),
        ({"max_upload_mb": 0.05}, flac(60_000), "0.05 MB"),
        ({"max_audio_s": 0.5}, request(30_000), "0.5 s"),
        ({"max_audio_s": 0.5}, flac(30_000), "0.5 s"),
    ],
)
def test_over_the_limit_is_refused_and_below_it_is_not(limits, messages, says):
    with running_server(gain_separator(), **limits) as (address, _):
        with pytest.raises(grpc.RpcError) as raised:
            call_separate(address, messages)
        assert raised.value.code() is Code.RESOURCE_EXHAUSTED
        assert says in raised.value.details()
        assert retry_s(raised.value)
        assert call_separate(address, request(4_000))[-1].summary.n_samples == 4_000


def test_a_message_over_the_cap_is_refused():
    with running_server(gain_separator(), max_message_mb=1) as (address, _):
        messages = [pcm_config(), pb.SeparateRequest(audio=bytes(1_100_000))]
        with pytest.raises(grpc.RpcError) as raised:
            call_separate(address, messages)
    assert raised.value.code() is Code.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("messages", [request(100_000), flac(100_000)], ids=["pcm", "flac"])
@pytest.mark.parametrize("ending", ["cancelled", "expired", "disconnected"])
def test_a_call_that_goes_away_leaves_no_work_behind(ending, messages):
    gate = threading.Event()
    separator = gain_separator(gate=gate)
    with running_server(separator) as (address, server):
        before = n_feeding(), n_spools()
        channel = grpc.insecure_channel(address)
        stub = pb_grpc.StemlineServiceStub(channel)
        timeout_s = 0.5 if ending == "expired" else None
        call = stub.Separate(iter(messages), timeout=timeout_s)
        assert next(call).WhichOneof("response") == "accepted"
        wait_for(lambda: separator.n_queued > 0, "queued chunks")
        if ending == "cancelled":
            call.cancel()
        elif ending == "disconnected":
            channel.close()
        # The engine still holds its run: what was queued is dropped without it.
        wait_for(lambda: separator.n_queued == 0, "an empty queue")
        wait_for(lambda: server.n_streams == 0, "the end of the stream")
        wait_for(lambda: (n_feeding(), n_spools()) == before, "the end of its thread and file")
        gate.set()
        assert call_separate(address, request(4_000))[-1].summary.n_samples == 4_000
        channel.close()


def test_a_client_that_goes_away_while_uploading_a_file_leaves_nothing_behind():
    with running_server(gain_separator()) as (address, server):
        going_on = threading.Event()
        before = n_spools()

        def messages():
            yield from flac(60_000)[:2]
            going_on.wait(20)

        with grpc.insecure_channel(address) as channel:
            call = pb_grpc.StemlineServiceStub(channel).Separate(messages())
            wait_for(lambda: n_spools() == before + 1, "the temporary file")
            call.cancel()
            wait_for(lambda: n_spools() == before, "its end")
            wait_for(lambda: server.n_streams == 0, "the end of the stream")
            going_on.set()
