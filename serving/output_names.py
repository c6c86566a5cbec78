"""The paths of outputs, made of the names of inputs, models and stems."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from string import Formatter

from stemline.errors import RequestError
from stemline.postprocessing.stems import stem_file_name

FIELDS = {
    "parent": "the folder that the input is in",
    "track": "the input's name without its suffix",
    "trackext": "that suffix",
    "model": "the model",
    "stem": "the stem",
    "ext": "the stems' own suffix",
}
"""What a template may have in braces, and what it stands for."""

# As demucs, audio-separator and MSST call them.
_SYNONYMS = {
    "audio_file_base": "track",
    "file_name": "track",
    "filename": "track",
    "dir_name": "parent",
    "model_name": "model",
    "stem_name": "stem",
    "instr": "stem",
    "output_format": "ext",
}


def track_name(path: Path) -> str:
    """An input's file name without its suffix, as a name that stays in the folder it is put in.

    Of a name such as `...wav`, whose stem would be the folder above, it is the whole name.
    """
    return path.name if path.stem in ("", ".", "..") else path.stem


def stem_file_names(stems: Iterable[str]) -> dict[str, str]:
    """Stem → its name as part of a file's; no two are one, whatever the stems are called."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for stem in stems:
        name = stem_file_name(stem)
        while name.lower() in taken:
            name += "_"
        taken.add(name.lower())
        names[stem] = name
    return names


@dataclass(frozen=True)
class FileNames:
    """A template of paths below a folder: `{parent}/{track}/{model}/{stem}.{ext}`."""

    template: str
    ext: str
    """The suffix of the stems, `wav`."""

    def __post_init__(self) -> None:
        """Raise RequestError for a template that no file could be named by."""
        fields = self._fields()
        unknown = [name for name in fields if _field(name) not in FIELDS]
        if unknown:
            raise RequestError("filename", _unknown_field(unknown[0]))
        path = PurePosixPath(self.template)
        if path.is_absolute() or ".." in path.parts:
            raise RequestError(
                "filename", f"--filename is below --out; got {self.template!r}, which leads out"
            )
        if not self.template.endswith((f".{self.ext}", *_placeholders("ext"))):
            raise RequestError(
                "filename", f"--filename must end in .{{ext}}; got {self.template!r}"
            )

    def has(self, field: str) -> bool:
        """Whether paths depend on this field."""
        return field in {_field(name) for name in self._fields()}

    def paths(self, source: Path, model: str, stems: Iterable[str]) -> dict[str, Path]:
        """Stem → its path relative to the folder of all outputs; none leads out of it."""
        values = {
            "parent": source.absolute().parent.name or "root",
            "track": track_name(source),
            "trackext": source.suffix[1:],
            "model": stem_file_name(model),
            "ext": self.ext,
        }
        parts = [part for part in self.template.split("/") if part]
        paths = {}
        for stem, name in stem_file_names(stems).items():
            filled = [self._filled(part, {**values, "stem": name}) for part in parts]
            paths[stem] = Path(*("_" if part in ("", ".", "..") else part for part in filled))
        return paths

    def _fields(self) -> list[str]:
        """The names in braces. Raises RequestError for braces that do not match, and the like."""
        try:
            parts = list(Formatter().parse(self.template))
        except ValueError as error:
            raise RequestError(
                "filename", f"--filename {self.template!r} cannot be read: {error}"
            ) from error
        found = []
        for _, name, spec, conversion in parts:
            if name is not None:
                if spec or conversion:
                    raise RequestError(
                        "filename", f"--filename takes plain names in braces; got {self.template!r}"
                    )
                found.append(name)
        return found

    def _filled(self, part: str, values: Mapping[str, str]) -> str:
        return "".join(
            text + ("" if name is None else values[_field(name)])
            for text, name, _, _ in Formatter().parse(part)
        )


def _field(name: str) -> str:
    return _SYNONYMS.get(name, name)


def _placeholders(field: str) -> list[str]:
    names = [field, *(other for other, own in _SYNONYMS.items() if own == field)]
    return [f".{{{name}}}" for name in names]


def _unknown_field(name: str) -> str:
    near = get_close_matches(name, [*FIELDS, *_SYNONYMS], 1)
    hint = f"; did you mean {{{near[0]}}}?" if near else ""
    listed = ", ".join(f"{{{field}}} ({meaning})" for field, meaning in FIELDS.items())
    return f"--filename has no {{{name}}}{hint} There are {listed}"
