"""Fakes and signals shared by the tests; nothing here is patched into the code."""

import threading
from collections.abc import Iterator, Sequence

import numpy as np

from stemline.arrays import Array, Arrays
from stemline.engines import EngineSpec, ModelInfo, StftInfo, TensorSpec
from stemline.engines.base import checked_inputs
from stemline.errors import EngineMemoryError
from stemline.serving.separator import Separator

GAINS = (0.75, 0.25)


def tiny_info(
    stems: Sequence[str] = ("vocals", "instrumental"),
    *,
    model: str = "tiny",
    n_fft: int = 512,
    hop_samples: int = 128,
    n_frames: int = 32,
    sample_rate_hz: int = 44100,
    trained: bool = True,
) -> ModelInfo:
    """An MDX23C model of a small size."""
    return ModelInfo(
        model=model,
        family="mdx23c",
        precision="fp32",
        stems=tuple(stems),
        sample_rate_hz=sample_rate_hz,
        channels=2,
        chunk_samples=hop_samples * (n_frames - 1),
        default_overlap=4,
        stft=StftInfo(n_fft=n_fft, hop_samples=hop_samples, n_bins=n_fft // 2),
        trained=trained,
        weights_sha256="test",
        licence="MIT",
        exporter="stemline test",
    )


class GainEngine:
    """Each stem is the mixture times a gain: what comes out is known without a network.

    `gate`, when given, holds every run until it is set; `max_batch` imitates a device whose
    memory ends there; `batches` records the size of every run.
    """

    def __init__(
        self,
        info: ModelInfo,
        gains: Sequence[float] = GAINS,
        *,
        gate: threading.Event | None = None,
        max_batch: int | None = None,
        delay_s: float = 0.0,
    ) -> None:
        assert info.stft is not None
        n_frames = info.chunk_samples // info.stft.hop_samples + 1
        chunk = (2 * info.channels, info.stft.n_bins, n_frames)
        self._spec = EngineSpec(
            name=info.model,
            inputs=(TensorSpec("mixture", "float32", ("batch", *chunk)),),
            outputs=(TensorSpec("stems", "float32", ("batch", len(gains), *chunk)),),
            provider="GainProvider",
            device="cpu",
        )
        self._gains = np.asarray(gains, np.float32)
        self._gate = gate
        self._max_batch = max_batch
        self._delay_s = delay_s
        self.batches: list[int] = []
        self.values: list[list[float]] = []
        """Of every run, the first number of each row."""

    @property
    def spec(self) -> EngineSpec:
        return self._spec

    def run(self, inputs: Arrays) -> dict[str, Array]:
        batch = checked_inputs(self._spec, inputs)
        if self._gate is not None:
            self._gate.wait(30)
        if self._delay_s:
            threading.Event().wait(self._delay_s)
        if self._max_batch is not None and batch > self._max_batch:
            raise EngineMemoryError(f"{self._spec.name}: no memory for a batch of {batch}")
        self.batches.append(batch)
        self.values.append(inputs["mixture"][:, 0, 0, 0].tolist())
        return {"stems": self._gains[:, None, None, None] * inputs["mixture"][:, None]}

    def close(self) -> None:
        pass


def gain_separator(
    info: ModelInfo | None = None,
    gains: Sequence[float] = GAINS,
    *,
    batch_size: int = 1,
    gate: threading.Event | None = None,
    max_batch: int | None = None,
    delay_s: float = 0.0,
) -> Separator:
    """A Separator over a GainEngine."""
    info = info or tiny_info()
    engine = GainEngine(info, gains, gate=gate, max_batch=max_batch, delay_s=delay_s)
    return Separator(engine, info, batch_size=batch_size)


def music(n_samples: int, channels: int = 2, sample_rate_hz: int = 44100, seed: int = 0) -> Array:
    """A few decaying tones and a little noise, (channels, n_samples), below half the band."""
    random = np.random.default_rng(seed)
    time_s = np.arange(n_samples) / sample_rate_hz
    out = 0.02 * random.standard_normal((channels, n_samples))
    for frequency_hz in random.uniform(80, 0.2 * sample_rate_hz, 6):
        decay = np.exp(-3 * (time_s % random.uniform(0.2, 0.7)))
        pan = random.uniform(0.2, 1, (channels, 1))
        out += 0.1 * pan * decay * np.sin(2 * np.pi * frequency_hz * time_s)
    return out.astype(np.float32)


def in_blocks(samples: Array, block_samples: int) -> Iterator[Array]:
    """A track as the blocks a reader would give."""
    for start in range(0, samples.shape[1], block_samples):
        yield samples[:, start : start + block_samples]


def snr_db(wanted: Array, got: Array) -> float:
    """10·log10(Σ wanted² / Σ (wanted − got)²), infinite where they are the same."""
    noise = float(np.sum((wanted.astype(np.float64) - got) ** 2))
    signal = float(np.sum(wanted.astype(np.float64) ** 2))
    return float("inf") if noise == 0 else 10 * float(np.log10(max(signal, 1e-300) / noise))
