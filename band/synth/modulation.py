"""What is done to a whole part: place, tremolo, chorus, saturation."""

import numpy as np

from stemline.arrays import Array

from ..dice import Dice
from .envelope import SAMPLE_RATE_HZ, seconds


def pan_gains(place: float) -> tuple[float, float]:
    """Gains of left and right for a place from −1 to 1, of equal power."""
    angle = (place + 1) * np.pi / 4
    return float(np.cos(angle) * np.sqrt(2)), float(np.sin(angle) * np.sqrt(2))


def placed(part: Array, place: float) -> Array:
    """A part of one or two channels as stereo at a place from −1 to 1, (2, n_samples)."""
    left, right = pan_gains(place)
    stereo = np.empty((2, part.shape[1]), np.float32)
    np.multiply(part[0], np.float32(left), out=stereo[0])
    np.multiply(part[-1], np.float32(right), out=stereo[1])
    return stereo


def saturated(part: Array, drive: float) -> Array:
    """tanh(drive · x) / drive, in place."""
    part *= np.float32(drive)
    np.tanh(part, out=part)
    part *= np.float32(1 / drive)
    return part


def _wave(n_samples: int, rate_hz: float, start: float) -> Array:
    """A slow sine, computed at a 64th of the rate, (n_samples,)."""
    coarse = np.arange(n_samples // 64 + 2) * (64 * rate_hz / SAMPLE_RATE_HZ)
    values = np.sin(2 * np.pi * (coarse + start)).astype(np.float32)
    between = np.arange(64, dtype=np.float32) / 64
    smooth: Array = (values[:-1, None] + np.diff(values)[:, None] * between).reshape(-1)
    return smooth[:n_samples]


def tremolo(stereo: Array, dice: Dice, opposed: bool) -> Array:
    """A slow rise and fall of the level, in place; opposed: from side to side."""
    depth = np.float32(dice.uniform(0.15, 0.6))
    wave = _wave(stereo.shape[1], dice.uniform(0.15, 7.0), dice.fraction())
    stereo[0] *= 1 - depth * (0.5 + 0.5 * wave)
    stereo[1] *= 1 - depth * (0.5 - 0.5 * wave if opposed else 0.5 + 0.5 * wave)
    return stereo


def chorus(stereo: Array, dice: Dice) -> Array:
    """Each channel with a copy of itself whose delay of 5 to 25 ms wavers, (2, n_samples)."""
    n_samples = stereo.shape[1]
    mix = np.float32(dice.uniform(0.25, 0.7))
    centre = dice.uniform(0.008, 0.02) * SAMPLE_RATE_HZ
    depth = dice.uniform(0.0008, 0.003) * SAMPLE_RATE_HZ
    rate_hz, start = dice.uniform(0.1, 1.5), dice.fraction()
    out = stereo.copy()
    ticks = np.arange(n_samples, dtype=np.int32)
    for channel in range(2):
        late = np.float32(centre) + np.float32(depth) * _wave(
            n_samples, rate_hz, start + channel * 0.25
        )
        whole = late.astype(np.int32)
        part = late - whole
        near = np.maximum(ticks - whole, 1).astype(np.intp)
        source = stereo[channel]
        copy = source.take(near, mode="clip")
        copy += part * (source.take(near - 1, mode="clip") - copy)
        out[channel] += mix * copy
    out *= np.float32(1 / np.sqrt(1 + mix * mix))
    return out


def vibrato(n_samples: int, rate_hz: float, depth_cents: float, onset_s: float) -> Array:
    """Frequency ratios of a vibrato that sets in after a while, (n_samples,)."""
    grown = np.clip((seconds(n_samples) - onset_s) / np.float32(0.25), 0, 1)
    depth = np.float32(2 ** (depth_cents / 1200) - 1)
    ratio: Array = 1 + depth * grown * _wave(n_samples, rate_hz, 0.0)
    return ratio
