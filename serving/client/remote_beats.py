"""A beat model of a server, used like a local BeatTracker."""

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Protocol

from stemline.arrays import Array
from stemline.preprocessing.audio import AudioFormat
from stemline.v1 import stemline_pb2 as pb

from ..beat_tracker import Progress
from ..jobs import Beats
from ..messages.beats import beats_of
from .call_parts import log_faults
from .remote_call import RemoteCall
from .remote_separation import OnProgress


class FindsBeats(Protocol):
    """A client, as far as a RemoteBeatTracker needs it."""

    def beats(
        self,
        blocks: Iterable[Array],
        audio: AudioFormat,
        *,
        model: str = "",
        separator: str = "",
        activations: bool = False,
        on_progress: OnProgress | None = None,
        on_accepted: Callable[[pb.BeatsAccepted], None] | None = None,
    ) -> Beats:
        """Find the beats of a track on the server."""


class RemoteBeatTracker:
    """One beat model of a server, with the `track_blocks` of a local BeatTracker."""

    def __init__(self, client: FindsBeats, model: str, separator: str) -> None:
        self._client = client
        self._model = model
        self._separator = separator
        self.accepted: pb.BeatsAccepted | None = None
        """What the server runs for the latest call: artifacts, provider, device."""

    def track_blocks(
        self,
        blocks: Iterable[Array],
        audio: AudioFormat,
        *,
        with_activations: bool = False,
        on_progress: Progress | None = None,
    ) -> Beats:
        """Find the beats of a track, as `StemlineClient.beats` does."""

        def advance(progress: pb.Progress) -> None:
            if on_progress is not None:
                on_progress(progress.samples_done, audio.n_samples)

        def accept(accepted: pb.BeatsAccepted) -> None:
            self.accepted = accepted

        return self._client.beats(
            blocks,
            audio,
            model=self._model,
            separator=self._separator,
            activations=with_activations,
            on_progress=advance,
            on_accepted=accept,
        )


def received_beats(
    call: RemoteCall[pb.BeatsResponse], on_progress: OnProgress | None = None
) -> Beats:
    """The beats that a call finds; waits for its end. Raises RemoteError."""
    found: Beats | None = None
    blocks: list[pb.ActivationBlock] = []
    with closing(call):
        for message in call:
            match message.WhichOneof("response"):
                case "progress" if on_progress is not None:
                    on_progress(message.progress)
                case "activations":
                    blocks.append(message.activations)
                case "result":
                    log_faults(message.result.input_faults)
                    found = beats_of(message.result, blocks, call.first.accepted.labels)
    assert found is not None  # a call that ends without is an error
    return found
