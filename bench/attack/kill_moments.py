"""When a command is killed: at any moment, while it writes, or as its files take their places."""

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .kill_subjects import Subject
from .warm_processes import Running

_LOOK_S = 0.0005
_MOST_S = 300.0

Seen = frozenset[tuple[str, int]]
"""The files that are there, by path and inode."""


@dataclass(frozen=True)
class Times:
    """When things happen in a run, in seconds from its beginning."""

    writing_s: float
    """The first file is there, under whatever name."""
    placing_s: float
    """The first file takes its place."""
    end_s: float


class Watch:
    """The files of a subject's folder, looked at again and again while its command runs."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._before = _seen(subject.folder)

    def is_writing(self) -> bool:
        """Whether any file is new."""
        return bool(_seen(self._subject.folder) - self._before)

    def is_placing(self) -> bool:
        """Whether a file under its final name is new."""
        new = _seen(self._subject.folder) - self._before
        return any(not self._subject.is_part(Path(path)) for path, _ in new)


def measured(subject: Subject, running: Running, watch: Watch) -> Times:
    """The times of a run that is left alone."""
    began = time.monotonic()
    found: dict[str, float] = {}
    while not running.has_ended():
        for name, happens in (("writing", watch.is_writing), ("placing", watch.is_placing)):
            if name not in found and happens():
                found[name] = time.monotonic() - began
        time.sleep(_LOOK_S)
    end_s = time.monotonic() - began
    return Times(found.get("writing", 0.0), found.get("placing", end_s), end_s)


def wait_for_the_moment(running: Running, watch: Watch, times: Times, dice: random.Random) -> str:
    """Return, by chance, when the command is to be killed -> the kind of moment."""
    kind = dice.choice(("any", "writing", "writing", "placing"))
    if kind == "any":
        time.sleep(dice.uniform(0, times.end_s))
    elif kind == "writing":
        _wait(running, watch.is_writing)
        time.sleep(dice.uniform(0, times.end_s - times.writing_s))
    else:
        _wait(running, watch.is_placing)
        time.sleep(dice.uniform(0, times.end_s - times.placing_s) * dice.random())
    return kind


def _wait(running: Running, happens: Callable[[], bool]) -> None:
    until = time.monotonic() + _MOST_S
    while not happens() and not running.has_ended() and time.monotonic() < until:
        time.sleep(_LOOK_S)


def _seen(folder: Path) -> Seen:
    found = []
    for above, _, names in os.walk(folder):
        for name in names:
            try:
                found.append(
                    (os.path.join(above, name), os.lstat(os.path.join(above, name)).st_ino)
                )
            except FileNotFoundError:
                continue  # it has just been renamed
    return frozenset(found)
