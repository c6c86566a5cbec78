"""Messages of a call → its config, and audio blocks at the input's rate and channels."""

import math
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import IO, Any, Protocol

from stemline.arrays import Array
from stemline.errors import AudioError, LimitError, RequestError
from stemline.preprocessing.audio import AudioFormat, AudioReader, decode_pcm, open_audio
from stemline.preprocessing.channels import MOST_CHANNELS
from stemline.v1 import stemline_pb2 as pb

from .budget import Budget, CallHolding, Share, beats_budget


class UploadMessage(Protocol):
    """A message of a client: the first carries the config, every other audio."""

    @property
    def audio(self) -> bytes:
        """The next bytes of the recording."""

    @property
    def config(self) -> Any:
        """What is to be done; its `input` says what the audio is."""

    def WhichOneof(self, oneof_group: str, /) -> str | None:
        """The name of the field that it carries."""


ENCODINGS = {
    pb.PCM_ENCODING_UNSPECIFIED: "f32le",
    pb.PCM_ENCODING_F32LE: "f32le",
    pb.PCM_ENCODING_S16LE: "s16le",
    pb.PCM_ENCODING_S24LE: "s24le",
}


# Audio whose length is not known beforehand is held by the minute: with little room left one call
# is refused at its next minute, not every one of them at its next block.
_STEP_S = 60.0


@dataclass(frozen=True)
class UploadLimits:
    """What one call may send."""

    max_bytes: int
    """The largest upload."""
    max_audio_s: float
    """The longest recording, in seconds."""
    max_beats_s: float = math.inf
    """The longest recording in which beats are found, in seconds: a beat network's memory grows
    with the length of the track."""
    beats_audio: Budget = field(default_factory=lambda: beats_budget(math.inf))
    """The audio held by all calls that find beats: each keeps its network's inputs until it ends.
    """
    share: Share | None = None
    """This call's part of `beats_audio`; None where it keeps no audio."""

    def for_beats(self, stack: ExitStack) -> "UploadLimits":
        """The limits of one call that finds beats; `stack` releases its share."""
        return replace(
            self,
            max_audio_s=min(self.max_audio_s, self.max_beats_s),
            share=stack.enter_context(self.beats_audio.share()),
        )


def config_of(requests: Iterator[UploadMessage]) -> Any:
    """The call's config, which the first message must carry. Raises RequestError otherwise."""
    first = next(requests, None)
    carried = None if first is None else first.WhichOneof("request")
    if first is None or carried != "config":
        raise RequestError(
            "config", f"the first message must carry the config; it carried {carried or 'nothing'}"
        )
    return first.config


def audio_of(
    requests: Iterator[UploadMessage],
    wanted: pb.InputFormat,
    limits: UploadLimits,
    holding: CallHolding,
    stack: ExitStack,
) -> tuple[Iterable[Array], AudioFormat, list[str]]:
    """The audio that follows a config: blocks (channels, n_samples), what they are, its faults.

    The faults are all known once the blocks were read: sentences, none where all is well.

    PCM is decoded as it arrives, and can be read once. A container can be read again and again: it
    is first received whole, into a temporary file without a name, so that nothing is left behind
    however the call ends; `stack` closes it.

    Raises RequestError, AudioError or LimitError, at once or while iterating.
    """
    parts = _bounded(_audio_parts(requests), limits)
    if wanted.WhichOneof("format") == "pcm":
        audio = _pcm_format(wanted.pcm)
        blocks = decode_pcm(parts, _encoding(wanted.pcm), audio.channels)
        return _within(blocks, audio, limits), audio, []
    spool = stack.enter_context(tempfile.TemporaryFile(prefix="stemline-"))
    n_bytes = 0
    for part in parts:
        n_bytes += len(part)
        holding.disk("upload", n_bytes)
        spool.write(part)
    spool.seek(0)
    faults: list[str] = []
    with open_audio(spool) as reader:
        audio = reader.format
        _keep(faults, reader)
    _check_length(audio, limits)
    received = _Received(spool, limits, faults)
    if wanted.container.strict:
        _check_whole(received, faults)
    return received, audio, faults


def check_input(wanted: pb.InputFormat) -> None:
    """Raise RequestError for an input format that no audio can have."""
    if wanted.WhichOneof("format") == "pcm":
        _pcm_format(wanted.pcm)
        _encoding(wanted.pcm)


def _audio_parts(requests: Iterator[UploadMessage]) -> Iterator[bytes]:
    for request in requests:
        carried = request.WhichOneof("request")
        if carried != "audio":
            raise RequestError(
                carried or "request",
                f"every message after the first carries audio; one carried {carried or 'nothing'}",
            )
        yield request.audio


def _bounded(parts: Iterator[bytes], limits: UploadLimits) -> Iterator[bytes]:
    n_bytes = 0
    for part in parts:
        n_bytes += len(part)
        if n_bytes > limits.max_bytes:
            raise LimitError(
                f"the upload is over {limits.max_bytes / 1e6:g} MB, this server's limit; send a "
                "shorter recording, or a compressed file"
            )
        yield part


class _Received:
    """The blocks of a container that was received whole, as often as they are wanted."""

    def __init__(self, file: IO[bytes], limits: UploadLimits, faults: list[str]) -> None:
        self._file = file
        self._faults = faults
        self._limits = limits

    def __iter__(self) -> Iterator[Array]:
        with open_audio(self._file) as reader:  # type: ignore[arg-type]
            yield from _within(reader.blocks(), reader.format, self._limits)
            _keep(self._faults, reader)


def _check_whole(received: _Received, faults: list[str]) -> None:
    """Raise AudioError where reading to the end, within the limits, finds a fault."""
    for _ in received:
        pass
    if faults:
        raise AudioError("; ".join(faults))


def _keep(faults: list[str], reader: AudioReader) -> None:
    faults += [fault for fault in reader.faults if fault not in faults]


def _check_length(audio: AudioFormat, limits: UploadLimits) -> None:
    """Raise LimitError for a container whose header says more than may be sent, or can be held."""
    if audio.n_samples is None:
        return
    if audio.n_samples > _most_samples(audio, limits):
        raise _too_long(limits)
    if limits.share is not None:
        limits.share.grow(audio.n_samples / audio.sample_rate_hz)


def _within(blocks: Iterator[Array], audio: AudioFormat, limits: UploadLimits) -> Iterator[Array]:
    """The blocks; raises LimitError at the first that is too much."""
    n_samples, most_samples = 0, _most_samples(audio, limits)
    for block in blocks:
        n_samples += block.shape[1]
        if n_samples > most_samples:
            raise _too_long(limits)
        if limits.share is not None:
            _hold(n_samples / audio.sample_rate_hz, limits.share, limits.max_audio_s)
        yield block


def _hold(received_s: float, share: Share, most_s: float) -> None:
    """Let a share hold what was received, rounded up to a minute, but at most `most_s`."""
    if received_s > share.held:
        share.grow(min(_STEP_S * math.ceil(received_s / _STEP_S), most_s))


def _most_samples(audio: AudioFormat, limits: UploadLimits) -> float:
    return limits.max_audio_s * audio.sample_rate_hz


def _too_long(limits: UploadLimits) -> LimitError:
    return LimitError(
        f"the recording is longer than {limits.max_audio_s:g} s, this server's limit for such a "
        "call; split it"
    )


def _pcm_format(pcm: pb.PcmInput) -> AudioFormat:
    if not 1 <= pcm.channels <= MOST_CHANNELS:
        raise RequestError(
            "config.input.pcm.channels",
            f"{pcm.channels} channels; PCM is taken with 1 to {MOST_CHANNELS}",
        )
    try:
        return AudioFormat(pcm.sample_rate_hz, pcm.channels, None)
    except AudioError as error:
        raise RequestError("config.input.pcm.sample_rate_hz", str(error)) from error


def _encoding(pcm: pb.PcmInput) -> str:
    encoding = ENCODINGS.get(pcm.encoding)
    if encoding is None:
        raise RequestError("config.input.pcm.encoding", f"there is no PCM encoding {pcm.encoding}")
    return encoding
