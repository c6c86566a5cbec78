"""The command: its verbs put together, and the one place where an error becomes an exit code."""

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from stemline.errors import FAILED, StemlineError

from .report import fail
from .verbs import HELP_NAMES, Verbs

app = typer.Typer(
    name="stemline",
    cls=Verbs,
    help="Export music-audio networks to verified ONNX engines, and run or serve them.",
    no_args_is_help=True,
    context_settings=HELP_NAMES,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        print(_version())
        raise typer.Exit


def _version() -> str:
    from importlib.metadata import version  # which the other commands need not wait for

    return f"stemline {version('stemline')}"


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("-V", "--version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Export music-audio networks to verified ONNX engines, and run or serve them."""


def main() -> None:
    """Run the command: exit 0 done, 1 failed, 2 called wrong, 3 something missing."""
    for stream in (sys.stdout, sys.stderr):  # a file's name need not be UTF-8
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.argv[1:] in (["-V"], ["--version"]):  # asked for by scripts: at once
        print(_version())
        return
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
