"""The attack: many calls that each hold memory, until the server has none left."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_helpers import audio_messages, call_separate, pcm_config, running_server, stem_bytes
from helpers import gain_separator, music, tiny_info

from stemline.serving.machine_memory import usable_memory_bytes
from stemline.v1 import stemline_pb2 as pb

Code = grpc.StatusCode
RATE = 44100


def pcm(seconds: float) -> Iterator[pb.SeparateRequest]:
    yield pcm_config()
    yield from audio_messages(music(int(seconds * RATE)).T.tobytes())


def test_a_call_for_which_there_is_no_room_is_refused() -> None:
    with running_server(gain_separator(), max_memory_mb=0.1) as (address, server):
        with pytest.raises(grpc.RpcError) as raised:
            call_separate(address, pcm(3))
        assert raised.value.code() is Code.RESOURCE_EXHAUSTED
        assert "memory" in raised.value.details()
        assert server.held_memory_bytes == 0


def test_calls_share_the_memory_and_what_one_gives_back_another_gets() -> None:
    gate = threading.Event()
    with running_server(gain_separator(gate=gate)) as (address, server):
        first: list[list[pb.SeparateResponse]] = []
        thread = threading.Thread(target=lambda: first.append(call_separate(address, pcm(1))))
        thread.start()
        held = -1.0
        while server.held_memory_bytes != held or held == 0:  # its stems, then its inputs
            assert thread.is_alive()
            held = server.held_memory_bytes
            time.sleep(0.3)
        server._memory._most = 1.5 * server.held_memory_bytes
        with pytest.raises(grpc.RpcError) as raised:
            call_separate(address, pcm(1))
        assert raised.value.code() is Code.RESOURCE_EXHAUSTED
        server._memory._most = np.inf
        gate.set()
        thread.join(30)
        (responses,) = first  # what was accepted is not lost
        assert server.held_memory_bytes == 0
        assert stem_bytes(call_separate(address, pcm(1))) == stem_bytes(responses)


@pytest.mark.parametrize(
    ("seconds", "given"),
    [
        (10, {"max_memory_mb": 3}),  # 3.5 MB of PCM that are kept
        (200, {"max_disk_mb": 65}),  # 71 MB are more than are kept in memory
    ],
)
def test_audio_that_is_kept_to_be_read_twice_counts(
    seconds: float, given: dict[str, float]
) -> None:
    """64 MB a call in memory, and its whole length on the disk, belonged to no budget."""
    twice = gain_separator(replace(tiny_info(), track_level=True))
    with running_server(twice, **given) as (address, server):
        with pytest.raises(grpc.RpcError) as raised:
            call_separate(address, pcm(seconds))
        assert raised.value.code() is Code.RESOURCE_EXHAUSTED
        assert server.held_memory_bytes == server.held_disk_bytes == 0
        assert call_separate(address, pcm(1))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("1000000\n", 1e6), ("max\n", None), ("9223372036854771712\n", None), ("", None)],
)
def test_the_memory_of_a_container_is_what_its_limit_says(
    tmp_path: Path, text: str, wanted: float | None
) -> None:
    machine = usable_memory_bytes(())
    assert machine > 1e8
    limit = tmp_path / "memory.max"
    limit.write_text(text)
    found = usable_memory_bytes((limit, tmp_path / "missing"))
    assert found == (wanted or machine)
