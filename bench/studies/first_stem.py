"""From `pip install` of the wheel to the first stem, in an empty folder: seconds and megabytes.

    make wheel && python -m stemline.bench.studies.first_stem --wheel dist/*.whl

The environment is new and knows no torch, nothing is taken from pip's cache, no variable of
stemline's is set and no data folder is there: what a newcomer has. Only the song is made by the
package itself, which ships a band; everything else is typed as README says it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import soundfile

from ..machine import describe_machine
from ..pages import machine_line, short, table
from .common import add_outputs, write_outputs

SONG_S = 30


@dataclass(frozen=True)
class Step:
    """One thing typed, and what it cost."""

    typed: str
    seconds: float
    until_s: float
    """Since the first step began."""


@dataclass(frozen=True)
class Story:
    """All steps, and what they left on the disk."""

    steps: tuple[Step, ...]
    downloaded_mb: float
    """All wheels but the one that is tried; 10⁶ bytes."""
    wheel_mb: float
    installed_mb: float
    """Of what site-packages has, all that came; 10⁶ bytes."""
    largest_mb: dict[str, float]
    """What site-packages has besides pip, over a megabyte, largest first."""
    song_s: int


def sizes_mb(folder: Path) -> dict[str, float]:
    """What each file or folder in a folder holds, with all below it; 10⁶ bytes."""
    sizes = {}
    for entry in folder.iterdir():
        files = (path for path in (entry, *entry.rglob("*")) if path.is_file())
        sizes[entry.name] = sum(path.stat().st_size for path in files) / 1e6
    return sizes


def clean_variables(folder: Path) -> dict[str, str]:
    """The environment without anything of stemline's or Python's, and with a new data folder."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("STEMLINE_", "PYTHON", "VIRTUAL_ENV"))
    }
    return {**kept, "XDG_DATA_HOME": str(folder / "data")}


def story(wheel: Path, constraints: Path | None) -> Story:
    """Live it once. Raises CalledProcessError with what a step printed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment, empty = folder / "environment", folder / "empty"
        empty.mkdir()
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        python, stemline = environment / "bin" / "python", str(environment / "bin" / "stemline")
        before_mb = sizes_mb(_site_packages(environment))
        limits = ["-c", str(constraints)] if constraints else []
        pip, packages = [str(python), "-m", "pip"], ["--no-cache-dir", f"{wheel}[cpu]", *limits]
        band = [stemline, "band", "--seed", "1", "--duration-s", str(SONG_S), "-o", "."]
        typed = {
            "pip install 'stemline[cpu]'": [*pip, "install", *packages],
            "stemline --version": [stemline, "--version"],
            "stemline models": [stemline, "models"],
            "stemline separate song.wav": [stemline, "separate", "song.wav"],
            "stemline beats song.wav": [stemline, "beats", "song.wav"],
        }
        steps: list[Step] = []
        elapsed_s = 0.0
        for words, command in typed.items():
            if command[1] == "separate":  # the listener brings a song of their own: not counted
                _done(band, empty)
                (empty / "1" / "mixture.wav").rename(empty / "song.wav")
            started = time.perf_counter()
            _done(command, empty)
            seconds = time.perf_counter() - started
            elapsed_s += seconds
            steps.append(Step(words, round(seconds, 2), round(elapsed_s, 2)))
        _check(empty)
        after_mb = sizes_mb(_site_packages(environment))
        new_mb = {name: size - before_mb.get(name, 0.0) for name, size in after_mb.items()}
        largest = sorted(new_mb.items(), key=lambda item: -item[1])
        wheel_mb = wheel.stat().st_size / 1e6
        _done([*pip, "download", "-d", str(folder / "wheels"), *packages], empty)
        downloaded_mb = sum(sizes_mb(folder / "wheels").values()) - wheel_mb
        return Story(
            steps=tuple(steps),
            downloaded_mb=round(downloaded_mb, 1),
            wheel_mb=round(wheel_mb, 1),
            installed_mb=round(sum(new_mb.values()), 1),
            largest_mb={name: round(size, 1) for name, size in largest if size > 1},
            song_s=SONG_S,
        )


def _done(command: Sequence[str], folder: Path) -> None:
    """Run a command to its end. Raises CalledProcessError with what it printed."""
    subprocess.run(
        command,
        cwd=folder,
        env=clean_variables(folder),
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _site_packages(environment: Path) -> Path:
    """Where the packages are."""
    (found,) = environment.glob("lib/python*/site-packages")
    return found


def _check(folder: Path) -> None:
    """Raise AssertionError unless the four stems are there, each as long as the song."""
    n_frames = soundfile.info(folder / "song.wav").frames
    stems = sorted((folder / "separated" / "song").glob("*.wav"))
    assert [path.stem for path in stems] == ["bass", "drums", "other", "vocals"], stems
    for path in stems:
        assert soundfile.info(path).frames == n_frames, f"{path} is not as long as the song"


def story_markdown(found: Story, machine: str, command: str) -> str:
    """The steps and the sizes as tables."""
    rows = [[f"`{step.typed}`", short(step.seconds), short(step.until_s)] for step in found.steps]
    largest = ", ".join(f"{name} {short(size)}" for name, size in found.largest_mb.items())
    return (
        f"    {command}\n\n{machine}\n\n"
        f"{table(('typed', 'seconds', 'since the beginning'), rows)}\n"
        f"The song has {found.song_s} s. Downloaded: {short(found.downloaded_mb)} MB, and the "
        f"wheel of {short(found.wheel_mb)} MB with `mini` and `mini-beats` in it. On the disk: "
        f"{short(found.installed_mb)} MB ({largest}).\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Live the story once, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--constraints", type=Path, help="pip's -c; without it, the newest of all")
    add_outputs(parser)
    options = parser.parse_args(arguments)
    machine = asdict(describe_machine(os.cpu_count() or 1))
    found = story(options.wheel.resolve(), options.constraints and options.constraints.resolve())
    command = f"make wheel && python -m {__package__}.first_stem --wheel dist/*.whl"
    report = {"machine": machine, **asdict(found)}
    write_outputs(
        report,
        options,
        "first_stem",
        story_markdown(found, machine_line(machine, with_load=True), command),
    )


if __name__ == "__main__":
    main()
