"""A server's models, with the methods of those that are loaded here."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stemline.preprocessing.audio import AudioFormat
from stemline.serving.client.client import StemlineClient, task_of
from stemline.serving.files import BlockStream, SeparatedFile
from stemline.serving.jobs import Beats
from stemline.serving.stem_places import DEFAULT

from .options import separate_options
from .sources import (
    AudioSource,
    Progress,
    StrPath,
    checked_blocks,
    open_track,
    say_finished,
    tags_of,
    whole_hz,
)
from .stem_writing import StemFiles, write_stems
from .stems import Stems, collected

Pem = str | os.PathLike[str] | bytes
"""The path of a PEM file, or its contents."""


@dataclass(frozen=True)
class ServerModel:
    """A model that a server runs."""

    name: str
    """The model's, such as `htdemucs`."""
    artifact: str
    """The artifact's, such as `htdemucs.fp32`."""
    stems: tuple[str, ...]
    """The stems that it makes; none of a model that finds beats."""
    sample_rate_hz: int
    """The rate that the network works at; tracks of any rate are taken."""
    trained: bool
    """Whether its weights are trained, not random."""
    task: str
    """What it does: `separate` or `beats`."""


class Client:
    """A connection to one stemline server; safe to share between threads.

    Its `separate`, `separate_file`, `stream` and `track` are those of loaded models, with the model
    as a parameter. Samples travel as 32-bit floats both ways, so that results are those of the same
    model here.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        tls: bool = False,
        tls_ca: Pem | None = None,
        tls_cert: Pem | None = None,
        tls_key: Pem | None = None,
        timeout_s: float | None = None,
    ) -> None:
        """Connect with the first call.

        Parameters
        ----------
        address
            HOST:PORT.
        token
            The bearer token of every call.
        tls
            Use TLS, with the authorities that the system trusts.
        tls_ca
            Use TLS, with this authority.
        tls_cert, tls_key
            Use TLS; the client's own certificate, for a server that asks for one.
        timeout_s
            The longest that one call may take; for ever when None.

        Raises
        ------
        OSError
            A PEM file cannot be read.
        """
        self._client = StemlineClient(
            address,
            token=token,
            tls=tls,
            tls_ca=_pem(tls_ca),
            tls_cert=_pem(tls_cert),
            tls_key=_pem(tls_key),
            timeout_s=timeout_s,
        )

    def models(self) -> list[ServerModel]:
        """Every model that the server can run. Raises RemoteError."""
        return [
            ServerModel(
                one.name,
                one.artifact,
                tuple(one.stems),
                one.sample_rate_hz,
                one.trained,
                task_of(one),
            )
            for one in self._client.list_models()
        ]

    def separate(
        self,
        source: AudioSource,
        sample_rate_hz: int | None = None,
        *,
        model: str | None = None,
        stems: str | Sequence[str] | None = None,
        residual: bool = False,
        overlap: float | None = None,
        shifts: int = 0,
        seed: int = 0,
        text: str | Sequence[str] | None = None,
        mono: bool = False,
        strict: bool = False,
        on_progress: Progress | None = None,
    ) -> Stems:
        """Separate a track on the server.

        `model` is a model or artifact of the server, its default when None or empty; the other
        parameters and the result are those of `separate` of a loaded separator. Raises AudioError
        and RequestError for the source, RemoteError for whatever the server refuses.
        """
        track = open_track(source, sample_rate_hz, strict=strict)
        options = separate_options(stems, residual, overlap, shifts, seed, text, mono)
        with self._client.separate(track.blocks, track.audio, options, model=model or "") as call:
            return collected(call, track.audio, call.accepted.model, on_progress, tags_of(source))

    def separate_file(
        self,
        source: StrPath,
        out: StrPath = "separated",
        *,
        model: str | None = None,
        filename: str = DEFAULT,
        format: str = "wav",
        bits: int = 16,
        bitrate_kbps: int = 192,
        stems: str | Sequence[str] | None = None,
        residual: bool = False,
        overlap: float | None = None,
        shifts: int = 0,
        seed: int = 0,
        text: str | Sequence[str] | None = None,
        mono: bool = False,
        strict: bool = False,
        tags: bool = True,
        on_progress: Progress | None = None,
    ) -> SeparatedFile:
        """Separate a file on the server into files here, one a stem.

        `model` is as in `separate`; the other parameters, the files and the result are those of
        `separate_file` of a loaded separator. Raises RemoteError for whatever the server refuses.
        """
        remote = self._client.model(model or "")

        def model_of() -> tuple[str, str]:
            accepted = remote.accepted
            return (model or "", "") if accepted is None else (accepted.model, accepted.artifact)

        return write_stems(
            source,
            remote,
            model_of,
            StemFiles(out, filename, format, bits, bitrate_kbps),
            separate_options(stems, residual, overlap, shifts, seed, text, mono),
            strict=strict,
            tags=tags,
            on_progress=on_progress,
        )

    def stream(
        self,
        blocks: Iterable[NDArray[np.floating[Any]]],
        sample_rate_hz: int,
        channels: int,
        *,
        model: str | None = None,
        stems: str | Sequence[str] | None = None,
        residual: bool = False,
        overlap: float | None = None,
        shifts: int = 0,
        seed: int = 0,
        text: str | Sequence[str] | None = None,
        mono: bool = False,
    ) -> BlockStream:
        """Separate a track on the server while its blocks come in.

        `model` is as in `separate`; the other parameters and the result are those of `stream` of a
        loaded separator. Raises RemoteError at once or while iterating, as is whatever `blocks`
        raises.
        """
        audio = AudioFormat(whole_hz(sample_rate_hz), channels, None)
        options = separate_options(stems, residual, overlap, shifts, seed, text, mono)
        checked = checked_blocks(blocks, channels)
        return self._client.separate(checked, audio, options, model=model or "")

    def track(
        self,
        source: AudioSource,
        sample_rate_hz: int | None = None,
        *,
        model: str | None = None,
        separator: str | None = None,
        activations: bool = False,
        strict: bool = False,
        on_progress: Progress | None = None,
    ) -> Beats:
        """Find the beats of a track on the server.

        `model` and `separator` are the server's, its defaults when None or empty; the other
        parameters and the result are those of `track` of a loaded beat tracker, but for `seconds`,
        which are the server's. Raises AudioError and RequestError for the source, RemoteError for
        whatever the server refuses.
        """
        track = open_track(source, sample_rate_hz, strict=strict)
        found = self._client.beat_tracker(model or "", separator or "").track_blocks(
            track.blocks, track.audio, with_activations=activations, on_progress=on_progress
        )
        say_finished(on_progress, track.audio)
        return found

    def close(self) -> None:
        """Close the connection; calls under way are cancelled."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self._client.address}>"


def _pem(pem: Pem | None) -> bytes | None:
    return pem if pem is None or isinstance(pem, bytes) else Path(pem).read_bytes()
