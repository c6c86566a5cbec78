"""The end of a process whose end does not come."""

import faulthandler
import time

END_S = 60.0
"""Seconds that the main thread may be silent in while the server ends: it speaks several times a
second, and stopping takes at most some 15 s."""
_EVERY_S = 5.0


class Watchdog:
    """Ends the process, with status 1 and every thread's traceback, unless it is patted.

    It is a thread of C: one that never gives back the interpreter's lock, or a library that never
    returns, does not stop it. Nothing happens before the first `pat`.
    """

    def __init__(self, end_s: float = END_S) -> None:
        self._end_s = end_s
        self._patted_s: float | None = None

    def pat(self) -> None:
        """All is well, now; so the process has `end_s` seconds more, less a few."""
        now_s = time.monotonic()
        if self._patted_s is None or now_s - self._patted_s > min(_EVERY_S, self._end_s / 2):
            self._patted_s = now_s
            faulthandler.dump_traceback_later(self._end_s, exit=True)
