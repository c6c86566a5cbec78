"""What stemline reads of a file, and what it says of it."""

from dataclasses import dataclass

import numpy as np

from stemline.errors import AudioError
from stemline.preprocessing.audio import open_audio

from .making import Samples
from .strict_file import StrictFile


@dataclass(frozen=True)
class Reading:
    """One file, read to its end or refused."""

    samples: Samples
    """(channels, n); of what is refused (0, 0)."""
    rate_hz: int = 0
    announced_samples: int | None = None
    """What was known before anything was decoded."""
    faults: tuple[str, ...] = ()
    refusal: str = ""
    n_before_refusal: int = 0
    """Samples that were read before it."""


def read(data: bytes) -> Reading:
    """A file by `open_audio`; only AudioError is a refusal, any other error is raised."""
    blocks: list[Samples] = []
    rate_hz, announced = 0, None
    try:
        with open_audio(StrictFile(data)) as reader:
            rate_hz, announced = reader.format.sample_rate_hz, reader.format.n_samples
            blocks.extend(reader.blocks())
            samples = np.concatenate(blocks, axis=1)
            return Reading(samples, rate_hz, announced, reader.faults)
    except AudioError as error:
        n_before = sum(block.shape[1] for block in blocks)
        return Reading(np.zeros((0, 0), np.float32), rate_hz, announced, (), str(error), n_before)
