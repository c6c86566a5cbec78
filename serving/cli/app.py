"""The verbs put together, and the one place where an error becomes a line and an exit code."""

import sys
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated

import typer

from stemline.errors import FAILED, StemlineError

from .band import band
from .beats import beats
from .bench import bench
from .demo import demo
from .export import export
from .models import models
from .report import fail
from .separate import separate
from .serve import serve
from .verify import verify

app = typer.Typer(
    name="stemline",
    help="Export music-audio networks to verified ONNX engines, and run or serve them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in (demo, models, export, verify, separate, beats, serve, bench, band):
    app.command()(verb)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"stemline {version('stemline')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Export music-audio networks to verified ONNX engines, and run or serve them."""


def main() -> None:
    """Run the command: exit 0 done, 1 failed, 2 called wrong, 3 something missing."""
    for stream in (sys.stdout, sys.stderr):  # a file's name need not be UTF-8
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except StemlineError as error:
        fail(_words_of(error) if isinstance(error, OSError) else str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        fail(_words_of(error))
        sys.exit(FAILED)
    # Whatever else is raised is a fault of ours: the traceback is what its report needs.


def _words_of(error: OSError) -> str:
    """`path: reason` for the system's own errors, our own message otherwise."""
    if error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
