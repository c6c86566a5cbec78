"""The stems of one track: arrays by name that know their rate and can be saved."""

import logging
import os
from collections.abc import Iterator, KeysView, Mapping
from pathlib import Path

import numpy as np

from stemline.arrays import Array
from stemline.postprocessing.encode import OutputFormat
from stemline.preprocessing.audio import AudioFormat
from stemline.serving.files import BlockStream
from stemline.serving.stem_output import StemOutput, paths_in
from stemline.serving.stem_tags import TrackTags

from .sources import Progress

_log = logging.getLogger(__name__)

_BLOCK_SAMPLES = 1 << 16


class Stems(Mapping[str, Array]):
    """Stems of one track by name, in the model's order: (channels, n_samples) float32 each.

    They have the sample rate and exactly the number of samples of the track; one channel where it
    has one, else two.
    """

    def __init__(
        self,
        arrays: Mapping[str, Array],
        sample_rate_hz: int,
        model: str,
        seconds: Mapping[str, float],
        tags: TrackTags | None = None,
    ) -> None:
        """Take at least one array, (channels, n_samples) each, all of one shape."""
        self.sample_rate_hz = sample_rate_hz
        """Of the track, and so of every stem."""
        self.model = model
        """The name of the model that made them, such as `htdemucs`."""
        self.seconds = dict(seconds)
        """What it took, by stage; stages overlap, `wall` is all of it."""
        self._arrays = dict(arrays)
        self._tags = tags or TrackTags()

    @property
    def n_samples(self) -> int:
        """Samples of every channel of every stem."""
        n_samples: int = next(iter(self._arrays.values())).shape[1]
        return n_samples

    @property
    def duration_s(self) -> float:
        """The length of the track in seconds."""
        return self.n_samples / self.sample_rate_hz

    def save(
        self,
        folder: str | os.PathLike[str],
        format: str = "wav",
        bits: int = 16,
        bitrate_kbps: int = 192,
        tags: bool = True,
    ) -> dict[str, Path]:
        """Write every stem as `folder/<stem>.<format>`: all of them or none.

        Parameters
        ----------
        folder
            Made where it is missing; files of these names are replaced.
        format
            `wav`, `flac` or `mp3`.
        bits
            Per sample: 16 or 24, or for `wav` 32, which is float and never clips.
        bitrate_kbps
            The bitrate of MP3.
        tags
            Write the tags and the cover of the file that was separated, with the stem in the title.

        Returns
        -------
        dict
            Stem → the file it is in.

        Raises
        ------
        EncodingError
            No such format, or it cannot hold these stems; the message says what can.
        OSError
            A file cannot be written.
        """
        output = OutputFormat(format, bits, bitrate_kbps)
        channels = next(iter(self._arrays.values())).shape[0]
        paths = paths_in(Path(folder), self, output)
        known = {stem: self._tags.of_stem(stem, self.model) for stem in self} if tags else {}
        with StemOutput(paths, output, self.sample_rate_hz, channels, tags=known) as files:
            for start in range(0, self.n_samples, _BLOCK_SAMPLES):
                piece = slice(start, start + _BLOCK_SAMPLES)
                files.write({stem: array[:, piece] for stem, array in self.items()})
        for stem, n_clipped in files.clipped_samples.items():
            _log.warning(
                "%d samples of %s went beyond full scale and were clipped; "
                "format='wav', bits=32 keeps them",
                n_clipped,
                stem,
            )
        return files.paths

    def keys(self) -> KeysView[str]:
        """The names of the stems."""
        return self._arrays.keys()  # which print as names

    def __getitem__(self, stem: str) -> Array:
        return self._arrays[stem]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return (
            f"<Stems of {self.model}: {', '.join(self)}; "
            f"{self.duration_s:.2f} s at {self.sample_rate_hz} Hz>"
        )


def collected(
    stream: BlockStream,
    audio: AudioFormat,
    model: str,
    on_progress: Progress | None,
    tags: TrackTags | None = None,
) -> Stems:
    """All blocks of a separation put together, each stem as it is needed.

    Raises whatever the separation raises.
    """
    parts: dict[str, list[Array]] = {stem: [] for stem in stream.stems}
    for block in stream:
        n_done = block.offset_samples
        for stem, samples in block.stems.items():
            parts[stem].append(samples.copy())  # a view would keep all stems of its block
            n_done = block.offset_samples + samples.shape[1]
        if on_progress is not None:
            on_progress(n_done, audio.n_samples)
    # What is put together of a stem is the only thing that is held twice.
    arrays = {stem: np.concatenate(parts.pop(stem), axis=1) for stem in stream.stems}
    return Stems(arrays, audio.sample_rate_hz, model, stream.seconds, tags)
