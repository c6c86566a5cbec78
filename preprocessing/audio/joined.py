"""The parts of a file as one track, at the rate and the channels of the first."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stemline.preprocessing.channels import (
    Arrangement,
    from_channels,
    output_channels,
    to_channels,
)
from stemline.preprocessing.resample import Resampler

from .check import SampleCheck
from .format import AudioFormat, is_rate
from .part import Contents, DecodeError, Decoder, Part, ends_early

_BLOCK_SAMPLES = 1 << 16


class JoinedParts:
    """Samples of all parts, one after another, in one direction."""

    def __init__(self, contents: Contents, name: str) -> None:
        """`name` is the subject of what a bad sample raises."""
        # Before anything is computed of them: no resampler has to take what is no number.
        self._check = SampleCheck(name)
        self._parts = contents.parts
        self._rate_hz = contents.parts[0].sample_rate_hz
        first = Arrangement(contents.parts[0].channels, contents.parts[0].speakers)
        self._channels = first.channels
        self._blocks = self._converted()
        self._decoder: Decoder | None = None
        self._rest: NDArray[np.float32] = np.zeros((0, 0), np.float32)
        self.faults = list(contents.faults)
        """What is wrong, sentences without their subject; grows as more is read."""
        self.n_read = 0
        """Samples read so far."""
        self._early = self._announced_fault()
        if self._early is not None:
            self.faults.append(self._early)

    def audio_format(self) -> AudioFormat:
        """What comes out. Raises AudioError for a rate that is none."""
        lengths = [
            part.n_samples if part.sample_rate_hz == self._rate_hz else None for part in self._parts
        ]
        known = [length for length in lengths if length is not None]
        n_samples = sum(known) if len(known) == len(lengths) else None
        return AudioFormat(self._rate_hz, self._channels, n_samples)

    def read(self, n_samples: int) -> NDArray[np.float32]:
        """The next samples (channels, n), n <= n_samples; fewer only at the end.

        Raises AudioError for a sample that is no finite number, or beyond ±2^31.
        """
        found = []
        n_missing = n_samples
        while n_missing:
            if not self._rest.shape[-1]:
                block = next(self._blocks, None)
                if block is None:
                    break
                self._rest = block
                continue
            found.append(self._rest[:, :n_missing])
            self._rest = self._rest[:, n_missing:]
            n_missing -= found[-1].shape[1]
        self.n_read += n_samples - n_missing
        if not found:
            return np.zeros((self._channels, 0), np.float32)
        return np.ascontiguousarray(found[0] if len(found) == 1 else np.concatenate(found, axis=1))

    def close(self) -> None:
        """Free the decoder of the part that is being read."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def _announced_fault(self) -> str | None:
        """What is known before anything is decoded."""
        there_s = announced_s = 0.0
        is_short = False
        for part in self._parts:
            n_there = part.n_samples or 0
            n_announced = n_there if part.announced_samples is None else part.announced_samples
            there_s += n_there / part.sample_rate_hz
            announced_s += n_announced / part.sample_rate_hz
            is_short = is_short or (part.n_samples is not None and n_there < n_announced)
        return ends_early(announced_s, there_s) if is_short else None

    def _converted(self) -> Iterator[NDArray[np.float32]]:
        """Blocks (channels, n) of the first part's rate and channels."""
        for index, part in enumerate(self._parts):
            if not is_rate(part.sample_rate_hz):
                self.faults.append(
                    f"goes on at {part.sample_rate_hz} Hz, which is no rate of sound: part "
                    f"{index + 1} of {len(self._parts)} is left out"
                )
                continue
            arrangement = Arrangement(part.channels, part.speakers)
            blocks = map(arrangement.arranged, self._decoded(index, part))
            if (part.sample_rate_hz, arrangement.channels) == (self._rate_hz, self._channels):
                yield from blocks
            else:
                yield from self._like_the_first(part, blocks)

    def _like_the_first(
        self, part: Part, blocks: Iterator[NDArray[np.float32]]
    ) -> Iterator[NDArray[np.float32]]:
        """Blocks of another rate or other channels than the first part's as blocks of those."""
        self.faults.append(
            f"goes on with {part.channels} channels at {part.sample_rate_hz} Hz, which are "
            f"converted to the {self._channels} at {self._rate_hz} Hz that it begins with"
        )
        mixed = output_channels(self._channels)
        resampler = Resampler(part.sample_rate_hz, self._rate_hz, mixed)

        def placed(block: NDArray[np.float32]) -> NDArray[np.float32]:
            silence = np.zeros((self._channels - mixed, block.shape[1]), np.float32)
            return np.concatenate([block, silence])

        # A low rate has little that becomes much.
        step = max(1, _BLOCK_SAMPLES * part.sample_rate_hz // self._rate_hz)
        for block in blocks:
            for first in range(0, block.shape[1], step):
                piece = block[:, first : first + step]
                pair = to_channels(piece, output_channels(piece.shape[0]))
                yield placed(resampler.push(from_channels(pair, mixed)))
        yield placed(resampler.flush())

    def _decoded(self, index: int, part: Part) -> Iterator[NDArray[np.float32]]:
        """Blocks (channels, n) of one part, without what is to be skipped; faults are noted."""
        n_read, fault = 0, None
        to_skip = part.skipped_samples
        try:
            self._decoder = part.open()
            while part.n_samples is None or n_read < part.n_samples:
                block = self._decoder.read(_BLOCK_SAMPLES)  # (n, channels)
                if not len(block):
                    break
                skipped = min(to_skip, len(block))
                to_skip -= skipped
                left = None if part.n_samples is None else skipped + part.n_samples - n_read
                block = block[skipped:left]
                n_read += len(block)
                if len(block):
                    samples = np.ascontiguousarray(block.T, np.float32)
                    self._check.see(samples)
                    yield samples
        except DecodeError as error:
            fault = str(error)
        finally:
            if self._decoder is not None:
                self.faults += self._decoder.faults
            self.close()
        self._note_end(index, part, n_read, fault)

    def _note_end(self, index: int, part: Part, n_read: int, fault: str | None) -> None:
        rate_hz = part.sample_rate_hz
        where = f" in part {index + 1} of {len(self._parts)}" if len(self._parts) > 1 else ""
        if part.n_samples is not None and n_read < part.n_samples:
            announced = part.announced_samples or part.n_samples
            if self._early is not None:
                self.faults.remove(self._early)
                self._early = None
            early = ends_early(announced / rate_hz, n_read / rate_hz, fault or "")
            self.faults.append(f"{early}{where}")
        elif fault is not None and part.announced_samples is None:
            self.faults.append(
                f"is damaged or ends early after {n_read / rate_hz:.2f} s{where} ({fault})"
            )
