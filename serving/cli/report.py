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

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_json(value: Any) -> None:
    """One JSON value on one line of standard output."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def on_terminal() -> bool:
    """Whether what is printed is read by a person, not by a program or a file."""
    return sys.stdout.isatty()


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    n_optional: int = 0,
) -> None:
    """A ruled table on a terminal; tab-separated lines, header first, when piped.

    No word is cut: of a table that is too wide for that, the last `n_optional` columns are left out
    as needed, and it is drawn wider than the terminal where that is not enough.
    """
    if not on_terminal():
        for row in (columns, *rows):
            print("\t".join(row))
        return
    lines = [columns, *rows]
    least = [max(_longest_word(line[index]) for line in lines) for index in range(len(columns))]
    most = [max(cell_len(line[index]) for line in lines) for index in range(len(columns))]
    console = Console()
    n_shown = len(columns)
    while n_shown > len(columns) - n_optional and _table_width(least[:n_shown]) > console.width:
        n_shown -= 1
    if (needed := _table_width(least[:n_shown])) > console.width:
        console = Console(width=needed)
    if title:  # by itself: a table's own title is broken to the width of the table
        console.print(Text(title, style="italic"), soft_wrap=True)
    table = Table()
    left = console.width - needed
    for name, width, wanted in zip(columns[:n_shown], least, most, strict=False):
        # What no word needs goes to the first columns: they are the names.
        more = min(left, wanted - width)
        left -= more
        table.add_column(Text(name), width=width + more)
    for row in lines[1:]:
        table.add_row(*map(Text, row[:n_shown]))
    console.print(table)
    if n_shown < len(columns):
        say(f"left out: {', '.join(columns[n_shown:])}; a wider terminal or --json shows them")


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _table_width(widths: Sequence[int]) -> int:
    """Of columns of these widths with their rules and margins."""
    return sum(widths) + 3 * len(widths) + 1


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
