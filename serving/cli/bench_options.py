"""The options that `stemline bench` has alone."""

from pathlib import Path
from typing import Annotated

import typer

from stemline.engines import device_names
from stemline.engines.runtimes import RUNTIMES

Models = Annotated[list[str] | None, typer.Argument(metavar="MODEL", help="Models or artifacts.")]
Engines = Annotated[str, typer.Option(help=f"By commas: torch, {', '.join(RUNTIMES)}.")]
Batches = Annotated[str, typer.Option(help="Chunks run at once, by commas.")]
Rounds = Annotated[int, typer.Option(min=1, help="Runs counted of each.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads; everything is kept to as many cores.")]
Device = Annotated[str, typer.Option(help=f"{device_names()}.")]
Weights = Annotated[
    Path | None, typer.Option(help="The checkpoint, when torch's is not in the cache.")
]

Overlaps = Annotated[str, typer.Option(help="Also time a whole track at each of these, by commas.")]
TrackS = Annotated[float, typer.Option(help="Seconds of that track.")]
MaxS = Annotated[
    float, typer.Option(help="Run no longer at an overlap; estimate the rest of the track.")
]
Grpc = Annotated[
    bool, typer.Option("--grpc", help="Also time a clip in process against over gRPC.")
]
ClipS = Annotated[float, typer.Option(help="Seconds of that clip.")]

Quality = Annotated[
    bool, typer.Option("--quality", help="Also separate songs whose stems are known.")
]
QualityOverlaps = Annotated[str, typer.Option(help="At each of these, by commas.")]
Songs = Annotated[int, typer.Option(help="How many, held out from training; 1 to 1000.")]
SongS = Annotated[float, typer.Option(help="Seconds of each, 0.5 to 600.")]
SongsDir = Annotated[
    Path | None,
    typer.Option(help="Songs of your own: folders with mixture.wav and a file a stem."),
]

Markdown = Annotated[
    Path | None, typer.Option(help="Page that the tables of --quality are written into.")
]
Plot = Annotated[Path | None, typer.Option(help="Folder for bar charts, PNG.")]
