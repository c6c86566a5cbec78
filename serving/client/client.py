"""A client of the gRPC service: audio in, stems and beats out, as from local objects."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from stemline.arrays import Array
from stemline.errors import RemoteError
from stemline.postprocessing.encode import OutputFormat
from stemline.preprocessing.audio import AudioFormat
from stemline.v1 import stemline_pb2 as pb

from ..jobs import Beats, SeparateOptions
from ..messages.output import output_message, pcm_message
from .call_parts import (
    container_input,
    file_parts,
    interleaved,
    pcm_input,
    separate_config,
)
from .connection import Connection
from .remote_beats import RemoteBeatTracker, received_beats
from .remote_files import written_stems
from .remote_separation import (
    FoundBeats,
    OnProgress,
    RemoteAnalysis,
    RemoteSeparation,
    RemoteSeparator,
)


@dataclass(frozen=True)
class AnalyzedFile:
    """The stems and the beats of one file."""

    stems: dict[str, Path]
    """Name → the file that was written."""
    beats: Beats


class StemlineClient:
    """A connection to one server; safe to share between threads."""

    def __init__(
        self,
        address: str,
        *,
        tls_ca: bytes | None = None,
        tls_cert: bytes | None = None,
        tls_key: bytes | None = None,
        tls: bool = False,
        token: str | None = None,
        timeout_s: float | None = None,
    ) -> None:
        """Connects with the first call.

        Parameters
        ----------
        address
            HOST:PORT.
        tls_ca
            The authority that signed the server's certificate, in PEM; turns TLS on.
        tls_cert, tls_key
            The client's own certificate in PEM, for a server that asks for one; turns TLS on.
        tls
            TLS with the authorities that the system trusts.
        token
            Sent with every call.
        timeout_s
            The longest that one call may take, in seconds; no limit when None.
        """
        self.address = address
        self._connection = Connection(
            address,
            tls_ca=tls_ca,
            tls_cert=tls_cert,
            tls_key=tls_key,
            tls=tls,
            token=token,
            timeout_s=timeout_s,
        )

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
        """Close the connection; calls under way are cancelled."""
        self._connection.close()

    def list_models(self) -> list[pb.Model]:
        """Every artifact that the server can run. Raises RemoteError."""
        return list(self._connection.list_models().models)

    def model(self, name: str = "") -> RemoteSeparator:
        """One model or artifact of the server, to be used like a Separator; empty: its default."""
        return RemoteSeparator(self, name)

    def beat_tracker(self, model: str = "", separator: str = "") -> RemoteBeatTracker:
        """One beat model of the server, to be used like a BeatTracker; empty: its defaults."""
        return RemoteBeatTracker(self, model, separator)

    def separate(
        self,
        blocks: Iterable[Array],
        audio: AudioFormat,
        options: SeparateOptions | None = None,
        *,
        model: str = "",
        on_progress: OnProgress | None = None,
    ) -> RemoteSeparation:
        """Separate a track that comes in blocks, as `Separator.stream` does, on the server.

        Samples travel as 32-bit floats both ways, so they are those of a local run. Returns once
        the server has accepted the call.

        Parameters
        ----------
        blocks
            (channels, n_samples) float32; read from another thread while stems come back.
        audio
            What the blocks are.
        options
            The stems wanted and the overlap.
        model
            A model or artifact of the server; its default when empty.
        on_progress
            Called, in the thread that iterates, with every progress message.

        Raises
        ------
        RemoteError
            At once or while iterating, as is whatever `blocks` raises.
        """
        config = separate_config(
            model, options or SeparateOptions(), input=pcm_input(audio), output=pcm_message()
        )
        call = self._connection.separate(config, interleaved(blocks))
        return RemoteSeparation(call, audio, on_progress)

    def separate_file(
        self,
        source: Path,
        folder: Path,
        output: OutputFormat,
        options: SeparateOptions | None = None,
        *,
        model: str = "",
        strict: bool = False,
        on_progress: OnProgress | None = None,
    ) -> dict[str, Path]:
        """Send an audio file as it is, and have the server encode the stems; name → file.

        Writes `folder/<stem>.<container>`, each complete or not at all. Raises EncodingError where
        the proto has no such format, RemoteError or OSError.
        """
        config = separate_config(
            model,
            options or SeparateOptions(),
            input=container_input(strict),
            output=output_message(output),
        )
        call = self._connection.separate(config, file_parts(source))
        return written_stems(call, call.first.accepted.stems, folder, output, on_progress)

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
        """Find the beats of a track that comes in blocks, as `BeatTracker.track_blocks` does.

        Samples travel as 32-bit floats, so the beats are those of a local run; `seconds` are the
        server's.

        Parameters
        ----------
        blocks
            (channels, n_samples) float32; read from another thread.
        audio
            What the blocks are.
        model
            A beat model or artifact of the server; its default when empty.
        separator
            The model that makes the beat model's input stems; when empty, the one whose stems it
            was trained on, else another that makes exactly these stems.
        activations
            Whether the network's probabilities are wanted, too.
        on_progress
            Called with every progress message.
        on_accepted
            Called once, with what runs.

        Raises
        ------
        RemoteError
            As is whatever `blocks` raises.
        """
        config = pb.BeatsConfig(
            model=model, separator=separator, input=pcm_input(audio), activations=activations
        )
        call = self._connection.beats(config, interleaved(blocks))
        if on_accepted is not None:
            on_accepted(call.first.accepted)
        return received_beats(call, on_progress)

    def beats_file(
        self,
        source: Path,
        *,
        model: str = "",
        separator: str = "",
        activations: bool = False,
        strict: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Beats:
        """Send an audio file as it is, and have its beats found. Raises RemoteError or OSError."""
        config = pb.BeatsConfig(
            model=model, separator=separator, input=container_input(strict), activations=activations
        )
        call = self._connection.beats(config, file_parts(source))
        return received_beats(call, on_progress)

    def analyze(
        self,
        blocks: Iterable[Array],
        audio: AudioFormat,
        options: SeparateOptions | None = None,
        *,
        model: str = "",
        beats_model: str = "",
        activations: bool = False,
        on_progress: OnProgress | None = None,
    ) -> RemoteAnalysis:
        """Separate a track on the server, once, and find the beats in its stems.

        Iterate over the result for the stems, as over that of `separate`; then it has `beats`.
        Without a `model` the stems are those that the beat model was trained on. Parameters and
        errors are those of `separate` and `beats`.
        """
        config = pb.AnalyzeConfig(
            separate=separate_config(
                model, options or SeparateOptions(), input=pcm_input(audio), output=pcm_message()
            ),
            beats_model=beats_model,
            activations=activations,
        )
        call = self._connection.analyze(config, interleaved(blocks))
        return RemoteAnalysis(call, audio, on_progress)

    def analyze_file(
        self,
        source: Path,
        folder: Path,
        output: OutputFormat,
        options: SeparateOptions | None = None,
        *,
        model: str = "",
        beats_model: str = "",
        activations: bool = False,
        strict: bool = False,
        on_progress: OnProgress | None = None,
    ) -> AnalyzedFile:
        """Send an audio file as it is; its stems are written as by `separate_file`.

        No stem is written where the beats cannot be found. Raises RemoteError or OSError.
        """
        config = pb.AnalyzeConfig(
            separate=separate_config(
                model,
                options or SeparateOptions(),
                input=container_input(strict),
                output=output_message(output),
            ),
            beats_model=beats_model,
            activations=activations,
        )
        call = self._connection.analyze(config, file_parts(source))
        found = FoundBeats()
        names = call.first.accepted.stems
        stems = written_stems(call, names, folder, output, on_progress, found.take)
        assert found.beats is not None  # a call without them has failed
        return AnalyzedFile(stems, found.beats)


def task_of(model: pb.Model) -> Literal["separate", "beats"]:
    """What a server's model does. Raises RemoteError for a task that this client does not know."""
    match model.task:
        case pb.TASK_SEPARATE:
            return "separate"
        case pb.TASK_BEATS:
            return "beats"
        case _:
            raise RemoteError("INTERNAL", f"{model.artifact} has a task that is not known here")
