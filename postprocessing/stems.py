"""Derived from stems: the rest of the mixture, and names of files."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


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
    """A stem's name as a file name that stays in its folder.

    A checkpoint's configuration or a server may call a stem anything.
    """
    return "".join("_" if char in '/\\:*?"<>|\0' else char for char in stem).strip(". ") or "stem"
