"""A file to one file a stem, as the command writes them: from a model here or a server's."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stemline.errors import RequestError
from stemline.postprocessing.encode import OutputFormat
from stemline.serving.files import SeparatedFile, Source, separate_file
from stemline.serving.jobs import SeparateOptions
from stemline.serving.stem_origin import mark
from stemline.serving.stem_places import Place, file_names, model_in_paths, replaced_words

from .sources import Progress, StrPath

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StemFiles:
    """Where stems go and how they are encoded, as `separate_file` is asked for it."""

    out: StrPath
    filename: str
    format: str
    bits: int
    bitrate_kbps: int


def write_stems(
    source: StrPath,
    separator: Source,
    model_of: Callable[[], tuple[str, str]],
    files: StemFiles,
    options: SeparateOptions,
    *,
    strict: bool,
    tags: bool,
    on_progress: Progress | None,
) -> SeparatedFile:
    """Separate a file into files; `model_of` has the model and the artifact once it is under way.

    Raises as `Separator.separate_file`, or as the server refuses.
    """
    if not isinstance(source, str | os.PathLike):
        raise RequestError(
            "source",
            "separate_file takes the path of an audio file; samples are for separate, whose stems "
            f"are written by save; got {type(source).__name__}",
        )
    path = Path(source)
    output = OutputFormat(files.format, files.bits, files.bitrate_kbps)
    names = file_names(files.filename, output.container, options)

    def paths_of(stems: Sequence[str]) -> dict[str, Path]:
        place = Place(path, Path(files.out), names, model_in_paths(*model_of()))
        paths = place.of_model().paths(stems)
        if words := replaced_words(paths.values()):
            _log.warning("%s", words)
        return paths

    made = separate_file(
        path,
        separator,
        paths_of,
        output,
        options,
        on_progress,
        strict=strict,
        tags=tags,
        made_by=lambda: model_in_paths(*model_of()),
    )
    mark(made.stems.values(), model_in_paths(*model_of()))
    for stem, n_clipped in made.clipped_samples.items():
        _log.warning(
            "%s: %d samples of %s went beyond full scale and were clipped; "
            "format='wav', bits=32 keeps them",
            path,
            n_clipped,
            stem,
        )
    return made
