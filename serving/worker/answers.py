"""What the worker says: one JSON object a line, whole lines whoever speaks at once."""

import json
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from stemline.errors import FAILED, StemlineError

# What our errors call a field of a request where the worker's has another name.
_FIELDS = {"audio": "file", "output": "format"}


class Answers:
    """Writes answers and events to a descriptor."""

    def __init__(self, descriptor: int, on_broken: Callable[[], None] = lambda: None) -> None:
        """`on_broken` is called once, when nobody reads them any more; the rest is dropped."""
        self._descriptor = descriptor
        self._on_broken = on_broken
        self._is_broken = False
        self._lock = threading.Lock()

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one line; waits while whoever reads does not."""
        line = memoryview((json.dumps(message, allow_nan=False) + "\n").encode("ascii"))
        with self._lock:
            if self._is_broken:
                return
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
                return
            except OSError:
                self._is_broken = True
        self._on_broken()


def error_json(error: Exception) -> dict[str, Any]:
    """An error as answers carry it.

    `type` is the class of `stemline/errors.py`, or Python's own; `field` the one that is wrong,
    where it is one; `exit_code` what the command would have ended with.
    """
    known: dict[str, Any] = {"type": type(error).__name__, "message": _words_of(error)}
    if isinstance(error, StemlineError) and error.grpc_status == "INVALID_ARGUMENT":
        known["field"] = _FIELDS.get(error.field, error.field)
    return {**known, "exit_code": error.exit_code if isinstance(error, StemlineError) else FAILED}


def _words_of(error: Exception) -> str:
    """`path: reason` for the system's own errors, the message otherwise."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
