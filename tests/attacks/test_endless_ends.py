"""The attack: a call, or a library, that never ends; SIGTERM ends the server all the same."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import pytest
from grpc_helpers import audio_messages, call_separate, pcm_config, running_server
from helpers import gain_separator, music

from stemline.serving.rpc import server as server_module
from stemline.serving.rpc.admission import Admission


def test_a_drain_without_a_limit_gives_up_on_a_call_that_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_module, "STILL_S", 0.5)
    gate = threading.Event()
    messages = [pcm_config(), *audio_messages(music(44100).T.tobytes())]
    with (
        running_server(gain_separator(gate=gate), grace_s=None) as (address, server),
        ThreadPoolExecutor(1) as pool,
    ):
        pool.submit(call_separate, address, messages)
        while server.n_streams == 0:
            time.sleep(0.01)
        assert not server.drain()
        gate.set()


def test_a_drain_waits_for_calls_that_go_on_however_long() -> None:
    """Four times as long as one may stand still; `on_wait` is heard of meanwhile."""
    admission, waits = Admission(1), 0
    admission.open()

    def going_on() -> None:
        with admission.inside():
            begun.set()
            for _ in admission.moved(iter(range(40))):
                time.sleep(0.05)

    def waited() -> None:
        nonlocal waits
        waits += 1

    begun = threading.Event()
    thread = threading.Thread(target=going_on)
    thread.start()
    assert begun.wait(5)
    assert admission.wait_until_empty(None, still_s=0.5, on_wait=waited)
    assert waits >= 5
    thread.join(5)


STUCK = """
import ctypes
from stemline.serving.rpc.watchdog import Watchdog

dog = Watchdog(1.0)
for _ in range(15):  # it is patted, so all is well
    dog.pat()
    ctypes.CDLL(None).usleep(100_000)
print("patted", flush=True)
ctypes.PyDLL(None).sleep(60)  # holds the interpreter's lock: no thread of Python can do anything
"""


def test_a_process_that_is_stuck_with_the_interpreters_lock_is_ended() -> None:
    started = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=60
    )
    assert ended.stdout == "patted\n"
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr and 'File "<string>"' in ended.stderr
    assert time.monotonic() - started < 50


ARENAS = """
import ctypes, sys, threading
from stemline.serving.allocator import few_arenas

print(few_arenas(), flush=True)
gate = threading.Barrier(33)

def take():
    held = [bytes(100_000) for _ in range(10)]
    gate.wait()

threads = [threading.Thread(target=take) for _ in range(32)]
for thread in threads:
    thread.start()
gate.wait()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
@pytest.mark.parametrize("env", [{}, {"MALLOC_ARENA_MAX": "5"}])
def test_threads_share_few_pools_of_memory(env: dict[str, str]) -> None:
    """Two, or what the environment says."""
    ended = subprocess.run(
        [sys.executable, "-c", ARENAS], capture_output=True, text=True, timeout=60, env=env
    )
    told, _, info = ended.stdout.partition("\n")
    if not info.startswith("<malloc"):
        pytest.skip("no glibc")
    assert told == str(not env)
    assert info.count("<heap nr=") == (5 if env else 2)


@pytest.mark.parametrize("verb", ["separate", "beats"])
def test_commands_that_work_in_threads_share_few_pools(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A separation in short chunks grew with the track: 0.4 MB for each second."""

    class Asked(Exception):
        pass

    def asked() -> bool:
        raise Asked

    module = import_module(f"stemline.serving.cli.{verb}")
    monkeypatch.setattr(module, "few_arenas", asked)
    with pytest.raises(Asked):
        getattr(module, verb)(["song.wav"])


def test_a_second_signal_ends_a_drain_whose_call_cannot_be_cancelled() -> None:
    """It waited for a quarter of an hour: the second stopped gRPC, not the wait of the first."""
    admission = Admission(1)
    admission.open()
    with admission.inside(), ThreadPoolExecutor(1) as pool:
        draining = pool.submit(admission.wait_until_empty, None)
        admission.abandon()
        assert not draining.result(5)


def test_a_server_that_is_stopped_does_not_go_on_draining(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_FLUSH_S", 0.2)
    with (
        running_server(gain_separator(), grace_s=None) as (_, server),
        ThreadPoolExecutor(1) as pool,
        server._admission.inside(),  # as a call that nothing can end
    ):
        draining = pool.submit(server.drain)
        server.stop()
        assert not draining.result(20)
