"""The options that `stemline separate` has alone."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stemline.postprocessing.formats import FORMATS

from ..output_names import FIELDS

# As users choose among them; a type checker wants the names of an Enum written out.
Container = StrEnum("Container", list(FORMATS))  # type: ignore[misc]
DEFAULT_CONTAINER = next(iter(Container))

Model = Annotated[
    str, typer.Option("-m", "--model", help="A model, an artifact or a path to an .onnx file.")
]
Out = Annotated[
    Path,
    typer.Option(
        "-o", "--out", help="Stems go to OUT/<input name>/; - is standard output, for one stem."
    ),
]
Filename = Annotated[
    str,
    typer.Option(
        metavar="TEMPLATE",
        help=f"Each stem's path below OUT, of {', '.join(f'{{{name}}}' for name in FIELDS)}; the "
        "stems of a second model go to {track}/{model}/ by default.",
    ),
]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Leave out inputs whose stems are all there.")
]
Stems = Annotated[str, typer.Option(help="Only these, separated by commas.")]
TwoStems = Annotated[
    str, typer.Option(help="One stem and its complement, the mixture minus the stem.")
]
Overlap = Annotated[
    float | None,
    typer.Option(help="N of 2 or more: hop = chunk/N. Below 1: the share that overlaps."),
]
Shifts = Annotated[
    int,
    typer.Option(
        min=0,
        help="Separations that are averaged, each begun elsewhere, where the model has shifts; "
        "0: none.",
    ),
]
Seed = Annotated[int, typer.Option(help="Of the shifts: same seed, same stems.")]
Format = Annotated[Container, typer.Option("--format", help="Container of the stems.")]
Bits = Annotated[int, typer.Option(help="16, 24, or 32 for float (WAV).")]
Bitrate = Annotated[int, typer.Option(help="Of MP3, kbit/s.")]
Jobs = Annotated[int, typer.Option(min=1, help="Files under way at once.")]
