"""What several studies do: run a command to its end, and hand over what was measured."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..machine import describe_machine, pinned
from ..pages import Region


@contextmanager
def one_core() -> Iterator[dict[str, Any]]:
    """Keep this process and those it starts to one core; the machine in JSON's words."""
    machine = asdict(describe_machine(1))
    with pinned(1) as cores:
        yield {**machine, "pinned_to": list(cores)}


def run_measured(command: Sequence[str], core: int | None = None) -> tuple[float, float]:
    """Run a command to its end → wall seconds, and peak resident memory in units of 10⁶ bytes.

    With a `core` it is kept to that one, at one thread. Raises CalledProcessError with its output.
    """
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        env=None if core is None else {**os.environ, **one_thread},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command, said)
    return seconds, usage.ru_maxrss * 1024 / 1e6


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """The options that `write_outputs` reads."""
    parser.add_argument("--json", type=Path, help="write it there, not to standard output")
    parser.add_argument("--markdown", type=Path, help="a page that gets the table")


def write_outputs(
    report: dict[str, Any], options: argparse.Namespace, study: str, markdown: str
) -> None:
    """The report as JSON and, where a page was named, as the table of a study."""
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    if options.json is None:
        sys.stdout.write(text)
    else:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(text, encoding="utf-8")
    if options.markdown is not None:
        command = f"python -m {__package__}.{study} --markdown"
        Region(command, "Beats").write(options.markdown, markdown)
