"""The options that `stemline beats` has alone."""

from pathlib import Path
from typing import Annotated

import typer

from stemline.postprocessing.formats import FORMATS, listed

Model = Annotated[
    str,
    typer.Option(
        "-m", "--model", "-n", "--name", help="A beat model, artifact or path to an .onnx file."
    ),
]
Separator = Annotated[
    str,
    typer.Option(
        help="The model that makes the stems to hear; the one the beat model learned from."
    ),
]
StemsFrom = Annotated[
    Path | None,
    typer.Option(
        help="Take stems that `separate -o DIR` wrote, in DIR/<input name>/; of one file also "
        "those in DIR itself."
    ),
]

Csv = Annotated[
    Path | None,
    typer.Option(help="A table of all events. Of several inputs this is a folder, as below."),
]
Plot = Annotated[Path | None, typer.Option(help="PNG: waveform, beats, downbeats, sections.")]
Click = Annotated[
    Path | None,
    typer.Option(
        help="The track with clicks, higher on downbeats; "
        f"{listed([f'.{name}' for name in FORMATS])}."
    ),
]
BeatsFile = Annotated[
    Path | None, typer.Option("--beats", help="Text as mir_eval reads it: time, tab, position.")
]
Activations = Annotated[
    Path | None, typer.Option(help="NPZ: the network's probabilities in every frame.")
]
