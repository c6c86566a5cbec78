"""Separations and analyses on a server, used like local ones."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from stemline.arrays import Array
from stemline.preprocessing.audio import AudioFormat
from stemline.v1 import stemline_pb2 as pb

from ..jobs import Beats, SeparatedBlock, SeparateOptions
from ..messages.beats import beats_of
from .remote_call import RemoteCall

OnProgress = Callable[[pb.Progress], None]


class Separates(Protocol):
    """A client, as far as a RemoteSeparator needs it."""

    def separate(
        self,
        blocks: Iterable[Array],
        audio: AudioFormat,
        options: SeparateOptions | None = None,
        *,
        model: str = "",
    ) -> "RemoteSeparation":
        """Separate a track on the server."""


class RemoteSeparator:
    """One model of a server, with the `stream` of a local Separator."""

    def __init__(self, client: Separates, model: str) -> None:
        self._client = client
        self._model = model
        self.accepted: pb.Accepted | None = None
        """What the server runs for the latest call: artifact, provider, device."""

    def stream(
        self, blocks: Iterable[Array], audio: AudioFormat, options: SeparateOptions | None = None
    ) -> "RemoteSeparation":
        """Separate a track, as `StemlineClient.separate` does."""
        separation = self._client.separate(blocks, audio, options, model=self._model)
        self.accepted = separation.accepted
        return separation


class RemoteSeparation(Iterator[SeparatedBlock]):
    """One track under way on a server: iterate over it for the stems, as over a Separation."""

    def __init__(
        self, call: RemoteCall[Any], audio: AudioFormat, on_progress: OnProgress | None = None
    ) -> None:
        self.audio = audio
        self.accepted: pb.Accepted = call.first.accepted
        self.stems = tuple(self.accepted.stems)
        """The names in every block, the residual last."""
        self.summary: pb.Summary | None = None
        """What was done, once the last block has come."""
        self.n_samples_done = 0
        """Samples of every stem returned so far, at the input's sample rate."""
        self._call = call
        self._on_progress = on_progress
        self._output = self._blocks()

    @property
    def chunks_done(self) -> int:
        """Chunks that the server's engine ran; 0 until the end."""
        return 0 if self.summary is None else self.summary.chunks

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage, on the server; empty until the end."""
        return {} if self.summary is None else dict(self.summary.seconds)

    def __next__(self) -> SeparatedBlock:
        return next(self._output)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cancel the call, if it still runs; safe from any thread, and more than once."""
        self._call.close()

    def _blocks(self) -> Iterator[SeparatedBlock]:
        """Stem blocks, each of one stem → blocks of all stems."""
        waiting = {stem: deque[Array]() for stem in self.stems}
        try:
            for message in self._call:
                match message.WhichOneof("response"):
                    case "stem_block":
                        block = message.stem_block
                        waiting[block.stem].append(_samples(block, self.accepted.channels))
                        # The server sends one block a stem for each stretch.
                        if all(waiting.values()):
                            stems = {stem: parts.popleft() for stem, parts in waiting.items()}
                            offset = self.n_samples_done
                            self.n_samples_done += stems[block.stem].shape[1]
                            yield SeparatedBlock(offset, stems)
                    case "progress" if self._on_progress is not None:
                        self._on_progress(message.progress)
                    case "summary":
                        self.summary = message.summary
                    case _:
                        self._take(message)
        finally:
            self.close()

    def _take(self, message: Any) -> None:
        """Ignore a message that is not about the separation; RemoteAnalysis reads it."""


class RemoteAnalysis(RemoteSeparation):
    """One track under way on a server: its stems, and then its beats."""

    def __init__(
        self,
        call: RemoteCall[pb.AnalyzeResponse],
        audio: AudioFormat,
        on_progress: OnProgress | None = None,
    ) -> None:
        super().__init__(call, audio, on_progress)
        self._found = FoundBeats()

    @property
    def beats_accepted(self) -> pb.BeatsAccepted | None:
        """What runs to find the beats; None before the first block."""
        return self._found.accepted

    @property
    def beats(self) -> Beats | None:
        """The beats, once the last block has come."""
        return self._found.beats

    def _take(self, message: pb.AnalyzeResponse) -> None:
        self._found.take(message)


class FoundBeats:
    """The beats of an Analyze call, as its messages come."""

    def __init__(self) -> None:
        self.accepted: pb.BeatsAccepted | None = None
        """What runs to find the beats, once it is known."""
        self.beats: Beats | None = None
        """The beats, once they have come."""
        self._blocks: list[pb.ActivationBlock] = []

    def take(self, message: pb.AnalyzeResponse) -> None:
        """Keep the message if it is about beats."""
        match message.WhichOneof("response"):
            case "beats_accepted":
                self.accepted = message.beats_accepted
            case "activations":
                self._blocks.append(message.activations)
            case "beats":
                labels = () if self.accepted is None else self.accepted.labels
                self.beats = beats_of(message.beats, self._blocks, labels)


def _samples(block: pb.StemBlock, channels: int) -> Array:
    """Interleaved little-endian bytes → (channels, n) float32."""
    interleaved = np.frombuffer(block.data, "<f4").reshape(-1, channels)
    return np.ascontiguousarray(interleaved.T, dtype=np.float32)
