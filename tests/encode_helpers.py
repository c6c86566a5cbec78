"""Stems of noise, written in every format."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemline.postprocessing.encode import OutputFormat, StemWriter
from stemline.tags import Tags

RATE = 44100
FORMATS = [
    OutputFormat("wav", bits=16),
    OutputFormat("wav", bits=24),
    OutputFormat("wav", bits=32),
    OutputFormat("flac", bits=16),
    OutputFormat("flac", bits=24),
    OutputFormat("mp3"),
]
LOSSLESS = [output for output in FORMATS if output.container != "mp3"]


def noise(channels: int, n_samples: int) -> NDArray[np.float32]:
    samples = np.random.default_rng(0).standard_normal((channels, n_samples)) * 0.1
    return samples.astype(np.float32)


def write(
    target: Path | io.BytesIO,
    output: OutputFormat,
    samples: NDArray[np.float32],
    rate: int = RATE,
    block_samples: int = 1000,
    tags: Tags | None = None,
) -> StemWriter:
    with StemWriter(target, output, rate, samples.shape[0], tags) as writer:
        for start in range(0, samples.shape[1], block_samples):
            writer.write(samples[:, start : start + block_samples])
    return writer
