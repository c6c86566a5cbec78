"""glibc's allocator as threads want it that free what another has allocated."""

import ctypes
import os

_M_ARENA_MAX = -8  # of glibc's malloc.h
_ARENAS = 2


def few_arenas() -> bool:
    """Have threads share two pools of memory; whether that was done.

    glibc has eight for each core, and none gives back to another what it has freed. A separation
    whose thread of input allocates what that of output frees grew by 0.4 MB for each second of the
    track, and does not with two; a server with 180 threads that was attacked for a while held 520
    MB with eight each, 350 MB with two in all (`python -m stemline.bench.attack`). Both took no
    longer. Nothing is done where MALLOC_ARENA_MAX
    says what is wanted, or where there is no glibc. Call it before threads are started.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return False
    return bool(mallopt(_M_ARENA_MAX, _ARENAS))
