"""Standard input and output for the worker alone, whatever else in the process reads or prints.

A library of C that prints, or a child process, has file descriptor 1, which from then on is
standard error; and descriptor 0, from which a decoder might read requests, is empty.
"""

import os
import sys
from dataclasses import dataclass

from stemline.errors import SettingsError


@dataclass(frozen=True)
class Streams:
    """Descriptors that nothing else knows, and no child process inherits."""

    requests: int
    answers: int


def take_standard_streams() -> Streams:
    """Take them over, for good; call it before any library is loaded that might print.

    Raises SettingsError where the process was started without one of them.
    """
    try:
        for descriptor in (0, 1):
            os.fstat(descriptor)
    except OSError as error:
        raise SettingsError(
            "a worker reads standard input and writes standard output, and one of them is closed"
        ) from error
    if sys.stdout is not None:  # which it is where descriptor 1 is closed
        sys.stdout.flush()
    streams = Streams(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # standard error is closed
        os.dup2(nothing, 1)
    os.close(nothing)
    return streams
