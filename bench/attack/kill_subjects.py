"""What is killed, and what may lie there then: whole files, and parts that the next run removes."""

import hashlib
import json
import random
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stemline.engines import open_engine, read_artifact
from stemline.engines.artifact import MANIFEST, read_manifest
from stemline.errors import StemlineError
from stemline.export.manifest import check_files
from stemline.serving.library import Library

_NEIGHBOUR = "neighbour.fp32"
_PART = re.compile(r".+\.[0-9a-f]{8}\.part")


@dataclass
class Killed:
    """What came of the kills of one command."""

    kills: int = 0
    too_late: int = 0
    """Times that it had ended by itself."""
    moments: dict[str, int] = field(default_factory=dict)
    """Kills by the kind of moment."""
    with_parts: int = 0
    """Kills after which there was something without a final name."""
    runs: int = 0
    """Runs to the end after kills."""
    wrong: list[str] = field(default_factory=list)
    """What must not be, whole sentences."""

    def add(self, moment: str, n_parts: int, wrong: Sequence[str]) -> None:
        """Count one kill."""
        self.kills += 1
        self.moments[moment] = self.moments.get(moment, 0) + 1
        self.with_parts += n_parts > 0
        self.wrong += [f"killed {moment}: {words}" for words in wrong]


class Subject:
    """A command that writes files into a folder, the same ones whenever it runs."""

    n_undisturbed = 2
    """How often it runs by itself at first, to see that they are the same."""

    def __init__(
        self, name: str, arguments: Sequence[str], folder: Path, stdin: Path | None = None
    ) -> None:
        """`arguments` of the command; `folder` is where its files go."""
        self.name = name
        self.arguments = list(arguments)
        self.folder = folder
        self.stdin = stdin
        self._digests: Mapping[str, str] = {}

    def prepare(self, dice: random.Random) -> None:
        """What the next run finds: nothing, what the last one made, or what a killed one left."""
        if dice.random() < 0.5:
            self.clear()

    def clear(self) -> None:
        """Begin anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def learn(self) -> None:
        """Take the files that are there now for the right ones."""
        self._digests = self._found()

    def is_part(self, path: Path) -> bool:
        """Whether a file has no final name."""
        return _PART.fullmatch(path.name) is not None

    def left(self) -> list[Path]:
        """What is not under a final name."""
        return [path for path in _files(self.folder) if self.is_part(path)]

    def wrong_when_killed(self) -> list[str]:
        """What must not be, whole sentences."""
        return [
            f"{name} is not whole"
            for name, digest in self._found().items()
            if not self.is_part(Path(name)) and digest != self._digests.get(name)
        ]

    def wrong_when_done(self) -> list[str]:
        """What must not be after a run that nothing disturbed."""
        found = self._found()
        names = sorted(found.keys() ^ self._digests.keys())
        return [
            *(f"{name} is {'left' if name in found else 'missing'} after a run" for name in names),
            *self.wrong_when_killed(),
        ]

    def _found(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in _files(self.folder)
        }


class ExportSubject(Subject):
    """An export, whose artifact is another one each time; beside it lies one that stays."""

    n_undisturbed = 1

    def __init__(self, name: str, arguments: Sequence[str], folder: Path, neighbour: Path) -> None:
        super().__init__(name, arguments, folder)
        self._neighbour = neighbour
        self._artifact = folder / f"{arguments[1]}.fp32"

    def clear(self) -> None:
        """Begin anew, with the neighbour alone."""
        super().clear()
        shutil.copytree(self._neighbour, self.folder / _NEIGHBOUR)

    def prepare(self, dice: random.Random) -> None:
        """Nothing there, or an artifact that is of another export and is to be replaced."""
        if dice.random() < 0.5:
            self.clear()
        path = self._artifact / MANIFEST
        if path.exists():
            path.write_text(json.dumps({**json.loads(path.read_text()), "fingerprint": "another"}))

    def learn(self) -> None:
        """Nothing: an artifact holds the seconds that its parts took."""

    def is_part(self, path: Path) -> bool:
        """Whether a file is in a folder that nothing lists."""
        return path.relative_to(self.folder).parts[0].startswith(".")

    def wrong_when_killed(self) -> list[str]:
        """What must not be, whole sentences."""
        folders = [path for path in self.folder.iterdir() if not path.name.startswith(".")]
        wrong = [words for folder in folders if (words := _wrong_artifact(folder))]
        listed = {model.name for model in Library(self.folder).models()}
        if listed != {folder.name for folder in folders}:
            wrong.append(f"of {len(folders)} artifacts {sorted(listed)} are listed")
        if _NEIGHBOUR not in listed:
            wrong.append("an artifact that was there is gone")
        return wrong

    def wrong_when_done(self) -> list[str]:
        """What must not be after a run that nothing disturbed."""
        names = sorted(path.name for path in self.folder.iterdir())
        wanted = sorted([self._artifact.name, _NEIGHBOUR])
        wrong = [] if names == wanted else [f"{names} are there after an export"]
        return [*wrong, *self.wrong_when_killed()]


def _wrong_artifact(folder: Path) -> str:
    """What is wrong with an artifact under its final name; empty where it is whole."""
    try:
        artifact, manifest = read_artifact(folder), read_manifest(folder)
        check_files(manifest, folder)
        open_engine(artifact.engine_path, "cpu", 1).close()
    except StemlineError as error:
        return str(error)
    there = {path.relative_to(folder).as_posix() for path in _files(folder)}
    extra = sorted(there - {MANIFEST, *manifest["files"]})
    return f"{folder.name} holds {extra}" if extra else ""


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
