"""The options that several verbs share, so that each is written once."""

from pathlib import Path
from typing import Annotated

import typer

from stemline.engines import device_names

from ..artifact_folders import HERE

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE", help="Audio files, folders, quoted globs, or - for standard input."
    ),
]
Artifacts = Annotated[
    Path,
    typer.Option(
        "--artifacts", envvar="STEMLINE_ARTIFACTS", help="The folder to write artifacts to."
    ),
]
"""The one folder that a command writes to."""
DEFAULT_ARTIFACTS = HERE
FindArtifacts = Annotated[
    Path | None,
    typer.Option(
        "--artifacts",
        envvar="STEMLINE_ARTIFACTS",
        help="Where exported artifacts are; artifacts/, the user's data folder and what ships with "
        "stemline if unset.",
    ),
]
"""Where a command looks that only reads."""
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Refuse a file that is damaged or ends early; without it what can be read is.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
Device = Annotated[
    str,
    typer.Option("-d", "--device", help=f"{device_names()}. One that is not there is an error."),
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="CPU threads inside one operation; all cores if unset.")
]
BatchSize = Annotated[
    int | None, typer.Option(min=1, help="Chunks run at once; chosen from device and memory.")
]
AllowUntrained = Annotated[
    bool,
    typer.Option("--allow-untrained", help="Run artifacts with random weights: noise, not stems."),
]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Also what the parts log.")]
Quiet = Annotated[
    bool, typer.Option("-q", "--quiet", help="No progress and no notes; warnings and errors stay.")
]
Server = Annotated[str, typer.Option(help="HOST:PORT of a stemline server to do it.")]
TlsCa = Annotated[
    Path | None, typer.Option(help="With --server: PEM file of the authority to trust.")
]
TokenFile = Annotated[
    Path | None, typer.Option(help="With --server: file holding the bearer token.")
]


def split_names(values: str) -> tuple[str, ...]:
    """The parts of a value that lists them by commas; empty ones do not count."""
    return tuple(value.strip() for value in values.split(",") if value.strip())
