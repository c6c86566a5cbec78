"""Servers that are killed under a client that uploads and writes what comes back."""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stemline.errors import BenchError, StemlineError
from stemline.postprocessing.encode import OutputFormat
from stemline.serving.client.client import StemlineClient

from .kill_subjects import Killed, Subject
from .kill_workplace import BEATS, STEMS, Workplace
from .warm_processes import Running

_START_S = 60.0
_LEAVE_S = 20.0
_AT_THE_START = 0.15  # of the servers are killed before they take calls
_FORMATS = {"wav": OutputFormat("wav", 16), "flac": OutputFormat("flac", 16)}


@contextmanager
def living_server(place: Workplace) -> Iterator[str]:
    """The address of a server that is not killed before the end; then it must still answer."""
    running, address = _started(place)
    try:
        yield address
        with StemlineClient(address) as client:
            client.list_models()
    finally:
        running.kill()
        running.wait()


def kill_servers(
    place: Workplace, n_kills: int, dice: random.Random, outcome: Killed, *, with_beats: bool
) -> None:
    """Kill so many servers, most while they answer a call."""
    calls = _calls(place, with_beats=with_beats)
    ready_s, seconds = _undisturbed(place, calls)
    for _ in range(n_kills):
        if dice.random() < _AT_THE_START:
            running = place.start(_serve(place), is_plain=True)
            time.sleep(dice.uniform(0, ready_s))
            running.kill()
            running.wait()
            outcome.add("start", 0, place.wrong())
            continue
        name = dice.choice(list(calls))
        subject, call = calls[name]
        subject.prepare(dice)
        running, address = _started(place)
        with _calling(call, address) as ended:
            time.sleep(dice.uniform(0, seconds[name]))
            running.kill()
            is_killed = running.wait() == -signal.SIGKILL
            wrong = [] if ended.wait(_LEAVE_S) else ["the client waits for a server that is dead"]
        left = [f"{path.name} is left by a client that lives" for path in subject.left()]
        wrong += [*left, *subject.wrong_when_killed(), *place.wrong()]
        outcome.add(name if is_killed else "died by itself", 0, wrong)


Call = Callable[[StemlineClient], object]


def _calls(place: Workplace, *, with_beats: bool) -> dict[str, tuple[Subject, Call]]:
    """A client's calls, each with the files that it writes."""
    song, out = place.songs / "two.wav", place.folder / "out"
    calls: dict[str, tuple[Subject, Call]] = {}
    for name, output in _FORMATS.items():
        folder = out / f"served {name}"

        def separate(
            client: StemlineClient, to: Path = folder, how: OutputFormat = output
        ) -> object:
            return client.separate_file(song, to, how, model=STEMS)

        calls[f"separate to {name}"] = Subject(name, [], folder), separate
    if with_beats:
        folder = out / "served analysis"

        def analyze(client: StemlineClient, to: Path = folder) -> object:
            how = _FORMATS["flac"]
            return client.analyze_file(song, to, how, model=STEMS, beats_model=BEATS)

        calls["analyze"] = Subject("analyze", [], folder), analyze
    return calls


def _undisturbed(
    place: Workplace, calls: dict[str, tuple[Subject, Call]]
) -> tuple[float, dict[str, float]]:
    """How long a server takes to start, and each call on a new one; all files are learned."""
    ready_s, seconds = 0.0, {}
    for name, (subject, call) in calls.items():
        subject.clear()
        began_s = time.monotonic()
        running, address = _started(place)
        ready_s = max(ready_s, time.monotonic() - began_s)
        try:
            with StemlineClient(address) as client:
                began_s = time.monotonic()
                call(client)
                seconds[name] = time.monotonic() - began_s
        finally:
            running.kill()
            running.wait()
        subject.learn()
    return ready_s, seconds


@contextmanager
def _calling(call: Call, address: str) -> Iterator[threading.Event]:
    """Make a call meanwhile; the event is set once the client is through with it."""
    ended = threading.Event()

    def made() -> None:
        try:
            with StemlineClient(address) as client:
                call(client)
        except StemlineError:
            pass  # its server was killed
        finally:
            ended.set()

    thread = threading.Thread(target=made, name="client of a killed server", daemon=True)
    thread.start()
    try:
        yield ended
    finally:
        thread.join(_LEAVE_S)


def _serve(place: Workplace) -> list[str]:
    here = ["--artifacts", str(place.artifacts), "--allow-untrained", "--threads", "1"]
    return ["serve", "--port", "0", "--models", STEMS, *here]


def _started(place: Workplace) -> tuple[Running, str]:
    """A server that takes calls, and its address. Raises BenchError."""
    log = place.folder / "server.log"
    running = place.start(_serve(place), log=log)
    until = time.monotonic() + _START_S
    while time.monotonic() < until and not running.has_ended():
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith("serving on "):
                return running, line.split()[-1]
        time.sleep(0.01)
    running.kill()
    raise BenchError(f"a server did not start: {log.read_text(errors='replace')[-1000:]}")
