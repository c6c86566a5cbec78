"""An attack from its beginning to its end, and what it found."""

import hashlib
import io
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import soundfile

from stemline.errors import BenchError
from stemline.v1 import stemline_pb2 as pb
from stemline.v1 import stemline_pb2_grpc as pb_grpc

from ..containers.kinds import KINDS
from ..containers.making import music
from ..containers.mutations import MUTATIONS
from .messages import HostileCall, hostile_calls
from .watched_server import Holding, WatchedServer, watched_server

# What a client's own fault may end as. INTERNAL and UNKNOWN are faults of the server, UNAVAILABLE
# is one that has died.
_ALLOWED = {
    "OK",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "RESOURCE_EXHAUSTED",
    "CANCELLED",
    "DEADLINE_EXCEEDED",
}
_WORKERS = 16
_CALL_S = 20.0
_STEP_BYTES = 1 << 19
_END_S = 30.0
_GRACE_S = 5
_WARM_MESSAGES, _WARM_CONTAINERS = 4000, 400
_SAMPLE_CALLS = 500
MOST_GROWTH_MB = 50.0


@dataclass(frozen=True)
class Plan:
    """How much is sent to whom."""

    n_messages: int = 100_000
    n_containers: int = 10_000
    n_sigterms: int = 10
    """Servers ended in the middle of an attack of their own."""
    seed: int = 0
    artifacts: Path | None = None
    """The folder of a separator named `mini`; None where exported models usually are."""

    @property
    def options(self) -> list[str]:
        """Of `stemline serve`."""
        where = [] if self.artifacts is None else ["--artifacts", str(self.artifacts)]
        return [*where, "--max-streams", "64", "--idle-s", "5", "--grace-s", str(_GRACE_S)]

    @property
    def warming(self) -> tuple[int, int]:
        """Messages and containers before anything is measured."""
        return min(_WARM_MESSAGES, self.n_messages), min(_WARM_CONTAINERS, self.n_containers)


@dataclass
class Outcome:
    """What an attack met."""

    calls: int = 0
    messages: int = 0
    containers: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    """How many calls ended with each."""
    wrong: list[str] = field(default_factory=list)
    """What must not be, whole sentences."""
    before: dict[str, Any] = field(default_factory=dict)
    """What the server held when warm."""
    after: dict[str, Any] = field(default_factory=dict)
    """And at the end."""
    memory_mb: list[float] = field(default_factory=list)
    """Between the two, after every so many calls."""
    seconds: float = 0.0
    sigterms_s: list[float] = field(default_factory=list)
    """How long each SIGTERM took, in the middle of an attack."""


def attack(plan: Plan, log: Path, say: Callable[[str], None] = lambda words: None) -> Outcome:
    """Attack a server; then end others in the middle of it.

    Raises BenchError where a server does not start.
    """
    outcome, started = Outcome(), time.monotonic()
    with watched_server(log, plan.options) as server:
        digest = _digest(server.address)
        # What grows once, to where it stays: buffers for each size of batch, for each thread.
        _many(server, *plan.warming, plan.seed + 1, Outcome())
        outcome.before = asdict(_quiet(server))
        _many(server, plan.n_messages, plan.n_containers, plan.seed, outcome, say)
        outcome.after = asdict(_quiet(server))
        if server.is_alive and _digest(server.address) != digest:
            outcome.wrong.append("the stems are others than before")
        _judge(outcome)
        status, _ = server.end(_END_S)
        if status != 0:
            outcome.wrong.append(f"the server ended with status {status}")
    _end_in_the_middle(plan, log, outcome)
    outcome.seconds = round(time.monotonic() - started, 1)
    return outcome


def _many(
    server: WatchedServer,
    n_messages: int,
    n_containers: int,
    seed: int,
    outcome: Outcome,
    say: Callable[[str], None] = lambda words: None,
) -> None:
    """All calls, some at once."""
    calls = _mixed(hostile_calls(n_messages, seed), _uploads(n_containers, seed), seed)
    with grpc.insecure_channel(server.address) as channel, ThreadPoolExecutor(_WORKERS) as pool:
        for done, (call, status, details) in enumerate(
            _bounded(pool, lambda call: _made(channel, call), calls), start=1
        ):
            outcome.calls += 1
            outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
            if isinstance(call, HostileCall):
                outcome.messages += max(len(call.messages), 1)
            else:
                outcome.containers += 1
            if status not in _ALLOWED and len(outcome.wrong) < 20:
                outcome.wrong.append(f"{status} ({details}) of {_shown(call)}")
            if not server.is_alive:
                outcome.wrong.append(f"the server died after {_shown(call)}")
                return
            if done % _SAMPLE_CALLS == 0:
                outcome.memory_mb.append(round(server.holding().rss_mb, 1))
                say(f"{done} calls, {outcome.memory_mb[-1]} MB, {outcome.statuses}")


Upload = tuple[str, int]
"""A kind of file, and the seed of what is done to it."""


def _uploads(n_containers: int, seed: int) -> Iterator[Upload]:
    dice = random.Random(seed)
    for _ in range(n_containers):
        yield dice.choice(list(KINDS)), dice.randrange(1 << 31)


def _mixed(
    calls: Iterator[HostileCall], uploads: Iterator[Upload], seed: int
) -> Iterator[HostileCall | Upload]:
    """Both, in an order of chance, until both have ended."""
    dice = random.Random(seed)
    sources: list[Iterator[Any]] = [calls, uploads]
    while sources:
        source = dice.choice(sources)
        found = next(source, None)
        if found is None:
            sources.remove(source)
        else:
            yield found


def _bounded(
    pool: ThreadPoolExecutor,
    work: Callable[[HostileCall | Upload], tuple[str, str]],
    items: Iterator[HostileCall | Upload],
) -> Iterator[tuple[HostileCall | Upload, str, str]]:
    """The results in order, with no more under way than threads."""
    waiting: list[tuple[HostileCall | Upload, Any]] = []
    for item in items:
        waiting.append((item, pool.submit(work, item)))
        if len(waiting) >= 2 * _WORKERS:
            first, future = waiting.pop(0)
            yield (first, *future.result())
    for first, future in waiting:
        yield (first, *future.result())


def _made(channel: grpc.Channel, call: HostileCall | Upload) -> tuple[str, str]:
    """Make a call → its status and its words."""
    try:
        if isinstance(call, HostileCall):
            _send(channel, call)
        else:
            _upload(channel, *call)
    except grpc.RpcError as error:
        return error.code().name, str(error.details())[:300]
    return "OK", ""


def _send(channel: grpc.Channel, call: HostileCall) -> None:
    method: Any = channel.stream_stream(call.method)
    responses = method(iter(call.messages), timeout=_CALL_S)
    is_endless = call.method.endswith("/Watch")
    for n_responses, _ in enumerate(responses):
        if is_endless or n_responses == call.leaves_after:
            responses.cancel()
            return


def _upload(channel: grpc.Channel, kind: str, seed: int) -> None:
    """A damaged file, to stems as a file of some kind."""
    data, dice = _damaged(kind, seed), random.Random(seed)
    config = pb.SeparateConfig(model="mini")
    config.input.container.SetInParent()
    getattr(config.output, dice.choice(("wav", "flac", "mp3"))).SetInParent()

    def requests() -> Iterator[pb.SeparateRequest]:
        yield pb.SeparateRequest(config=config)
        for start in range(0, len(data), _STEP_BYTES):
            yield pb.SeparateRequest(audio=data[start : start + _STEP_BYTES])

    stub = pb_grpc.StemlineServiceStub(channel)  # type: ignore[no-untyped-call]
    for _ in stub.Separate(requests(), timeout=10 * _CALL_S):
        pass


_FILES: dict[str, bytes] = {}


def _damaged(kind: str, seed: int) -> bytes:
    if kind not in _FILES:
        _FILES[kind] = KINDS[kind].make(music(12_000))
    dice = np.random.default_rng(seed)
    data = _FILES[kind]
    for _ in range(int(dice.integers(1, 4))):
        if len(data) > 600:
            data = MUTATIONS[int(dice.integers(0, len(MUTATIONS)))](data, dice)
    return data


def _digest(address: str) -> str:
    """Of the stems of a short song."""
    file = io.BytesIO()
    soundfile.write(file, music(44_100).T, 44_100, format="WAV", subtype="FLOAT")
    config = pb.SeparateConfig(model="mini")
    config.input.container.SetInParent()
    messages = [pb.SeparateRequest(config=config), pb.SeparateRequest(audio=file.getvalue())]
    found = hashlib.sha256()
    with grpc.insecure_channel(address) as channel:
        stub = pb_grpc.StemlineServiceStub(channel)  # type: ignore[no-untyped-call]
        for response in stub.Separate(iter(messages), timeout=120):
            if response.WhichOneof("response") == "stem_block":
                found.update(response.stem_block.SerializeToString(deterministic=True))
    return found.hexdigest()


def _quiet(server: WatchedServer) -> Holding:
    """What the server holds once nothing is under way."""
    least = server.holding()
    until = time.monotonic() + 20
    while time.monotonic() < until:
        time.sleep(0.5)
        now = server.holding()
        if now == least:
            return now
        least = now
    return least


def _judge(outcome: Outcome) -> None:
    """Hold what the server holds at the end against what it held before."""
    before, after = outcome.before, outcome.after
    growth_mb = after["rss_mb"] - before["rss_mb"]
    if growth_mb > MOST_GROWTH_MB:
        outcome.wrong.append(f"its memory grew by {growth_mb:.0f} MB")
    for what in ("threads", "descriptors"):
        if after[what] > before[what] + 2:  # gRPC keeps a thread or two of its own for a while
            outcome.wrong.append(f"it had {before[what]} {what}, and has {after[what]}")


def _end_in_the_middle(plan: Plan, log: Path, outcome: Outcome) -> None:
    """SIGTERM while a server is attacked, at random moments."""
    dice = random.Random(plan.seed)
    for number in range(plan.n_sigterms):
        with watched_server(log, plan.options) as server, ThreadPoolExecutor(1) as pool:
            attacking = pool.submit(_many, server, 4000, 100, plan.seed + number, Outcome())
            time.sleep(dice.uniform(0.0, 3.0))
            try:
                status, took_s = server.end(_GRACE_S + _END_S)
                outcome.sigterms_s.append(round(took_s, 2))
                if status not in (0, 1):  # 1: calls were broken off at the end of the grace
                    outcome.wrong.append(f"after SIGTERM the server ended with status {status}")
            except BenchError as error:
                outcome.wrong.append(str(error))
            attacking.cancel()


def _shown(call: HostileCall | Upload) -> str:
    if isinstance(call, HostileCall):
        sent = " ".join(message[:40].hex() for message in call.messages[:3])
        return f"{call.method} {sent}"
    return f"{call[0]}, seed {call[1]}"
