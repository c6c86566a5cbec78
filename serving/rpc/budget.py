"""What all calls together may hold of one thing: disk, audio in memory.

Each call has a share, which grows as it needs more and is released when the call ends.
"""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from stemline.errors import LimitError


class Budget:
    """At most `most` of something, in whatever unit, held by all shares together."""

    def __init__(self, most: float, refusal: str) -> None:
        """`refusal` is the sentence for whoever would hold too much."""
        self._most = most
        self._refusal = refusal
        self._shares: set[Share] = set()
        self._lock = threading.Lock()

    @property
    def held(self) -> float:
        """What all shares hold."""
        with self._lock:
            return self._sum()

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """The share of one call, empty at first; released when the `with` ends."""
        share = Share(self)
        with self._lock:
            self._shares.add(share)
        try:
            yield share
        finally:
            with self._lock:
                self._shares.remove(share)

    def grow(self, share: "Share", to: float) -> None:
        """See `Share.grow`."""
        with self._lock:
            before = share.held
            share.held = max(before, to)
            if self._sum() > self._most:
                share.held = before
                raise LimitError(self._refusal)

    def _sum(self) -> float:
        # Added up anew each time: a sum kept by adding and subtracting would drift.
        return math.fsum(share.held for share in self._shares)


class Share:
    """What one call holds; made by `Budget.share`."""

    def __init__(self, of: Budget) -> None:
        self._of = of
        self.held = 0.0
        """How much it holds."""

    def grow(self, to: float) -> None:
        """Hold so much, or what is held already where that is more.

        Raises LimitError where all shares together would hold too much; this one then stays as it
        was.
        """
        self._of.grow(self, to)


class CallHolding:
    """What one call holds, in bytes: memory and temporary files, each by what holds it."""

    def __init__(self, memory: Share, disk: Share) -> None:
        self._memory, self._disk = _Parts(memory), _Parts(disk)

    def memory(self, part: str, n_bytes: int) -> None:
        """`part` holds so many bytes of memory. Raises LimitError where there is no room."""
        self._memory.hold(part, n_bytes)

    def disk(self, part: str, n_bytes: int) -> None:
        """Its temporary files have so many bytes. Raises LimitError where there is no room."""
        self._disk.hold(part, n_bytes)


class _Parts:
    """What a share is held for; the call's threads may each say their part."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self._parts: dict[str, int] = {}
        self._lock = threading.Lock()

    def hold(self, part: str, n_bytes: int) -> None:
        with self._lock:
            parts = {**self._parts, part: n_bytes}
            self._share.grow(sum(parts.values()))
            self._parts = parts


def beats_budget(most_s: float) -> Budget:
    """The audio, in seconds, that all calls that find beats may hold."""
    return Budget(
        most_s,
        f"calls that find beats hold {most_s:g} s of audio at once, this server's limit, and there "
        "is no room for this one's now; try again later",
    )


def disk_budget(most_bytes: float) -> Budget:
    """The temporary files, in bytes, of all calls: what they sent and what is sent back."""
    return Budget(
        most_bytes,
        f"calls hold {most_bytes / 1e6:.0f} MB of temporary files at once, this server's limit, "
        "and there is no room for this one's now; try again later, send a shorter recording, or "
        "ask for PCM, which needs no files",
    )


def memory_budget(most_bytes: float) -> Budget:
    """The memory, in bytes, in which all calls hold audio on its way, stems and features."""
    return Budget(
        most_bytes,
        f"calls hold {most_bytes / 1e6:.0f} MB of memory at once, this server's limit, and there "
        "is no room for this one's now; try again later",
    )
