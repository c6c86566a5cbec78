"""Seeded activations of beats and downbeats, as a network gives them and as none should."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Activations = NDArray[np.float32] | NDArray[np.float64]
Random = np.random.Generator

FPS = 100


def music(
    random: Random, n_frames: int, *, meter: int | None = None, silences: bool = False
) -> NDArray[np.float64]:
    """Bumps at beats whose tempo drifts, some missing, some too many, over noise; (n_frames, 2)."""
    meter = meter or int(random.choice([3, 4]))
    frames = np.arange(n_frames)
    out = np.zeros((n_frames, 2))
    at, number, interval = random.uniform(0, 60), 0, FPS * 60 / random.uniform(62, 195)
    drift, width = random.choice([0.0, 0.003, 0.02]), random.uniform(0.8, 2.5)
    while at < n_frames:
        centre = at + random.normal(0, 0.6)
        near = slice(max(0, int(centre) - 8), int(centre) + 9)
        bump = random.beta(5, 2) * np.exp(-0.5 * ((frames[near] - centre) / width) ** 2)
        if random.random() > 0.05:
            out[near, int(number % meter == 0)] += bump
        if random.random() < 0.05:  # as strong at another number
            out[near, int(random.integers(2))] += bump / 2
        interval *= np.exp(random.normal(0, drift))
        at, number = at + interval, number + 1
    out += random.uniform(1e-4, 0.06) * random.random(out.shape)
    if silences:
        for start in random.integers(0, n_frames, 3):
            out[start : start + int(random.integers(50, 800))] = random.choice([0.0, 1e-8, 1e-3])
    return np.asarray(out / np.maximum(1, 1.001 * out.sum(axis=1, keepdims=True)))


def silent_music(random: Random, n_frames: int) -> NDArray[np.float64]:
    return music(random, n_frames, silences=True)


def noise(random: Random, n_frames: int) -> NDArray[np.float64]:
    return np.asarray(random.random((n_frames, 2)) * random.uniform(0.02, 0.5))


def dirichlet(random: Random, n_frames: int) -> NDArray[np.float64]:
    return random.dirichlet([0.3, 0.3, 2.0], n_frames)[:, :2]


def sparse(random: Random, n_frames: int) -> NDArray[np.float64]:
    hits = random.random((n_frames, 2)) < random.choice([0.002, 0.02, 0.2])
    return np.maximum(hits * random.random((n_frames, 2)) * 0.5, random.choice([0, 1e-8, 1e-3]))


def constant(random: Random, n_frames: int) -> NDArray[np.float64]:
    values = random.choice([0.0, 1e-8, 0.04, 0.05, 0.1, 0.25, 0.5], 2)
    return np.broadcast_to(values, (n_frames, 2)).copy()


def zeros(random: Random, n_frames: int) -> NDArray[np.float64]:
    return np.zeros((n_frames, 2))


def ones(random: Random, n_frames: int) -> NDArray[np.float64]:
    out = np.zeros((n_frames, 2))
    out[:, : int(random.integers(1, 3))] = 1
    return out


def above_one(random: Random, n_frames: int) -> NDArray[np.float64]:
    """Some rows sum above 1, at beats or anywhere."""
    if random.random() < 0.7:
        return music(random, n_frames) * random.choice([1.02, 1.2, 1.5])
    return np.asarray(random.random((n_frames, 2)) * random.choice([0.51, 0.6, 1.0, 3.0]))


def quantised(random: Random, n_frames: int) -> NDArray[np.float64]:
    """Few levels: many paths are equally probable."""
    levels = int(random.choice([2, 4, 8, 16]))
    base = random.choice([0.0, 1.0]) * music(random, n_frames) + random.random((n_frames, 2)) * 0.4
    return np.round(base * levels) / levels / 2 + random.choice([0.0, 1 / 64, 1 / 16])


def zero_or_one(random: Random, n_frames: int) -> NDArray[np.float64]:
    """Or as good as."""
    kind = random.choice(3, n_frames, p=[0.9, 0.05, 0.05])
    least = random.choice([0, 1e-8, 1e-3, 0.1])
    return np.clip(np.eye(3)[kind][:, 1:], least, 1 - 2 * least)


def periodic(random: Random, n_frames: int) -> NDArray[np.float64]:
    """Perfectly regular: every shift by a bar is as good."""
    out = np.full((n_frames, 2), random.choice([0.0, 1e-3, 0.01]))
    step, meter = int(random.integers(28, 110)), int(random.choice([2, 3, 4, 6]))
    beats = np.arange(int(random.integers(step)), n_frames, step)
    out[beats, 0], out[beats[::meter], 1] = 0.5, random.choice([0.4, 0.5])
    return out


def first_frame_only(random: Random, n_frames: int) -> NDArray[np.float64]:
    out = np.full((n_frames, 2), 0.01)
    out[0] = 0.6, 0.3
    return out


REALISTIC: tuple[Callable[[Random, int], NDArray[np.float64]], ...] = (music, silent_music)
ADVERSARIAL: tuple[Callable[[Random, int], NDArray[np.float64]], ...] = (
    noise,
    dirichlet,
    sparse,
    constant,
    zeros,
    ones,
    above_one,
    quantised,
    zero_or_one,
    periodic,
    first_frame_only,
)


def activations(
    kind: Callable[[Random, int], NDArray[np.float64]], seed: int, n_frames: int
) -> Activations:
    """Of a kind and a seed, (n_frames, 2); float32 for even seeds and float64 for odd ones."""
    random = np.random.default_rng([seed, n_frames])
    return kind(random, n_frames).astype(np.float64 if seed % 2 else np.float32)
