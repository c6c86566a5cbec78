"""Derived from stems: the rest of the mixture, and names of files."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_MOST_NAME_BYTES = 120  # systems have 255, and a template may put more around it


def residual(mixture: NDArray[np.float32], stems: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mixture (channels, n) minus the stems (S, channels, n) -> (channels, n).

    With the stems it adds up to the mixture, whatever the network lost or invented.
    """
    rest = mixture.copy()
    for stem in stems:
        rest -= stem
    return rest


def residual_name(stems: Sequence[str]) -> str:
    """The name of the mixture minus these stems: `no_vocals`; `residual` of several."""
    return f"no_{stems[0]}" if len(stems) == 1 else "residual"


def stem_file_name(stem: str) -> str:
    """A stem's name as a file name that stays in its folder, of 120 bytes at the most.

    A checkpoint's configuration, a server or a text may call a stem anything.
    """
    safe = "".join("_" if char in '/\\:*?"<>|' or not char.isprintable() else char for char in stem)
    short = safe.encode(errors="replace")[:_MOST_NAME_BYTES].decode(errors="ignore")
    return short.strip(". ") or "stem"
