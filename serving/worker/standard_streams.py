"""Standard input and output for the worker alone, whatever else in the process reads or prints.

A library of C that prints, or a child process, has file descriptor 1, which from then on is
standard error; and descriptor 0, from which a decoder might read requests, is empty.
"""

import os
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Streams:
    """Descriptors that nothing else knows, and no child process inherits."""

    requests: int
    answers: int


def take_standard_streams() -> Streams:
    """Take them over, for good; call it before any library is loaded that might print.

    Raises OSError where the process was started without one of them.
    """
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
