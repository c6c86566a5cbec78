"""Audio files and what is read of them, beside FFmpeg's own decoding."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemline.bench.containers.decoding import by_pyav as by_ffmpeg
from stemline.bench.containers.making import RATE_HZ as RATE
from stemline.bench.containers.making import encoded, music
from stemline.bench.containers.strict_file import StrictFile
from stemline.preprocessing.audio import open_audio

__all__ = ["RATE", "assert_alike", "by_ffmpeg", "encoded", "music", "read"]


def read(data: bytes | Path) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """What stemline reads, and what it says is wrong."""
    with open_audio(data if isinstance(data, Path) else StrictFile(data)) as reader:
        announced = reader.format.n_samples
        samples = np.concatenate(list(reader.blocks()), axis=1)
        faults = reader.faults
    if announced is not None and not faults:
        assert announced == samples.shape[1]
    return samples, faults


def assert_alike(
    found: NDArray[np.float32], wanted: NDArray[np.float32], least_db: float = 60
) -> None:
    """The same length, lag and channels: an SNR that one sample's shift would bring below 10 dB."""
    assert found.shape == wanted.shape
    for channel in range(wanted.shape[0]):
        noise = np.sum((found[channel] - wanted[channel]).astype(float) ** 2)
        snr_db = 10 * np.log10(np.sum(wanted[channel].astype(float) ** 2) / max(noise, 1e-30))
        assert snr_db > least_db, f"channel {channel}: {snr_db:.1f} dB"
