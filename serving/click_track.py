"""A track with a click on every beat, to check the beats by ear."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemline.arrays import Array
from stemline.postprocessing.encode import OutputFormat, StemWriter
from stemline.preprocessing.audio import AudioFormat
from stemline.preprocessing.channels import output_channels, to_channels

from .jobs import Beat

TRACK_GAIN = 0.5
CLICK_GAIN = 0.5
"""Together at most full scale: a click never clips."""
CLICK_S = 0.04
BEAT_HZ, DOWNBEAT_HZ = 880.0, 1760.0
"""An octave apart."""


class Clicks:
    """Mixes clicks over a track that comes in blocks.

    The click of a beat at t seconds begins with sample round(t · rate).
    """

    def __init__(self, beats: Sequence[Beat], sample_rate_hz: int) -> None:
        order = sorted(beats, key=lambda beat: beat.time_s)
        self._starts = np.array(
            [round(beat.time_s * sample_rate_hz) for beat in order], dtype=np.int64
        )
        low, high = (click(hz, sample_rate_hz) for hz in (BEAT_HZ, DOWNBEAT_HZ))
        self._sounds = [high if beat.position == 1 else low for beat in order]
        self._length = len(low)
        self._n_done = 0

    def mixed(self, block: Array) -> Array:
        """The next samples (channels, n) → quieter, with the clicks that sound there added."""
        out = block * np.float32(TRACK_GAIN)
        begin, end = self._n_done, self._n_done + block.shape[1]
        first, last = np.searchsorted(self._starts, [begin - self._length, end])
        for start, sound in zip(self._starts[first:last], self._sounds[first:last], strict=True):
            # The samples of the click that lie within the block.
            low, high = max(start, begin), min(start + len(sound), end)
            if low < high:
                out[:, low - begin : high - begin] += sound[low - start : high - start]
        self._n_done = end
        return out


def click(frequency_hz: float, sample_rate_hz: int) -> NDArray[np.float32]:
    """CLICK_GAIN · sin(2πft) · (1 − t / CLICK_S)², t from 0 up to CLICK_S, (n_samples,)."""
    time_s = np.arange(max(1, round(CLICK_S * sample_rate_hz))) / sample_rate_hz
    fade = np.maximum(0.0, 1 - time_s / CLICK_S) ** 2
    sound = CLICK_GAIN * np.sin(2 * np.pi * frequency_hz * time_s) * fade
    return np.asarray(sound, np.float32)


def click_format(path: Path) -> OutputFormat:
    """The kind of file its name asks for. Raises EncodingError where there is none."""
    return OutputFormat(path.suffix.lower().removeprefix("."))


def check_click_track(path: Path, audio: AudioFormat) -> None:
    """Raise EncodingError where `write_click_track` would, for such a track."""
    click_format(path).check(audio.sample_rate_hz, output_channels(audio.channels))


def write_click_track(
    path: Path, blocks: Iterable[Array], audio: AudioFormat, beats: Sequence[Beat]
) -> None:
    """Write a track (blocks of (channels, n)) with clicks; mono, or stereo for all else.

    Raises EncodingError, OSError, and what the blocks raise; then there is no file.
    """
    channels = output_channels(audio.channels)
    clicks = Clicks(beats, audio.sample_rate_hz)
    with StemWriter(path, click_format(path), audio.sample_rate_hz, channels) as writer:
        for block in blocks:
            writer.write(clicks.mixed(to_channels(block, channels)))
