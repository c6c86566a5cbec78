"""Where tokens stand, as vectors of sines and cosines: the fixed codes of HTDemucs's transformer.

They depend on nothing but sizes, so a graph holds them as constants. numpy makes them: torch's
operations would be traced and done anew at every run.
"""

import numpy as np

from stemline.arrays import Array


def time_code(n_tokens: int, width: int, max_period: float) -> Array:
    """(n_tokens, width): cosines in the first half, sines in the second.

    The phase of channel j of a half is position / max_period^(j / (width/2 − 1)).
    """
    half = width // 2
    channels = np.arange(half, dtype=np.float32)
    periods = np.float32(max_period) ** (channels / np.float32(half - 1))
    phases = np.arange(n_tokens, dtype=np.float32)[:, None] / periods
    return np.concatenate([np.cos(phases), np.sin(phases)], 1)


def time_frequency_code(n_frames: int, n_bins: int, width: int, max_period: float) -> Array:
    """(n_frames · n_bins, width), frames outermost: half the channels for each of the two.

    Sines and cosines alternate; the phase of pair j is position · max_period^(−2j / (width/2)).
    """
    half = width // 2
    pairs = np.arange(0, half, 2, dtype=np.float32)
    rates = np.exp(pairs * np.float32(-np.log(max_period) / half))

    def code(n_positions: int) -> Array:
        phases = np.arange(n_positions, dtype=np.float32)[:, None] * rates
        return np.stack([np.sin(phases), np.cos(phases)], 2).reshape(n_positions, half)

    shape = (n_frames, n_bins, half)
    of_time = np.broadcast_to(code(n_frames)[:, None], shape)
    of_frequency = np.broadcast_to(code(n_bins)[None], shape)
    return np.concatenate([of_time, of_frequency], 2).reshape(n_frames * n_bins, width)
