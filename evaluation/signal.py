"""A test signal that is like music: artifacts are judged on it, not on white noise.

White noise fills every bin alike and flatters or fails a network in ways no song does.
"""

import numpy as np
from numpy.typing import NDArray

_CHORDS_HZ = ((220.0, 277.2, 329.6), (196.0, 246.9, 293.7), (174.6, 220.0, 261.6))
_N_HARMONICS = 8
_BEAT_S = 0.5


def music_like(
    n_samples: int, sample_rate_hz: int, channels: int = 2, seed: int = 0
) -> NDArray[np.float32]:
    """Chords of decaying harmonics, a kick on the beat, noise bursts off it -> (channels, n).

    The channels differ, and so do seeds; equal arguments make equal samples. Peaks near 0.7.
    """
    random = np.random.default_rng(seed)
    time_s = np.arange(n_samples) / sample_rate_hz + random.uniform(0, _BEAT_S)
    since_beat_s = time_s % _BEAT_S
    out = _chords(time_s, random)[None] * random.uniform(0.4, 1.0, (channels, 1))
    # A sweep from 150 to 50 Hz: phase = 2π ∫ (50 + 100·exp(−30 t)) dt.
    phase = 2 * np.pi * (50 * since_beat_s + 100 / 30 * (1 - np.exp(-30 * since_beat_s)))
    out += 0.5 * np.exp(-12 * since_beat_s) * np.sin(phase)
    since_offbeat_s = (time_s + _BEAT_S / 2) % _BEAT_S
    noise = random.standard_normal((channels, n_samples))
    out += 0.1 * np.exp(-40 * since_offbeat_s) * noise
    out += 1e-3 * noise  # a floor: no recording is digitally silent
    samples: NDArray[np.float32] = (0.7 * out / np.abs(out).max()).astype(np.float32)
    return samples


def _chords(time_s: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    out: NDArray[np.float64] = np.zeros_like(time_s)
    offset = random.integers(len(_CHORDS_HZ))
    which = (time_s // (2 * _BEAT_S)).astype(int) + offset
    decay = np.exp(-2 * (time_s % (2 * _BEAT_S)))
    for index, chord in enumerate(_CHORDS_HZ):
        playing = which % len(_CHORDS_HZ) == index
        for tone_hz in chord:
            for harmonic in range(1, _N_HARMONICS + 1):
                phase = random.uniform(0, 2 * np.pi)
                wave = np.sin(2 * np.pi * tone_hz * harmonic * time_s + phase)
                out += playing * decay * wave / harmonic**1.3 / len(chord)
    return out
