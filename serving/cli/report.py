"""How the command speaks: tables on a terminal, plain lines when piped, JSON when asked.

Names of files go into what is printed, and are text whatever is in them: `[id].wav`, `:smile:.wav`.
So whatever rich prints here is a Text, whose markup is none.
"""

import json
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text


def print_json(value: Any) -> None:
    """One JSON value on one line of standard output."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A ruled table on a terminal; tab-separated lines, header first, when piped."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            print("\t".join(row))
        return
    table = Table(title=Text(title), title_justify="left")
    for column in columns:
        table.add_column(Text(column))
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


_IS_QUIET = ContextVar("_IS_QUIET", default=False)


@contextmanager
def speaking(*, quiet: bool, verbose: bool) -> Iterator[None]:
    """Within it `say` is silent where `quiet`, and what is logged is shown where `verbose`."""
    log, handler = logging.getLogger("stemline"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    level, was_quiet = log.level, _IS_QUIET.set(quiet)
    if verbose:
        log.setLevel(logging.DEBUG)
        log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        _IS_QUIET.reset(was_quiet)


def say(message: str) -> None:
    """A line for a person, on standard error, so that standard output stays data."""
    if not _IS_QUIET.get():
        _print_line(Text(message))


def warn(message: str) -> None:
    """A line that must not be missed."""
    _print_line(Text.assemble(("warning:", "bold yellow"), " ", message))


def fail(message: str) -> None:
    """The one line an error is."""
    line = " ".join(part.strip() for part in message.splitlines() if part.strip())
    _print_line(Text.assemble(("error:", "bold red"), " ", line))


def _print_line(line: Text) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(line)


def progress_bar(quiet: bool) -> Progress:
    """A bar with the time left, on standard error; drawn on a terminal only."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
    )
