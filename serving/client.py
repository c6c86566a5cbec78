"""A client of the gRPC service: audio blocks in, blocks of stems out, as from a local Separator."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
import numpy as np

from stemline.engines.base import Array
from stemline.postprocessing.encode import OutputFormat
from stemline.postprocessing.stems import stem_file_name
from stemline.preprocessing.audio import AudioFormat
from stemline.v1 import stemline_pb2 as pb
from stemline.v1 import stemline_pb2_grpc as pb_grpc

from .errors import REASON_KEY, RemoteError
from .loopback import is_loopback
from .pipeline import SeparatedBlock, SeparateOptions, check_shifts
from .remote_call import RemoteCall, Upload
from .replies import MAX_DATA_BYTES

_MAX_MESSAGE_BYTES = 1 << 24


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
            The longest that one call may take; for ever when None.
        """
        self.address = address
        self._timeout_s = timeout_s
        self._metadata = None if token is None else (("authorization", f"Bearer {token}"),)
        options = [
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.keepalive_time_ms", 300_000),  # the pace that every server allows
        ]
        if is_loopback(address.rpartition(":")[0]):
            options.append(("grpc.enable_http_proxy", 0))  # a proxy's loopback is not ours
        self._is_secure = tls or tls_ca is not None or tls_cert is not None
        if self._is_secure:
            credentials = grpc.ssl_channel_credentials(
                root_certificates=tls_ca, private_key=tls_key, certificate_chain=tls_cert
            )
            self._channel = grpc.secure_channel(address, credentials, options)
        else:
            self._channel = grpc.insecure_channel(address, options)
        self._stub = pb_grpc.StemlineServiceStub(self._channel)  # type: ignore[no-untyped-call]

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
        self._channel.close()

    def list_models(self) -> list[pb.Model]:
        """Every artifact that the server can run. Raises RemoteError."""
        models: list[pb.Model] = []
        token = ""
        while True:
            try:
                page = self._stub.ListModels(
                    pb.ListModelsRequest(page_token=token),
                    metadata=self._metadata,
                    timeout=self._timeout_s,
                )
            except grpc.RpcError as error:
                raise self._remote_error(error) from error
            models.extend(page.models)
            token = page.next_page_token
            if not token:
                return models

    def model(self, name: str = "") -> "RemoteSeparator":
        """One model or artifact of the server, to be used like a Separator; empty: its default."""
        return RemoteSeparator(self, name)

    def separate(
        self,
        blocks: Iterable[Array],
        audio: AudioFormat,
        options: SeparateOptions | None = None,
        *,
        model: str = "",
        on_progress: Callable[[pb.Progress], None] | None = None,
    ) -> "RemoteSeparation":
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
        config = _config(model, options or SeparateOptions())
        config.input.pcm.sample_rate_hz = audio.sample_rate_hz
        config.input.pcm.channels = audio.channels
        config.input.pcm.encoding = pb.PCM_ENCODING_F32LE
        config.output.pcm.encoding = pb.PCM_ENCODING_F32LE
        call = self._open(config, _interleaved(blocks))
        return RemoteSeparation(call, audio, on_progress)

    def separate_file(
        self,
        source: Path,
        folder: Path,
        output: OutputFormat,
        options: SeparateOptions | None = None,
        *,
        model: str = "",
        on_progress: Callable[[pb.Progress], None] | None = None,
    ) -> dict[str, Path]:
        """Send an audio file as it is, and have the server encode the stems; name → file.

        Writes `folder/<stem>.<container>`, each complete or not at all. Raises RemoteError or
        OSError.
        """
        config = _config(model, options or SeparateOptions())
        config.input.container.SetInParent()
        _set_output(config.output, output)
        with ExitStack() as stack:
            call = self._open(config, _file_parts(source))
            stack.callback(call.close)
            folder.mkdir(parents=True, exist_ok=True)
            parts = {
                stem: folder / f"{stem_file_name(stem)}.{output.container}.part"
                for stem in call.accepted.stems
            }
            for part in parts.values():
                stack.callback(part.unlink, missing_ok=True)
            files = {stem: stack.enter_context(part.open("wb")) for stem, part in parts.items()}
            for message in call:
                match message.WhichOneof("response"):
                    case "stem_block":
                        files[message.stem_block.stem].write(message.stem_block.data)
                    case "progress" if on_progress is not None:
                        on_progress(message.progress)
            for file in files.values():
                file.close()
            return {stem: part.rename(part.with_suffix("")) for stem, part in parts.items()}

    def _open(self, config: pb.SeparateConfig, parts: Iterable[bytes]) -> "RemoteCall":
        upload = Upload(config, parts)
        responses = self._stub.Separate(
            upload.requests(), metadata=self._metadata, timeout=self._timeout_s
        )
        return RemoteCall(responses, upload, self._remote_error)

    def _remote_error(self, error: grpc.RpcError) -> RemoteError:
        code, details = error.code(), error.details() or ""
        told = {item.key: item.value for item in error.trailing_metadata() or ()}
        reason = str(told.get(REASON_KEY, ""))
        if code is grpc.StatusCode.UNAVAILABLE and not reason:
            with_tls = "with TLS" if self._is_secure else "without TLS"
            return RemoteError(
                code, f"no stemline server answers at {self.address} {with_tls}: {details}"
            )
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return RemoteError(code, f"what answers at {self.address} is no stemline server")
        return RemoteError(code, f"{self.address}: {details or code.name}", reason)


class RemoteSeparator:
    """One model of a server, with the `stream` of a local Separator."""

    def __init__(self, client: StemlineClient, model: str) -> None:
        self._client = client
        self._model = model
        self.accepted: pb.Accepted | None = None
        """What the server said of the latest call: artifact, provider, device."""

    def stream(
        self, blocks: Iterable[Array], audio: AudioFormat, options: SeparateOptions | None = None
    ) -> "RemoteSeparation":
        """Separate a track, as `StemlineClient.separate` does."""
        separation = self._client.separate(blocks, audio, options, model=self._model)
        self.accepted = separation.accepted
        return separation


class RemoteSeparation(Iterator[SeparatedBlock]):
    """One track on its way through a server: iterate over it for the stems, as over Separation."""

    def __init__(
        self,
        call: "RemoteCall",
        audio: AudioFormat,
        on_progress: Callable[[pb.Progress], None] | None = None,
    ) -> None:
        self.audio = audio
        self.accepted = call.accepted
        self.stems = tuple(call.accepted.stems)
        """The names in every block, the residual last."""
        self.summary: pb.Summary | None = None
        """What was done, once the last block has come."""
        self.n_samples_done = 0
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
                        # The server sends every stem of the same stretch in turn.
                        if all(waiting.values()):
                            stems = {stem: parts.popleft() for stem, parts in waiting.items()}
                            offset = self.n_samples_done
                            self.n_samples_done += stems[block.stem].shape[1]
                            yield SeparatedBlock(offset, stems)
                    case "progress" if self._on_progress is not None:
                        self._on_progress(message.progress)
                    case "summary":
                        self.summary = message.summary
        finally:
            self.close()


def _config(model: str, options: SeparateOptions) -> pb.SeparateConfig:
    check_shifts(options)
    return pb.SeparateConfig(
        model=model,
        stems=options.stems,
        residual=options.residual,
        overlap=options.overlap,
        shifts=options.shifts,
        seed=options.seed,
    )


def _set_output(wanted: pb.OutputFormat, output: OutputFormat) -> None:
    match output.container:
        case "wav":
            wanted.wav.bits = output.bits
        case "flac":
            wanted.flac.bits = output.bits
        case "mp3":
            wanted.mp3.bitrate_kbps = output.bitrate_kbps


def _interleaved(blocks: Iterable[Array]) -> Iterator[bytes]:
    """(channels, n) float32 → interleaved little-endian bytes."""
    for block in blocks:
        yield block.T.astype("<f4").tobytes()


def _samples(block: pb.StemBlock, channels: int) -> Array:
    """Interleaved little-endian bytes → (channels, n) float32."""
    interleaved = np.frombuffer(block.data, "<f4").reshape(-1, channels)
    return np.ascontiguousarray(interleaved.T, dtype=np.float32)


def _file_parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(MAX_DATA_BYTES):
            yield part
