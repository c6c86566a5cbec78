"""Tests of several processes: which core each has, and which file comes first."""

import os
from collections.abc import Sequence

import pytest


def longest_first(items: list[pytest.Item], files: Sequence[str]) -> None:
    """Move the tests of `files` to the beginning, in that order; all else stays in order."""
    place = {name: index for index, name in enumerate(files)}
    items.sort(key=lambda item: place.get(item.path.name, len(files)))


def core_of(worker: str, n_workers: int, cores: Sequence[int]) -> int | None:
    """The core that a worker of pytest-xdist, `gw0` and so on, has alone; None: all of them.

    Where there are as many workers as cores, threads of each that spread over all cores only wait
    for each other, and burn up to half of the time with it.
    """
    number = int(worker.removeprefix("gw"))
    return cores[number] if number < len(cores) <= n_workers else None


def keep_to_own_core() -> None:
    """Keep this process, where it is such a worker, to its core; before any library counts them."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None or not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    core = core_of(worker, int(os.environ["PYTEST_XDIST_WORKER_COUNT"]), cores)
    if core is not None:
        os.sched_setaffinity(0, {core})
