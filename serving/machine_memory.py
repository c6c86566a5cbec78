"""How much memory this process may have: the machine's, or the container's where that is less."""

import math
import os
from pathlib import Path

# Control groups of version 2 and 1. "max", and in version 1 a number beyond every machine, is no
# limit.
_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def usable_memory_bytes(limits: tuple[Path, ...] = _LIMITS) -> float:
    """The memory of the machine, in bytes, or the lowest limit of `limits`; infinite if unknown."""
    return min([_machine_bytes(), *(_limit_bytes(path) for path in limits)])


def _machine_bytes() -> float:
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):  # a system without these
        return math.inf


def _limit_bytes(path: Path) -> float:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return math.inf
    return float(text) if text.isdecimal() else math.inf
