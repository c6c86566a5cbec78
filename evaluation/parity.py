"""How far an engine's output lies from the reference's, and golden values of the reference."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemline.arrays import Array

N_GOLDEN = 4096


@dataclass(frozen=True)
class Parity:
    """One stem, or other part, of one output at one batch size, against the reference."""

    output: str
    stem: str
    batch: int
    max_abs: float
    snr_db: float
    """SNR in dB: infinite where both are equal, NaN where either is not finite."""


@dataclass(frozen=True)
class Sampled:
    """Some values of one output."""

    positions: NDArray[np.int64]
    """(S, n): flat positions within one stem's output of the first row."""
    values: Array
    """The values there, (S, n)."""


@dataclass(frozen=True)
class Golden:
    """Some values of the reference's outputs, for where the reference cannot be run."""

    seed: int
    """Seed of the music-like signal that was the input."""
    outputs: dict[str, Sampled]
    """Sampled values by the output's name."""

    def save(self, path: Path) -> None:
        """Write an `.npz`: `seed`, and `<output>.positions` and `<output>.values`."""
        arrays: dict[str, NDArray[np.generic]] = {}
        for name, sampled in self.outputs.items():
            arrays[f"{name}.positions"] = sampled.positions
            arrays[f"{name}.values"] = sampled.values
        np.savez_compressed(path, seed=np.int64(self.seed), **arrays)  # type: ignore[arg-type]


def load_golden(path: Path) -> Golden:
    """Golden values from the file that `Golden.save` wrote.

    Raises ValueError, KeyError or OSError when it is damaged or missing.
    """
    with np.load(path, allow_pickle=False) as arrays:
        names = [key.removesuffix(".values") for key in arrays.files if key.endswith(".values")]
        if not names:
            raise ValueError("it holds no output")
        outputs = {
            name: Sampled(arrays[f"{name}.positions"], arrays[f"{name}.values"]) for name in names
        }
        return Golden(int(arrays["seed"]), outputs)


def compare(
    output: str, stems: tuple[str, ...], wanted: Array, got: Array, batch: int
) -> tuple[Parity, ...]:
    """Each stem of `got` against `wanted`, both (rows, S, ...); of one stem also (rows, ...)."""
    wanted, got = (array.reshape(len(array), len(stems), -1) for array in (wanted, got))
    return tuple(
        Parity(
            output=output,
            stem=stem,
            batch=batch,
            max_abs=float(np.max(np.abs(wanted[:, index] - got[:, index]))),
            snr_db=snr_db(wanted[:, index], got[:, index]),
        )
        for index, stem in enumerate(stems)
    )


def snr_db(wanted: Array, got: Array) -> float:
    """10·log10(Σ wanted² / Σ (wanted − got)²), summed in float64 a row at a time."""
    signal = noise = 0.0
    for row, other in zip(wanted, got, strict=True):
        signal += float(np.sum(np.square(row, dtype=np.float64)))
        noise += float(np.sum(np.square(row - other, dtype=np.float64)))
    if not np.isfinite(signal) or not np.isfinite(noise):
        return float("nan")
    if noise == 0:
        return float("inf")
    return 10 * float(np.log10(signal / noise)) if signal > 0 else float("-inf")


def sample_output(reference: Array, n_stems: int, seed: int) -> Sampled:
    """Positions in one output of the reference (S, ...): half where a stem is loudest.

    The other half is anywhere. The loudest make up most of the energy that an SNR compares; the
    others find what is off where little sounds.
    """
    flat = reference.reshape(n_stems, -1)
    n_each = min(N_GOLDEN // n_stems, flat.shape[1])
    n_loud = n_each // 2
    random = np.random.default_rng(seed)
    positions = np.empty((n_stems, n_each), np.int64)
    for index, stem in enumerate(flat):
        positions[index, :n_loud] = np.argpartition(np.abs(stem), -n_loud)[-n_loud:]
        positions[index, n_loud:] = random.choice(stem.size, n_each - n_loud, replace=False)
    positions.sort(axis=1)
    return Sampled(positions, np.take_along_axis(flat, positions, axis=1))


def at_golden(output: Array, golden: Sampled) -> Array:
    """The values of an output (S, ...) at the golden positions, (S, n)."""
    flat = output.reshape(len(golden.positions), -1)
    return np.take_along_axis(flat, golden.positions, axis=1)
