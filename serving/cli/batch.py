"""The files of one command: what is said as each ends, and of those that failed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import typer
from rich.live import Live
from rich.progress import Progress

from stemline.errors import FAILED, StemlineError

from .report import fail, print_json, print_table

_Result = TypeVar("_Result")


def attempt(work: Callable[[], _Result]) -> _Result | Exception:
    """The result of `work`, or the error that it raised on purpose; any other is raised."""
    try:
        return work()
    except (StemlineError, OSError) as error:
        return error


class Batch:
    """Prints failures as they come and again at the end."""

    def __init__(self, bar: Progress, n_files: int, *, as_json: bool) -> None:
        """`bar` stands aside for what is said within `aside`."""
        self._bar = bar
        self._n_files = n_files
        self._as_json = as_json
        self._failed: dict[Path, Exception] = {}

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bar off the terminal: standard output is free for what is said within."""
        bar = self._bar
        if not bar.live.is_started:  # no terminal
            yield
            return
        bar.live.transient = True
        bar.live.stop()
        try:
            yield
        finally:
            # One that is started again would erase as many lines as it had: those just said.
            bar.live = Live(
                console=bar.console, refresh_per_second=10, get_renderable=bar.get_renderable
            )
            bar.live.start(refresh=True)

    def failed(self, path: Path, error: Exception) -> None:
        """Report one file that nothing came of."""
        if self._as_json:
            print_json({"input": str(path), "error": str(error)})
        self.incomplete(path, error)

    def incomplete(self, path: Path, error: Exception) -> None:
        """Report an error of one file whose result was printed already."""
        self._failed[path] = error
        if self._n_files > 1 and not self._as_json:
            fail(str(error) if str(path) in str(error) else f"{path}: {error}")

    def end(self) -> None:
        """Print every failure and raise typer.Exit with the exit code, unless there is none."""
        if not self._failed:
            return
        if self._n_files == 1:
            (error,) = self._failed.values()
            fail(str(error))
            raise typer.Exit(error.exit_code if isinstance(error, StemlineError) else FAILED)
        if not self._as_json:  # there every line is an object, and each failure was one
            print_table(
                f"{len(self._failed)} of {self._n_files} failed",
                ("file", "why"),
                [(str(path), str(error)) for path, error in self._failed.items()],
            )
        raise typer.Exit(FAILED)
