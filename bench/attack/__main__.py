"""The command: attack, print what was met as JSON, and exit with 1 where something is wrong."""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from ..machine import describe_machine
from .run import Plan, attack


def main() -> None:
    """Attack a server on loopback."""
    parser = argparse.ArgumentParser(description="Attack a server that is started on loopback.")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--containers", type=int, default=10_000)
    parser.add_argument("--sigterms", type=int, default=10, help="servers ended in the middle")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--artifacts", type=Path, help="where `mini` was exported to")
    parser.add_argument("--json", type=Path, help="write it there too")
    given = parser.parse_args()
    machine = asdict(describe_machine(2))
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        plan = Plan(given.messages, given.containers, given.sigterms, given.seed, given.artifacts)
        outcome = attack(plan, log, lambda words: print(words, file=sys.stderr, flush=True))
        tracebacks = log.read_text(errors="replace").count("Traceback")
    report = {"machine": machine, "tracebacks": tracebacks, **asdict(outcome)}
    text = json.dumps(report, indent=2) + "\n"
    sys.stdout.write(text)
    if given.json is not None:
        given.json.write_text(text)
    sys.exit(1 if outcome.wrong or tracebacks else 0)


if __name__ == "__main__":
    main()
