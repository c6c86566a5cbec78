"""Beat times to a tempo."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def tempo_bpm(beats: NDArray[np.float64] | Sequence[float]) -> int | None:
    """Times of beats in seconds, ascending (n_beats,) -> beats a minute, None for fewer than two.

    The most frequent of round(60 / interval). Of equally frequent ones it is the one that numpy's
    `argsort` puts last, as in All-In-One's `estimate_tempo_from_beats`: with few beats that may
    be one on one processor and another on the next. Raises ValueError when times do not ascend.
    """
    if len(beats) < 2:
        return None
    intervals = np.diff(np.asarray(beats, np.float64))
    if not (intervals > 0).all():
        raise ValueError("the times of beats must ascend (did you give seconds?)")
    counts = np.bincount(np.round(60.0 / intervals).astype(int))
    # A share, not a count: argsort orders equal floats and equal integers differently.
    return int(np.argsort(counts / counts.sum())[-1])
