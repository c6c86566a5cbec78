"""Blocks of stems → the stem blocks of a response: PCM as it comes, files at the end."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Protocol

import numpy as np

from stemline.arrays import Array
from stemline.postprocessing.encode import OutputFormat, StemWriter
from stemline.v1 import stemline_pb2 as pb

from ..jobs import SeparateAccepted, SeparatedBlock
from ..messages.conventions import MAX_DATA_BYTES
from ..messages.output import output_of
from .budget import CallHolding

_FULL_SCALE_S16 = 1 << 15


class Replies(Protocol):
    """Encodes stems and splits them into messages, as the returned iterators are iterated over."""

    def expect(self, n_samples: int | None) -> None:
        """Make sure of room for a track of so many samples, None where that is not known.

        Raises LimitError where it is known already that there is none.
        """

    def add(self, block: SeparatedBlock) -> Iterator[pb.StemBlock]:
        """What can be sent now that `block` is final. Raises LimitError where it has no room."""

    def finish(self) -> Iterator[pb.StemBlock]:
        """What is left to send after the last block."""


class PcmReplies:
    """Interleaved samples, sent at once."""

    def __init__(self, encoding: "pb.PcmEncoding") -> None:
        self._is_s16 = encoding == pb.PCM_ENCODING_S16LE

    def expect(self, n_samples: int | None) -> None:
        """Nothing is held."""

    def add(self, block: SeparatedBlock) -> Iterator[pb.StemBlock]:
        """One message a stem for each short stretch, so that a client can regroup as it reads."""
        channels, n_samples = next(iter(block.stems.values())).shape
        step = MAX_DATA_BYTES // (4 * channels)
        for start in range(0, n_samples, step):
            for stem, samples in block.stems.items():
                part = samples[:, start : start + step]
                yield pb.StemBlock(
                    stem=stem, offset=block.offset_samples + start, data=self._data(part)
                )

    def finish(self) -> Iterator[pb.StemBlock]:
        """Nothing: all was sent."""
        return iter(())

    def _data(self, samples: Array) -> bytes:
        """(channels, n) → interleaved little-endian bytes."""
        if self._is_s16:
            # What is no number is silence, as in files.
            finite = np.nan_to_num(samples.T, nan=0.0, posinf=1.0, neginf=-1.0).clip(-1, 1)
            full = np.rint(finite * np.float32(_FULL_SCALE_S16))
            return bytes(full.clip(max=_FULL_SCALE_S16 - 1).astype("<i2").tobytes())
        return bytes(samples.T.astype("<f4").tobytes())


class FileReplies:
    """One encoded file a stem, sent when complete, as its header holds its length.

    The files are temporary and have no name; `stack` closes them.
    """

    def __init__(
        self,
        output: OutputFormat,
        accepted: SeparateAccepted,
        holding: CallHolding,
        stack: ExitStack,
    ) -> None:
        self._output = output
        self._accepted = accepted
        self._holding = holding
        self._files: dict[str, IO[bytes]] = {}
        self._writers: dict[str, StemWriter] = {}
        for stem in accepted.stems:
            file = stack.enter_context(tempfile.TemporaryFile(prefix="stemline-"))
            writer = StemWriter(file, output, accepted.sample_rate_hz, accepted.channels)
            stack.callback(writer.abort)
            self._files[stem], self._writers[stem] = file, writer

    def expect(self, n_samples: int | None) -> None:
        """Hold what the files will have at the least."""
        rate_hz, channels = self._accepted.sample_rate_hz, self._accepted.channels
        n_bytes = self._output.least_bytes(n_samples or 0, rate_hz, channels)
        self._holding.disk("stems", len(self._files) * n_bytes)

    def add(self, block: SeparatedBlock) -> Iterator[pb.StemBlock]:
        """Nothing yet: the block is written to the files."""
        for stem, samples in block.stems.items():
            self._writers[stem].write(samples)
        self._holding.disk("stems", sum(file.tell() for file in self._files.values()))
        yield from ()

    def finish(self) -> Iterator[pb.StemBlock]:
        """The files, one after another."""
        for stem, file in self._files.items():
            self._writers[stem].close()
            file.seek(0)
            offset = 0
            while data := file.read(MAX_DATA_BYTES):
                yield pb.StemBlock(stem=stem, offset=offset, data=data)
                offset += len(data)


def replies_for(
    wanted: pb.OutputFormat, accepted: SeparateAccepted, holding: CallHolding, stack: ExitStack
) -> Replies:
    """The replies in the format that a config asks for. Raises EncodingError or RequestError."""
    output = output_of(wanted)
    if output is None:
        return PcmReplies(wanted.pcm.encoding)
    return FileReplies(output, accepted, holding, stack)
