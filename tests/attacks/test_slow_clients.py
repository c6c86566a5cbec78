"""The attack: a client just quick enough never to be too slow, which holds its place for ever."""

import threading
import time
from collections.abc import Iterator

import grpc
import pytest
from grpc_helpers import audio_messages, call_separate, pcm_config, running_server
from helpers import gain_separator, music

from stemline.errors import IdleError
from stemline.serving.rpc.idle import TimedMessages
from stemline.serving.rpc.settings import ServerSettings
from stemline.v1 import stemline_pb2 as pb

Code = grpc.StatusCode


def dripping(data: bytes, every_s: float) -> Iterator[pb.SeparateRequest]:
    yield pcm_config()
    while True:
        time.sleep(every_s)
        yield pb.SeparateRequest(audio=data)


@pytest.mark.parametrize("data", [b"", b"\0" * 8])
def test_messages_without_audio_do_not_keep_a_call_open(data: bytes) -> None:
    """Each reset the clock: an empty message every idle limit less a little was enough."""
    started = time.monotonic()
    with running_server(gain_separator(), idle_s=0.6) as (address, server):
        with pytest.raises(grpc.RpcError) as raised:
            call_separate(address, dripping(data, 0.1))
        assert raised.value.code() is Code.DEADLINE_EXCEEDED
        assert "less than 2000 bytes a second" in raised.value.details()
        assert server.n_streams == 0
    assert time.monotonic() - started < 10


def test_a_client_in_real_time_is_quick_enough() -> None:
    """8 kHz in 16 bits, as it is played: eight times the least."""
    n_bytes = 2 * 8000 * 2
    config = pcm_config(sample_rate_hz=8000, channels=1, encoding=pb.PCM_ENCODING_S16LE)

    def played() -> Iterator[pb.SeparateRequest]:
        yield config
        for message in audio_messages(bytes(n_bytes), 800):
            time.sleep(0.05)
            yield message

    with running_server(gain_separator(), idle_s=0.5) as (address, _):
        assert call_separate(address, played())[-1].summary.n_samples == 16_000


def test_the_least_may_be_none() -> None:
    """A server for clients that pause as they like; the idle limit alone holds."""
    assert ServerSettings().min_bytes_s == 2000
    samples = music(2000)

    def pausing() -> Iterator[pb.SeparateRequest]:
        yield pcm_config()
        for message in audio_messages(samples.T.tobytes(), 1600):
            time.sleep(0.15)
            yield message

    with running_server(gain_separator(), idle_s=0.4, min_bytes_s=0) as (address, _):
        assert call_separate(address, pausing())[-1].summary.n_samples == 2000


def test_what_a_client_sent_at_once_is_no_credit_for_later() -> None:
    """A megabyte, and then nothing: the wait is the idle limit, not the megabyte's minutes."""
    forever = threading.Event()

    def messages() -> Iterator[pb.SeparateRequest]:
        yield pb.SeparateRequest(audio=bytes(1_000_000))
        forever.wait(20)

    with TimedMessages(messages(), 0.3, 2000) as timed:
        next(timed)
        started = time.monotonic()
        with pytest.raises(IdleError, match=r"sent nothing for 0\.3 s"):
            next(timed)
        assert time.monotonic() - started < 5
    forever.set()
