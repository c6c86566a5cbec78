"""SIGKILL to commands, exports and servers at random moments, and what lies on the disk then.

    python -m stemline.bench.attack.kills --kills 300

Whatever has a final name must be whole, and what is not whole must be gone after the next run.
Seeded: the same kills come again, as far as the machine's own pace lets them.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from stemline.errors import BenchError

from ..machine import describe_machine
from .kill_moments import Times, Watch, measured, wait_for_the_moment
from .kill_subjects import Killed, Subject
from .kill_workplace import BEATS, STEMS, Workplace, commands, workplace
from .killed_servers import kill_servers, living_server
from .warm_processes import MODULES

SERVE = "serve"
SHARES = {
    "wav": 25, "float": 20, "flac": 25, "mp3": 25, "folder": 30, "piped": 20, "remote": 20,
    "beats": 25, f"export {STEMS}": 25, f"export {BEATS}": 5, SERVE: 75,
}  # fmt: skip
"""What is killed, and how often in 300 times."""
_RUNNING = (*MODULES, "stemline.serving.rpc.server", "soundfile", "matplotlib.figure")
_EXPORTING = ("stemline.export.export", "torch._dynamo", "torch.onnx", "onnxscript")
_KILLS_A_RUN = 4
_MOST_TRIES = 20
_PLAIN = 0.1  # of the commands are started as a shell does


def kill_all(
    shares: Mapping[str, int],
    seed: int,
    folder: Path,
    say: Callable[[str], None] = lambda words: None,
) -> dict[str, Killed]:
    """Kill each command so many times → what came of it.

    Raises BenchError where a command fails that nobody disturbed.
    """
    outcomes: dict[str, Killed] = {}
    has_exports = any(name.startswith("export") for name in shares)
    place = workplace(folder, [*_RUNNING, *(_EXPORTING if has_exports else ())])
    with place.parent, ExitStack() as stack:
        for name in _needed(shares):
            place.run([*place.export(name), "--artifacts", str(place.artifacts)])
        address = stack.enter_context(living_server(place)) if "remote" in shares else ""
        for name, n_kills in shares.items():
            dice, outcome = random.Random(f"{seed} {name}"), Killed()
            outcomes[name] = outcome
            if name == SERVE:
                kill_servers(place, n_kills, dice, outcome, with_beats="beats" in shares)
            else:
                _kill_command(place, commands(place, address)[name], n_kills, dice, outcome)
            say(f"{name}: {json.dumps(asdict(outcome))}")
    return outcomes


def shares_of(n_kills: int) -> dict[str, int]:
    """So many kills, shared as `SHARES` are, at least one each."""
    whole = sum(SHARES.values())
    shares = {name: max(1, n_kills * share // whole) for name, share in SHARES.items()}
    shares[SERVE] += max(0, n_kills - sum(shares.values()))
    return shares


def _needed(shares: Iterable[str]) -> list[str]:
    """The models that are exported first."""
    return [STEMS, *([BEATS] if "beats" in shares else [])]


def _kill_command(
    place: Workplace, subject: Subject, n_kills: int, dice: random.Random, outcome: Killed
) -> None:
    times = _undisturbed(place, subject)
    for _ in range(_MOST_TRIES * n_kills):
        subject.prepare(dice)
        watch = Watch(subject)
        is_plain = dice.random() < _PLAIN
        running = place.start(subject.arguments, subject.stdin, is_plain=is_plain)
        moment = wait_for_the_moment(running, watch, times, dice)
        running.kill()
        if running.wait() != -signal.SIGKILL:
            outcome.too_late += 1
            continue
        outcome.add(moment, len(subject.left()), subject.wrong_when_killed())
        if outcome.kills % _KILLS_A_RUN == 0 or outcome.kills == n_kills:
            place.run(subject.arguments, subject.stdin)
            outcome.runs += 1
            outcome.wrong += [*subject.wrong_when_done(), *place.wrong()]
        if outcome.kills == n_kills:
            return
    outcome.wrong.append(f"{outcome.kills} kills came before its end, in {_MOST_TRIES} times that")


def _undisturbed(place: Workplace, subject: Subject) -> Times:
    """The times of a command that is left alone, whose files are the right ones from then on.

    Raises BenchError where it fails, or does not write the same twice.
    """
    for number in range(subject.n_undisturbed):
        subject.clear()
        watch = Watch(subject)
        running = place.start(subject.arguments, subject.stdin)
        times = measured(subject, running, watch)
        if running.wait():
            raise BenchError(f"{subject.name} failed: {place.log.read_text(errors='replace')}")
        if number == 0:
            subject.learn()
        if wrong := subject.wrong_when_done():
            raise BenchError(f"{subject.name}, left alone, is not the same twice: {wrong}")
    return times


def main() -> None:
    """The command: kill, print what was met as JSON, and exit with 1 where something is wrong."""
    parser = argparse.ArgumentParser(description="Kill commands, exports and servers.")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="of what is killed, separated by commas")
    parser.add_argument("--json", type=Path, help="write it there too")
    given = parser.parse_args()
    shares = shares_of(given.kills)
    if given.only:
        shares = {name: shares[name] for name in given.only.split(",")}
    machine, began_s = asdict(describe_machine(2)), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = kill_all(
            shares,
            given.seed,
            Path(folder),
            lambda words: print(words, file=sys.stderr, flush=True),
        )
    report = {
        "machine": machine,
        "seconds": round(time.monotonic() - began_s, 1),
        "kills": sum(outcome.kills for outcome in outcomes.values()),
        "wrong": sum(len(outcome.wrong) for outcome in outcomes.values()),
        "of": {name: asdict(outcome) for name, outcome in outcomes.items()},
    }
    text = json.dumps(report, indent=2) + "\n"
    sys.stdout.write(text)
    if given.json is not None:
        given.json.write_text(text)
    sys.exit(1 if report["wrong"] else 0)


if __name__ == "__main__":
    main()
