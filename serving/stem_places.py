"""Where the stems of an input are written, and under whose name: the same for every door."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stemline.engines.artifact import DEFAULT_PRECISION
from stemline.errors import RequestError

from .jobs import SeparateOptions
from .output_names import FileNames
from .stem_origin import models_in

DEFAULT = "{track}/{stem}.{ext}"
"""Below the folder of all outputs, by the template's fields."""
_OF_ANOTHER_MODEL = "{track}/{model}/{stem}.{ext}"


@dataclass(frozen=True)
class Place:
    """Where the stems of one input go."""

    path: Path
    out: Path
    names: FileNames
    model: str

    def paths(self, stems: Iterable[str]) -> dict[str, Path]:
        """Stem → its file."""
        below = self.names.paths(self.path, self.model, stems)
        return {stem: self.out / path for stem, path in below.items()}

    def of_model(self) -> "Place":
        """By default the stems of another model that lie there are left alone."""
        if self.names.template == DEFAULT:
            others = models_in(next(iter(self.paths(["stem"]).values())).parent)
            if others and self.model not in others:
                return replace(self, names=FileNames(_OF_ANOTHER_MODEL, self.names.ext))
        return self


def file_names(template: str, container: str, options: SeparateOptions) -> FileNames:
    """The template. Raises RequestError where it is none, or several stems would be one file."""
    names = FileNames(template, container)
    if not names.has("stem") and n_stems(options) != 1:
        raise RequestError(
            "filename",
            f"--filename {names.template!r} has no {{stem}}: all stems would be one file; one "
            "alone is chosen with --stems NAME, or by one --text",
        )
    return names


def n_stems(options: SeparateOptions) -> int | None:
    """How many files a track becomes; None where that is for the model to say."""
    wanted = options.text or options.stems
    return len(wanted) + options.residual if wanted else None


def model_in_paths(model: str, artifact: str) -> str:
    """What a model is called in paths: an artifact of the usual precision by the model's name."""
    return model if artifact == f"{model}.{DEFAULT_PRECISION}" else artifact


def replaced_words(targets: Iterable[Path]) -> str:
    """Which of these files are there and will be replaced, in words; empty where none is."""
    there: Sequence[Path] = [target for target in targets if target.is_file()]
    if not there:
        return ""
    more = f" and {len(there) - 1} more that are there" if len(there) > 1 else ", which is there,"
    return f"{there[0]}{more} will be replaced"
