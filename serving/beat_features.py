"""A beat network's input: a track at the network's rate, and its stems in mono as features."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from stemline.arrays import Array
from stemline.errors import EngineError, EngineMemoryError, RequestError
from stemline.families.beats import InputStream
from stemline.preprocessing.audio import AudioFormat, checked
from stemline.preprocessing.channels import output_channels, to_channels
from stemline.preprocessing.resample import Resampler

SILENT_BELOW = np.float32(2.0**-16)
"""Half a step of 16 bits: in the files that the original reads, less is zero."""

# Far beyond what a network makes of ±2^31, and far below what a spectrum of float32 can hold.
_GREATEST_SAMPLE = np.float32(2.0**40)

# Stems that come whole are processed in blocks, too, without a copy of the whole.
_BLOCK_SAMPLES = 1 << 16

MIXTURE = "mixture"
"""The name of the one input stem of a network that takes the mixture."""


class TrackAtRate:
    """A track's blocks at another rate, in mono or stereo, and whether they are silent.

    A track that is resampled before it is separated is resampled once, and its stems never.
    """

    def __init__(self, blocks: Iterable[Array], audio: AudioFormat, to_hz: int) -> None:
        self._blocks = blocks
        self._from_hz = audio.sample_rate_hz
        self.format = AudioFormat(to_hz, output_channels(audio.channels), None)
        self.is_silent = True
        """Whether everything read so far is below SILENT_BELOW."""
        self.n_samples_in = 0
        """Samples read so far, at the track's own rate."""

    def __iter__(self) -> Iterator[Array]:
        channels = self.format.channels
        resampler = Resampler(self._from_hz, self.format.sample_rate_hz, channels)
        n_samples_out = self.n_samples_in = 0
        for block in checked(self._blocks):
            self.n_samples_in += block.shape[1]
            self.is_silent = self.is_silent and not np.any(np.abs(block) >= SILENT_BELOW)
            resampled = resampler.push(to_channels(block, channels))
            n_samples_out += resampled.shape[1]
            yield resampled
        last = resampler.flush()
        if n_samples_out + last.shape[1] == 0:  # one sample of a high rate
            last = np.zeros((channels, 1), np.float32)
        yield last


class BeatFeatures:
    """The stems of one track, block by block → the inputs of a beat network.

    Each block becomes mono, at the network's rate, in the network's order of stems, then features;
    the samples are not kept. Made by `BeatTracker.collect`.
    """

    def __init__(
        self, stems: tuple[str, ...], from_hz: int, to_hz: int, inputs: InputStream
    ) -> None:
        self._names = stems
        self._rate_hz = to_hz
        self._resampler = Resampler(from_hz, to_hz, len(stems))
        self._inputs: InputStream | None = inputs
        self._n_samples = 0
        self._is_silent = True
        self.seconds = 0.0
        """Seconds spent in `push`."""

    @property
    def is_silent(self) -> bool:
        """Whether every sample so far is below SILENT_BELOW."""
        return self._is_silent

    @property
    def n_bytes(self) -> int:
        """The bytes of the network's inputs so far."""
        return 0 if self._inputs is None else self._inputs.n_bytes

    def push(self, block: Mapping[str, Array]) -> None:
        """The next (channels, n) of every input stem, by name in any case; others are ignored.

        Raises RequestError when one is missing or they differ in length, AudioError for more than
        8 channels, EngineError for what is no sound, as a network that overflows makes it,
        EngineMemoryError when memory does not hold the network's inputs.
        """
        started = time.perf_counter()
        named = {name.lower(): samples for name, samples in block.items()}
        missing = [name for name in self._names if name.lower() not in named]
        if missing:
            raise RequestError(
                "stems",
                f"beats are found in {', '.join(self._names)}; there is no {missing[0]}, only "
                f"{', '.join(block) or 'nothing'}",
            )
        wanted = [named[name.lower()] for name in self._names]
        lengths = {samples.shape[-1] for samples in wanted}
        if len(lengths) > 1:
            raise RequestError(
                "stems",
                "stems of one track are equally long; these have "
                + ", ".join(
                    f"{name} {samples.shape[-1]}"
                    for name, samples in zip(self._names, wanted, strict=True)
                )
                + " samples",
            )
        try:
            for start in range(0, max(1, *lengths), _BLOCK_SAMPLES):
                self._push([samples[..., start : start + _BLOCK_SAMPLES] for samples in wanted])
            self.seconds += time.perf_counter() - started
            return
        except MemoryError:
            pass
        raise self.too_long("more than ")

    def finish(self) -> dict[str, Array]:
        """The network's inputs, of at least one sample; call it once, at the end.

        Raises MemoryError, and EngineMemoryError when `push` did.
        """
        self._push_resampled(self._resampler.flush())
        if self._n_samples == 0:  # one sample of a high rate
            self._push_resampled(np.zeros((len(self._names), 1), np.float32))
        return self._stream().finish()

    def too_long(self, at_least: str = "") -> EngineMemoryError:
        """The error for a track that memory does not hold; what was collected of it is freed.

        Raise it outside of `except`: the error of what ran out of memory keeps all of that alive.
        """
        self._inputs = None
        minutes = self._n_samples / self._rate_hz / 60
        return EngineMemoryError(
            f"a track of {at_least}{minutes:.1f} minutes needs more memory than there is; give "
            "shorter parts, or a machine with more"
        )

    def _push(self, stems: Sequence[Array]) -> None:
        """The next (channels, n) of each stem, in the network's order."""
        # (n_stems, n)
        mono = np.concatenate([to_channels(samples, 1) for samples in stems]).astype(
            np.float32, copy=False
        )
        levels = np.abs(mono).max(axis=1, initial=0)  # NaN where one is
        if not (levels <= _GREATEST_SAMPLE).all():
            row = int((~(levels <= _GREATEST_SAMPLE)).argmax())
            raise EngineError(
                f"no beats can be found in {self._names[row]}: it reaches {levels[row]:g}, as the "
                "network that made it computed it"
            )
        self._is_silent = self._is_silent and not (levels >= SILENT_BELOW).any()
        self._push_resampled(self._resampler.push(mono))

    def _push_resampled(self, mono: Array) -> None:
        """The next (n_stems, n) at the network's rate."""
        self._n_samples += mono.shape[1]
        self._stream().push(mono)

    def _stream(self) -> InputStream:
        if self._inputs is None:
            raise self.too_long("more than ")
        return self._inputs
