"""How the command speaks: tables on a terminal, plain lines when piped, JSON when asked."""

import json
import sys
from collections.abc import Iterable, Sequence
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
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def say(message: str) -> None:
    """A line for a person, on standard error, so that standard output stays data."""
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(message)


def warn(message: str) -> None:
    """A line that must not be missed."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(
        f"[bold yellow]warning:[/bold yellow] {_escaped(message)}"
    )


def fail(message: str) -> None:
    """The one line an error is."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(
        f"[bold red]error:[/bold red] {_escaped(' '.join(message.split()))}"
    )


def progress_bar(quiet: bool) -> Progress:
    """A bar with the time left, on standard error; drawn on a terminal only."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
    )


def _escaped(message: str) -> str:
    return message.replace("[", "\\[")
