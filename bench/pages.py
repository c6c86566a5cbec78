"""A region of a Markdown page that a program writes, so that the words around it stay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemline.errors import RequestError


@dataclass(frozen=True)
class Region:
    """What one command writes into a page."""

    command: str
    """As it is named in both marks."""
    title: str
    """The heading of a page that has to be made."""

    @property
    def marks(self) -> tuple[str, str]:
        """The lines before and after what is written."""
        written = f"<!-- written by `{self.command}`"
        return f"{written}: begin -->", f"{written}: end -->"

    def check(self, page: Path) -> None:
        """Raise RequestError for a page that cannot be written; before what takes long is run."""
        self._around(page)

    def write(self, page: Path, text: str) -> None:
        """Replace what stands between the marks; a page that is not there is made.

        Raises RequestError or OSError.
        """
        begin, end = self.marks
        before, after = self._around(page)
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"{before}{begin}\n\n{text}\n{end}{after}", encoding="utf-8")

    def _around(self, page: Path) -> tuple[str, str]:
        """What stands before and after the region."""
        begin, end = self.marks
        try:
            content = page.read_text(encoding="utf-8")
        except FileNotFoundError:
            content = f"# {self.title}\n\n{begin}\n{end}\n"
        except UnicodeDecodeError as error:
            raise RequestError("markdown", f"--markdown {page} is no text") from error
        before, begun, rest = content.partition(begin)
        _, ended, after = rest.partition(end)
        if not begun or not ended:
            raise RequestError(
                "markdown", f"--markdown {page} is there without the two markers: {begin} and {end}"
            )
        return before, after


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A line for the header, one to rule it off, one a row."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def machine_line(machine: Mapping[str, Any], *, with_load: bool = False) -> str:
    """What it was measured on: a Machine's fields as one sentence."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    load = f", load {machine['load_average']} before" if with_load else ""
    return (
        f"{machine['cpu']}, {machine['threads']} thread(s){load}; {versions}; "
        f"{machine['date'][:10]}."
    )


def short(value: float) -> str:
    """Three figures, and every whole one: `0.123`, `12.3`, `123`, `1235`."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
