"""A lock that the system takes from the dead: it tells what is in use from what was left behind."""

from enum import Enum

try:
    import fcntl
except ImportError:  # no POSIX system
    fcntl = None  # type: ignore[assignment]


class Lock(Enum):
    """What came of asking for one."""

    OURS = "nobody else has it"
    THEIRS = "another process has it"
    NONE = "the system has no locks: who is dead cannot be told"


def lock(descriptor: int) -> Lock:
    """Lock an open file or folder for as long as the descriptor is open, without waiting."""
    if fcntl is None:
        return Lock.NONE
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return Lock.THEIRS
    except OSError:
        return Lock.NONE
    return Lock.OURS
