"""What a user has of a track, a file or an array, as the blocks that the core reads."""

import operator
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemline.arrays import Array
from stemline.errors import RequestError
from stemline.preprocessing.audio import AudioFormat
from stemline.preprocessing.channels import MOST_CHANNELS
from stemline.serving.stem_files import FileBlocks
from stemline.serving.stem_tags import TrackTags, tags_of_file

StrPath = str | os.PathLike[str]
AudioSource = str | os.PathLike[str] | NDArray[np.floating[Any]]
"""An audio file, or samples (channels, n_samples)."""
Progress = Callable[[int, int | None], None]
"""Called with the samples done so far and the track's; None where its file does not say."""

_BLOCK_SAMPLES = 1 << 16


@dataclass(frozen=True)
class Track:
    """Audio as the core takes it."""

    blocks: Iterable[Array]
    """(channels, n) float32, from the first each time they are iterated over."""
    audio: AudioFormat


def open_track(
    source: AudioSource, sample_rate_hz: int | None = None, *, strict: bool = False
) -> Track:
    """A file, or samples and their rate → a track.

    Raises AudioError for a file that is missing or no audio, or damaged where `strict` refuses
    that, RequestError for samples that are not
    floats of the shape (channels, n_samples) or have no rate.
    """
    if isinstance(source, str | os.PathLike):
        return _of_file(Path(source), sample_rate_hz, strict)
    samples = checked_samples(source)
    if sample_rate_hz is None:
        raise RequestError(
            "sample_rate_hz", "samples do not know their sample rate; pass sample_rate_hz, too"
        )
    audio = AudioFormat(whole_hz(sample_rate_hz), samples.shape[0], samples.shape[1])
    return Track(_SampleBlocks(samples), audio)


def tags_of(source: AudioSource) -> TrackTags:
    """What a file says of itself; nothing of samples."""
    if isinstance(source, str | os.PathLike):
        return tags_of_file(Path(source))
    return TrackTags()


def say_finished(on_progress: Progress | None, audio: AudioFormat) -> None:
    """Say that all is done: what was counted at another rate may be a sample short of it."""
    if on_progress is not None and audio.n_samples is not None:
        on_progress(audio.n_samples, audio.n_samples)


def whole_hz(sample_rate_hz: int) -> int:
    """The rate as an int, whatever kind of number it is. Raises RequestError for a fraction."""
    try:
        return operator.index(sample_rate_hz)
    except TypeError:
        pass
    try:
        rate_hz = int(sample_rate_hz)  # readers of audio return floats, too
    except (TypeError, ValueError, OverflowError):
        rate_hz = -1
    if rate_hz != sample_rate_hz:
        raise RequestError(
            "sample_rate_hz", f"a sample rate is a whole number of Hz; got {sample_rate_hz!r}"
        )
    return rate_hz


def checked_samples(
    samples: NDArray[np.floating[Any]], what: str = "samples"
) -> NDArray[np.floating[Any]]:
    """Samples (channels, n_samples) as they are; of one axis, as mono: (1, n_samples).

    Raises RequestError for integers, the transposed shape and anything that is no array of floats.
    """
    if not isinstance(samples, np.ndarray):
        raise RequestError(
            "source",
            f"{what} must be a numpy array of floats (channels, n_samples), or the path of a file; "
            f"got {type(samples).__name__}",
        )
    _check_floats(samples, what)
    if samples.ndim == 1:
        return samples[np.newaxis]
    if samples.ndim != 2:
        raise RequestError(
            "source", f"{what} must be of shape (channels, n_samples); got {list(samples.shape)}"
        )
    if samples.shape[0] > MOST_CHANNELS and samples.shape[1] <= MOST_CHANNELS:
        raise RequestError(
            "source",
            f"{what} must be of shape (channels, n_samples); {list(samples.shape)} looks like "
            "(n_samples, channels): pass its transpose, samples.T",
        )
    return samples


def checked_blocks(blocks: Iterable[NDArray[np.floating[Any]]], channels: int) -> Iterable[Array]:
    """The same blocks, each checked as it is read, as float32.

    What can be iterated over again still can be, and what comes once still does. Iterating raises
    RequestError for a block that is not of floats (channels, n).
    """
    checked = _CheckedBlocks(blocks, channels)
    return iter(checked) if iter(blocks) is blocks else checked


def _of_file(path: Path, sample_rate_hz: int | None, strict: bool) -> Track:
    if sample_rate_hz is not None:
        raise RequestError(
            "sample_rate_hz", f"{path} has a sample rate of its own; leave sample_rate_hz out"
        )
    blocks = FileBlocks(path, strict=strict)
    return Track(blocks, blocks.format)


def _check_floats(samples: NDArray[Any], what: str) -> None:
    dtype = samples.dtype
    if dtype.kind == "f":
        return
    if dtype.kind == "i":
        full_scale = -np.iinfo(dtype).min
        how = f"; scale these, such as samples / {full_scale}"
    elif dtype.kind == "u":
        middle = (int(np.iinfo(dtype).max) + 1) // 2
        how = f"; scale these, such as (samples - {middle}.0) / {middle}"
    else:
        how = ""
    raise RequestError("source", f"{what} must be floats from -1 to 1; got {dtype}{how}")


class _SampleBlocks:
    """Samples (channels, n_samples) as blocks like a file's."""

    def __init__(self, samples: NDArray[np.floating[Any]]) -> None:
        self._samples = samples

    def __iter__(self) -> Iterator[Array]:
        for start in range(0, self._samples.shape[1], _BLOCK_SAMPLES):
            yield _float32(self._samples[:, start : start + _BLOCK_SAMPLES])


class _CheckedBlocks:
    """A caller's blocks, each of them checked as it is read."""

    def __init__(self, blocks: Iterable[NDArray[np.floating[Any]]], channels: int) -> None:
        self._blocks = blocks
        self._channels = channels

    def __iter__(self) -> Iterator[Array]:
        for block in self._blocks:
            samples = checked_samples(block, "a block's samples")
            if samples.shape[0] != self._channels:
                raise RequestError(
                    "source",
                    f"a block must be of shape ({self._channels}, n); got {list(block.shape)}",
                )
            yield _float32(samples)


def _float32(samples: NDArray[np.floating[Any]]) -> Array:
    with np.errstate(over="ignore"):  # what becomes infinite is refused where it is read
        return np.ascontiguousarray(samples, np.float32)
