"""The machine that measures: what it is, and how it is kept to as many cores as threads."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from stemline.errors import MissingExtraError, RequestError
from stemline.export.card import this_machine

from .results import Machine

_PACKAGES = ("stemline", "numpy", "torch", "onnxruntime", "onnxruntime-gpu", "scipy", "grpcio")


@contextmanager
def pinned(threads: int) -> Iterator[tuple[int, ...]]:
    """Keep this thread, and the processes it starts, to `threads` cores; the cores.

    Where the system cannot, nothing is pinned, and the cores are (). Raises RequestError when there
    are fewer cores.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield ()
        return
    allowed = os.sched_getaffinity(0)
    if threads > len(allowed):
        raise RequestError(
            "threads", f"--threads {threads}, but this process may use {len(allowed)} cores"
        )
    cores = tuple(sorted(allowed)[-threads:])  # the first core serves most interrupts
    os.sched_setaffinity(0, cores)
    try:
        yield cores
    finally:
        os.sched_setaffinity(0, allowed)


def describe_machine(threads: int) -> Machine:
    """What this machine is; call it before pinning. Raises MissingExtraError without psutil."""
    try:
        import psutil
    except ImportError as error:
        raise MissingExtraError("psutil", "bench") from error
    machine = this_machine()
    return Machine(
        cpu=str(machine["cpu"]),
        cores=int(machine["threads"]),
        threads=threads,
        pinned_to=(),
        memory_mb=round(psutil.virtual_memory().total / 1e6),
        load_average=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        system=platform.platform(),
        versions={"python": platform.python_version(), **_versions()},
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
