"""Loudness over time: attack, decay, sustain and release, and levels of finished parts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stemline.arrays import Array

SAMPLE_RATE_HZ = 44100

_SHORTEST_FADE_SAMPLES = 180
"""About 4 ms: a shorter release is heard as a click."""


def samples(seconds: float) -> int:
    """The whole number of samples nearest to a time."""
    return round(seconds * SAMPLE_RATE_HZ)


def seconds(n_samples: int) -> Array:
    """The times of the first samples in seconds, (n_samples,)."""
    return np.arange(n_samples, dtype=np.float32) * np.float32(1 / SAMPLE_RATE_HZ)


def rise(n_samples: int) -> Array:
    """Half a raised cosine from 0 to 1, (n_samples,)."""
    angle = (np.arange(n_samples, dtype=np.float32) + 0.5) * np.float32(np.pi / max(n_samples, 1))
    ramp: Array = 0.5 - 0.5 * np.cos(angle)
    return ramp


def fall(n_samples: int) -> Array:
    """A release from 1 to 0, steep first and flat at its end, (n_samples,)."""
    left = 1 - np.arange(1, n_samples + 1, dtype=np.float32) / np.float32(max(n_samples, 1))
    return left * left


def decay(n_samples: int, time_constant_s: float) -> Array:
    """exp(−t / time_constant_s), (n_samples,)."""
    level: Array = np.exp(seconds(n_samples) * np.float32(-1 / max(time_constant_s, 1e-4)))
    return level


def adsr(
    held_samples: int,
    attack_s: float,
    decay_s: float,
    sustain: float,
    release_s: float,
) -> Array:
    """The envelope of one note, the release included.

    Parameters
    ----------
    held_samples
        From the note's begin to its end; the release follows.
    attack_s, release_s
        Their whole length. The release is never shorter than a click would be.
    decay_s
        Time constant of the fall from 1 to `sustain`.
    sustain
        The level that is held, 0 to 1.

    Returns
    -------
    Array
        (held_samples + release,) in 0 to 1.
    """
    n_release = max(samples(release_s), _SHORTEST_FADE_SAMPLES)
    n_attack = max(samples(attack_s), 8)
    n_samples = held_samples + n_release
    if sustain >= 1:
        level = np.ones(n_samples, np.float32)
    else:
        level = np.float32(sustain) + np.float32(1 - sustain) * decay(n_samples, decay_s)
    n_ramp = min(n_attack, n_samples)
    level[:n_ramp] *= rise(n_attack)[:n_ramp]
    level[held_samples:] *= fall(n_release)
    return level


def levelled(part: Array, gains: Sequence[float], rms: float = 0.1) -> Array:
    """A part brought to a loudness, in place; softly played ones stay soft.

    Parameters
    ----------
    part
        (channels, n_samples).
    gains
        The gain of each note by its velocity, 1 being a usual stroke.
    rms
        Aim for the blocks that are not near silence, at gains of 1.
    """
    block = 2048
    n_blocks = max(part.shape[1] // block, 1)
    whole = part[:, : n_blocks * block]
    power: NDArray[np.float64] = np.mean(
        np.square(whole).reshape(part.shape[0], n_blocks, -1), axis=(0, 2), dtype=np.float64
    )
    loudest = float(power.max(initial=0.0))
    if loudest <= 0 or not gains:
        return part
    active = float(np.sqrt(power[power > 1e-3 * loudest].mean()))
    played = float(np.sqrt(np.mean(np.square(gains))))
    part *= np.float32(rms * played / active)
    return part
