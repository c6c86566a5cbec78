"""What kills need: a folder of everything, small artifacts, songs, and commands on them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from stemline.errors import BenchError
from stemline.serving.default_model import small_model

from ..containers.making import RATE_HZ, music
from .kill_subjects import ExportSubject, Subject
from .warm_processes import PlainProcess, Running, WarmParent

STEMS, BEATS = small_model("separate"), small_model("beats")
"""The models that are exported, with random weights: nothing is downloaded, and no song played."""
_SONGS_S = {"one": 2.0, "two": 1.5, "three": 1.0}
_TORCHS = "torchinductor_"  # its cache, of one name for all processes of a user
_FORMATS = {
    "wav": [],
    "float": ["--float32"],
    "flac": ["--format", "flac"],
    "mp3": ["--format", "mp3"],
}


@dataclass
class Workplace:
    """A folder in which everything happens, and the process that commands are forks of."""

    folder: Path
    parent: WarmParent
    environment: Mapping[str, str]

    @property
    def temporary(self) -> Path:
        """The folder of temporary files, of every process that is started here."""
        return self.folder / "temporary"

    @property
    def artifacts(self) -> Path:
        """What is exported and is not killed."""
        return self.folder / "artifacts"

    @property
    def songs(self) -> Path:
        """Three of them."""
        return self.folder / "songs"

    @property
    def log(self) -> Path:
        """What the last command said."""
        return self.folder / "command.log"

    def start(
        self,
        arguments: Sequence[str],
        stdin: Path | None = None,
        *,
        log: Path | None = None,
        is_plain: bool = False,
    ) -> Running:
        """Start a command, whose words go to `log`; `is_plain`: as a shell does, not as a fork."""
        log = log or self.log
        log.write_bytes(b"")
        if is_plain:
            return PlainProcess(arguments, log, stdin, self.environment)
        return self.parent.start(arguments, log, stdin)

    def run(self, arguments: Sequence[str], stdin: Path | None = None) -> None:
        """Run a command to its end. Raises BenchError where it fails."""
        status = self.start(arguments, stdin).wait()
        if status:
            said = self.log.read_text(errors="replace")[-1000:]
            raise BenchError(f"stemline {' '.join(arguments)} ended with {status}: {said}")

    def wrong(self) -> list[str]:
        """What must not be once nothing runs, whole sentences."""
        names = sorted(path.name for path in self.temporary.iterdir())
        left = [name for name in names if not name.startswith(_TORCHS)]
        return [f"{left} stay in the folder of temporary files"] if left else []

    def export(self, name: str) -> list[str]:
        """The arguments that export a model with random weights."""
        return ["export", name, "--weights", "random"]


def workplace(folder: Path, modules: Sequence[str]) -> Workplace:
    """An empty workplace; its `parent` is to be closed. `modules` are imported before the forks."""
    for name in ("temporary", "artifacts", "songs", "home"):  # before a process looks for them
        (folder / name).mkdir(parents=True, exist_ok=True)
    environment = _environment(folder)
    place = Workplace(folder, WarmParent(environment, modules), environment)
    for name, seconds in _SONGS_S.items():
        samples = music(round(seconds * RATE_HZ))
        soundfile.write(place.songs / f"{name}.wav", samples.T, RATE_HZ)
    return place


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STEMLINE_")}
    temporary, home = str(folder / "temporary"), str(folder / "home")
    return {**kept, "TMPDIR": temporary, "HOME": home, "XDG_CACHE_HOME": home, "COLUMNS": "200"}


def commands(place: Workplace, address: str) -> dict[str, Subject]:
    """The commands that write files, by name; `remote` asks the server at `address`."""
    song, out = str(place.songs / "one.wav"), place.folder / "out"
    here = ["--artifacts", str(place.artifacts), "--allow-untrained", "--threads", "1"]
    model = ["-m", STEMS]

    def separate(name: str, *more: str) -> Subject:
        return Subject(name, ["separate", *more, *model, *here, "-o", str(out / name)], out / name)

    subjects = [separate(name, song, *options) for name, options in _FORMATS.items()]
    subjects.append(separate("folder", str(place.songs), "--jobs", "2", "--mp3"))
    piped = separate("piped", "-")
    piped.stdin = place.songs / "one.wav"
    subjects.append(piped)
    remote = ["separate", song, "--server", address, "--flac", "-o", str(out / "remote"), *model]
    subjects.append(Subject("remote", remote, out / "remote"))
    subjects.append(_beats(place, here))
    subjects += [_export(place, name) for name in (STEMS, BEATS)]
    return {subject.name: subject for subject in subjects}


def _beats(place: Workplace, here: Sequence[str]) -> Subject:
    out = place.folder / "out" / "beats"
    suffixes = {"csv": "csv", "beats": "beats", "plot": "png", "click": "wav", "activations": "npz"}
    files = [f"--{option}={out / f'song.{suffix}'}" for option, suffix in suffixes.items()]
    song = str(place.songs / "one.wav")
    return Subject("beats", ["beats", song, "-m", BEATS, "--separator", STEMS, *here, *files], out)


def _export(place: Workplace, name: str) -> Subject:
    out = place.folder / "out" / f"export {name}"
    arguments = [*place.export(name), "--artifacts", str(out)]
    return ExportSubject(f"export {name}", arguments, out, place.artifacts / f"{STEMS}.fp32")
