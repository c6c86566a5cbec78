"""The options that `stemline separate` has alone."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stemline.errors import RequestError
from stemline.postprocessing.formats import FORMATS, OutputFormat, find_format

from ..output_names import FIELDS
from ..text_embeddings import checked_texts

# As users choose among them; a type checker wants the names of an Enum written out.
Container = StrEnum("Container", list(FORMATS))  # type: ignore[misc]
DEFAULT_CONTAINER = next(iter(Container))
DEFAULT_BITS, DEFAULT_BITRATE_KBPS = 16, 192

Model = Annotated[
    str,
    typer.Option(
        "-m", "--model", "-n", "--name", help="A model, an artifact or a path to an .onnx file."
    ),
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
Residual = Annotated[
    bool, typer.Option("--residual", help="Also the mixture minus the wanted stems.")
]
Text = Annotated[
    list[str] | None,
    typer.Option(
        help="What to separate, in words, for a model that takes them; may be given again for more."
    ),
]
TextFile = Annotated[
    Path | None, typer.Option(help="The same from a file of UTF-8, one on each line.")
]
Mono = Annotated[bool, typer.Option("--mono", help="With --text: mix to mono first.")]
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
Bitrate = Annotated[int, typer.Option("--bitrate", "--mp3-bitrate", help="Of MP3, kbit/s.")]
Mp3 = Annotated[bool, typer.Option("--mp3", help="The same as --format mp3.")]
Flac = Annotated[bool, typer.Option("--flac", help="The same as --format flac.")]
Int24 = Annotated[bool, typer.Option("--int24", help="The same as --bits 24.")]
Float32 = Annotated[bool, typer.Option("--float32", help="The same as --bits 32.")]
NoTags = Annotated[
    bool, typer.Option("--no-tags", help="Leave the input's tags and cover out of the stems.")
]
Segment = Annotated[
    float | None,
    typer.Option(help="Taken and not needed: an exported network has the segment it was made for."),
]
Jobs = Annotated[int, typer.Option("-j", "--jobs", min=1, help="Files under way at once.")]


def output_format(
    container: str, bits: int, bitrate_kbps: int, short: Mapping[str, bool]
) -> OutputFormat:
    """The format that --format, --bits and `short`, the flags that stand for them, ask for.

    Raises RequestError where two of them disagree.
    """
    containers = [name for name in FORMATS if short.get(name)]
    depths = {"int24": 24, "float32": 32}
    widths = [name for name in depths if short.get(name)]
    asked = [*containers, *([container] if container != DEFAULT_CONTAINER else [])]
    if len(set(asked)) > 1:
        raise RequestError(
            "format", f"{' and '.join(asked)} exclude each other; ask for one format"
        )
    wanted = {depths[name] for name in widths} | ({bits} if bits != DEFAULT_BITS else set())
    if len(wanted) > 1:
        raise RequestError(
            "bits", f"{' and '.join(map(str, sorted(wanted)))} bits exclude each other"
        )
    return OutputFormat(
        container=asked[0] if asked else container,
        bits=wanted.pop() if wanted else bits,
        bitrate_kbps=bitrate_kbps,
    )


def texts_of(texts: Sequence[str] | None, file: Path | None) -> tuple[str, ...]:
    """Those of the command, then those of the file without its empty lines, each once.

    Raises RequestError for a file that cannot be read, or says nothing.
    """
    found = list(texts or ())
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise RequestError("text_file", f"--text-file {file}: {error}") from error
        lines = [line for line in lines if line.strip()]
        if not lines:
            raise RequestError("text_file", f"--text-file {file} says nothing")
        found += lines
    return checked_texts(found)


def unused(output: OutputFormat) -> str:
    """What was asked for of the samples and is nothing of this format; empty where there is none.

    Said, as whoever types `--mp3-bitrate` and no `--mp3` may expect MP3.
    """
    has_bitrate = find_format(output.container).has_bitrate
    if has_bitrate and output.bits != DEFAULT_BITS:
        return f"{output.container} has a bitrate and no bits; {output.bits} bits change nothing"
    if not has_bitrate and output.bitrate_kbps != DEFAULT_BITRATE_KBPS:
        lossy = " or ".join(f"--{name}" for name in FORMATS if find_format(name).has_bitrate)
        return f"{output.container} has no bitrate; {lossy} asks for what has"
    return ""
