"""How far the files of a command are, on a terminal."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
)
from rich.text import Text


class _Times(ProgressColumn):
    """`0:03 elapsed, 0:02 left`."""

    def render(self, task: Task) -> Text:
        """What is left only where it can be told."""
        words = f"{clock(task.elapsed or 0)} elapsed"
        if not task.finished and task.time_remaining is not None:
            words += f", {clock(task.time_remaining)} left"
        return Text(words)


def clock(seconds: float) -> str:
    """`0:03`, `12:00`, `1:00:05`."""
    minutes, whole_s = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole_s:02}" if hours else f"{minutes}:{whole_s:02}"


def progress_bar(quiet: bool) -> Progress:
    """A bar with the time left, on standard error; drawn on a terminal only."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        _Times(),
        console=console,
        disable=quiet or not console.is_terminal,
    )
