"""Where the stems of every input go, and what is in the way: known before any work."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stemline.errors import RequestError

from ..output_names import FileNames
from ..stem_places import Place, replaced_words
from .report import say, warn

# Tried in turn where inputs would write to the same files.
_KEEP_APART = (
    "{parent}/{track}/{stem}.{ext}",
    "{track}.{trackext}/{stem}.{ext}",
    "{parent}/{track}.{trackext}/{stem}.{ext}",
)


@dataclass(frozen=True)
class Made:
    """What a model makes of every input."""

    model: str
    """Its name in paths: of its usual precision the model's, else the artifact's."""
    stems: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What is to be separated, where to, and what is there already."""

    places: dict[Path, Place]
    done: dict[Path, dict[str, Path]]
    """Inputs that are skipped, with the files that they have: stem → path."""
    is_checked: bool
    """Whether it is known what will be replaced, and was said."""


def distinct_inputs(files: Sequence[Path], names: FileNames, out: Path) -> list[Path]:
    """The inputs, each once. Raises RequestError where two of them would share an output."""
    taken: dict[Path, Path] = {}
    clashes: list[tuple[Path, Path]] = []
    for path in files:
        target = _target(path, names)
        other = taken.setdefault(target, path)
        if other is path:
            continue
        if other == path or other.resolve() == path.resolve():
            say(f"{path} is named twice and separated once")
        else:
            clashes.append((other, path))
    if clashes:
        one, other = clashes[0]
        more = f", and {len(clashes) - 1} more clash" if len(clashes) > 1 else ""
        raise RequestError(
            "files",
            f"{one} and {other} would both write to {out / _target(one, names).parent}{more}; "
            f"{_advice(files, names.ext)}",
        )
    return list(taken.values())


def plan(
    files: Sequence[Path], names: FileNames, out: Path, made: Made | None, *, skip_existing: bool
) -> Plan:
    """Choose the files of every input, and say what will be replaced.

    `made` is None where only a server knows it. Raises RequestError where a stem would be written
    over an input.
    """
    if made is None:
        return Plan({path: Place(path, out, names, "") for path in files}, {}, is_checked=False)
    places = {path: Place(path, out, names, made.model).of_model() for path in files}
    _check_inputs(places, made)
    done = {}
    if skip_existing:
        for path, place in places.items():
            paths = place.paths(made.stems)
            if all(target.is_file() for target in paths.values()):
                done[path] = paths
    places = {path: place for path, place in places.items() if path not in done}
    say_replaced(target for place in places.values() for target in place.paths(made.stems).values())
    return Plan(places, done, is_checked=True)


def say_replaced(targets: Iterable[Path]) -> None:
    """Say which of these files are there and will be replaced, if any are."""
    if words := replaced_words(targets):
        warn(f"{words}; --skip-existing keeps stems that are complete")


def has_outputs(files: Sequence[Path], names: FileNames, out: Path) -> bool:
    """Whether there is anything in the folder of some input's stems."""
    return any((out / _target(path, names).parent).is_dir() for path in files)


def _check_inputs(places: dict[Path, Place], made: Made) -> None:
    inputs = {path.resolve(): path for path in places}
    for place in places.values():
        for stem, target in place.paths(made.stems).items():
            if target.resolve() in inputs:
                raise RequestError(
                    "out",
                    f"{stem} of {place.path} would be written over the input "
                    f"{inputs[target.resolve()]}; choose another --out",
                )


def _target(path: Path, names: FileNames) -> Path:
    """A path that two inputs share where they would share any."""
    return names.paths(path, "model", ["stem"])["stem"]


def _advice(files: Sequence[Path], ext: str) -> str:
    n_files = len({path.resolve() for path in files})
    for template in _KEEP_APART:
        if len({_target(path, FileNames(template, ext)) for path in files}) >= n_files:
            return (
                f"keep them apart with --filename '{template}', or separate them into different "
                "--out folders"
            )
    return "separate them into different --out folders"
