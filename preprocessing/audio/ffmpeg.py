"""The decoder of what libsndfile does not read: FFmpeg's libraries, through PyAV, an extra."""

from collections.abc import Generator, Iterator
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from stemline.errors import MissingExtraError
from stemline.preprocessing.speakers import WAVE_ORDER, Speaker, Speakers

from .apple_layout import AppleLayout
from .boxes import boxes_fault
from .byte_ranges import ByteRanges, Range
from .channel_boxes import channel_boxes
from .ffmpeg_packets import PacketCheck
from .format import is_rate
from .matroska import matroska_fault
from .part import Contents, DecodeError, Part, ends_early

_NAMES: dict[str, Speaker] = {**{name: name for name in WAVE_ORDER}, "DL": "FL", "DR": "FR"}

# By the number of channels, as FFmpeg calls the speakers that the number implies.
_LAYOUTS = {
    1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1",
}  # fmt: skip
_DESCRIBED = {"mov", "mp4", "caf", "aiff"}
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ANNOUNCING = {"mov", "mp4", "matroska", "webm", "asf", "tta", "wv", "ape", "aiff", "wav"}
# A codec's first and last frames may be counted or not, and clocks of some containers are coarse.
_TOLERANCE_S = 0.03
_ASF_TOLERANCE_S = 0.1  # of which FFmpeg takes the preroll off, which may be counted by seconds
_MOST_DAMAGED = 100_000  # packets; a stream that ends in errors without end is left


class _FfmpegDecoder:
    """The first audio stream of one file."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        """Read the header. Raises DecodeError, MissingExtraError."""
        self._av = _pyav()
        self._errors = (self._av.error.FFmpegError, EOFError, ValueError)
        self._container = self._opened(file, [(start, end)])
        described = self._without_orders(file, start, end)
        self._asf_share = _asf_share(file, start, end)
        self._n_all_streams = len(self._container.streams)
        self.n_streams = len(self._container.streams.audio)
        if not self.n_streams:
            self._container.close()
            raise DecodeError("there is no audio in it")
        self.stream = self._container.streams.audio[0]
        if self.stream.codec_context is None:
            self._container.close()
            raise DecodeError("FFmpeg has no decoder for its codec")
        self.speakers = self._ordered(described)
        self._packets = PacketCheck(file, start, end, self._container.format.name)
        self._blocks = self._decoded()
        self.faults: list[str] = []
        self._n_samples = self._n_damaged = self._rate_hz = self._channels = 0
        self._reason = ""
        self._rest: NDArray[np.float32] = np.zeros((0, 0), np.float32)

    def read(self, n_samples: int) -> NDArray[np.float32]:
        """The next samples (n, channels), n <= n_samples; none at the end. Raises DecodeError."""
        while not len(self._rest):
            block = next(self._blocks, None)
            if block is None:
                return self._rest
            self._rest = block
        found, self._rest = self._rest[:n_samples], self._rest[n_samples:]
        return found

    def _opened(self, file: BinaryIO, pieces: list[Range | bytes]) -> Any:
        """A container of PyAV's. Raises DecodeError."""
        try:
            return self._av.open(ByteRanges(file, pieces), mode="r", metadata_errors="replace")
        except self._errors as error:
            raise DecodeError(_reason(error)) from error

    def _without_orders(self, file: BinaryIO, start: int, end: int) -> tuple[AppleLayout, ...]:
        """What the file says of its channels, once FFmpeg does not see it; see `channel_boxes`.

        Until then nothing may be looked at that has a layout. Raises DecodeError.
        """
        name = self._container.format.name
        if not _DESCRIBED & set(name.split(",")):
            return ()
        try:
            boxes = channel_boxes(file, start, end, name)
        except DecodeError:
            self._container.close()
            raise
        if boxes.are_there:
            self._container.close()
            self._container = self._opened(file, boxes.pieces)
        return boxes.layouts

    def _ordered(self, described: tuple[AppleLayout, ...]) -> Speakers | None:
        """The speaker of each channel, in the order in which they will come, where that is said.

        Raises DecodeError.
        """
        codec: Any = self.stream.codec_context
        # Other decoders put them in order, and know their number.
        if not described or not codec.name.startswith("pcm_"):
            return _speakers(codec.layout)
        fitting = [layout for layout in described if layout.channels == codec.channels]
        if not fitting or codec.channels not in _LAYOUTS:
            self._container.close()
            raise DecodeError(f"the order of its {described[0].channels} channels is not known")
        codec.layout = self._av.AudioLayout(_LAYOUTS[codec.channels])
        return fitting[0].speakers

    def close(self) -> None:
        """Free the decoder; the bytes are the caller's."""
        self._blocks.close()
        self._container.close()

    def _decoded(self) -> Generator[NDArray[np.float32], None, None]:
        """Blocks (n, channels) at the rate and in the layout of the first."""
        first = resampler = kind = None
        for frame in self._frames():
            if not is_rate(frame.sample_rate):  # one second of it may be made of one sample
                self._n_damaged += 1
                self._reason = f"its sample rate is {frame.sample_rate} Hz"
                continue
            if first is None:
                first = (frame.layout, frame.sample_rate)
                self._rate_hz, self._channels = frame.sample_rate, len(frame.layout.channels)
            frame_kind = (frame.layout.name, frame.sample_rate, frame.format.name)
            if resampler is None or frame_kind != kind:
                if resampler is not None:
                    yield from self._samples(resampler, None)
                    self._note_change(frame)
                resampler, kind = self._av.AudioResampler("flt", *first), frame_kind
            yield from self._samples(resampler, frame)
        if resampler is not None:
            yield from self._samples(resampler, None)
        self._note_end()

    def _note_change(self, frame: Any) -> None:
        fault = (
            f"goes on with {len(frame.layout.channels)} channels at {frame.sample_rate} Hz, which "
            f"are converted to the {self._channels} at {self._rate_hz} Hz that it begins with"
        )
        if fault not in self.faults:
            self.faults.append(fault)

    def _frames(self) -> Iterator[Any]:
        """Frames as they are decoded; packets that are damaged are left out."""
        packets = self._container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
                frames = [] if packet is None else packet.decode()
            except self._errors as error:
                self._n_damaged += 1
                self._reason = _reason(error)
                if isinstance(error, EOFError) or self._n_damaged > _MOST_DAMAGED:
                    return
                continue
            if packet is None:
                return
            self._packets.note(packet)
            yield from frames

    def _samples(self, resampler: Any, decoded: Any) -> Iterator[NDArray[np.float32]]:
        """Of one decoded frame; of what is left where that is None. Raises DecodeError."""
        try:
            frames = resampler.resample(decoded)
        except self._errors as error:
            raise DecodeError(_reason(error)) from error
        for frame in frames:
            # Interleaved: PyAV 18 crashes on planes of 8 channels.
            samples = frame.to_ndarray().reshape(-1, self._channels).astype(np.float32, copy=False)
            self._n_samples += len(samples)
            yield samples

    def _note_end(self) -> None:
        if self._n_damaged:
            self.faults.append(
                f"has {self._n_damaged} damaged packets, which are left out ({self._reason})"
            )
        self.faults += self._packets.faults()
        announced_s, found_s = self._announced_s(), self._n_samples / max(1, self._rate_hz)
        is_asf = self._container.format.name == "asf"
        tolerance_s = _ASF_TOLERANCE_S if is_asf else _TOLERANCE_S
        if announced_s is not None and found_s < announced_s - tolerance_s:
            self.faults.append(ends_early(announced_s, found_s))

    def _announced_s(self) -> float | None:
        """The seconds in the header; of other containers FFmpeg estimates them by the bitrate."""
        if not _ANNOUNCING & set(self._container.format.name.split(",")):
            return None
        stream = self.stream
        if self._asf_share > 1 and self._container.duration is not None:
            return float(self._asf_share * self._container.duration / 1e6)
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        whole = self._container.duration  # microseconds, of all streams
        return None if whole is None or self._n_all_streams > 1 else whole / 1e6


def _asf_share(file: BinaryIO, start: int, end: int) -> float:
    """An ASF file's size by its header over its own; FFmpeg scales the duration by it."""
    file.seek(start)
    head = file.read(4096)
    place = head.find(_ASF_FILE_PROPERTIES)
    if place < 0 or place + 48 > len(head):
        return 1.0
    # The object's name, its size of 8 bytes and the file's name of 16 are before the file's size.
    return int.from_bytes(head[place + 40 : place + 48], "little") / (end - start)


def ffmpeg_contents(file: BinaryIO, start: int, end: int) -> Contents:
    """The first audio stream of a file. Raises DecodeError, MissingExtraError."""
    decoder = _FfmpegDecoder(file, start, end)
    codec: Any = decoder.stream.codec_context
    rate_hz, channels = int(codec.sample_rate), int(codec.channels)
    faults = []
    if decoder.n_streams > 1:
        faults.append(f"has {decoder.n_streams} audio streams, of which the first is read")
    for fault in (matroska_fault(file, start, end), boxes_fault(file, start, end)):
        if fault is not None:
            faults.append(fault)
    decoder.close()
    part = Part(
        lambda: _FfmpegDecoder(file, start, end), rate_hz, channels, None, speakers=decoder.speakers
    )
    return Contents((part,), tuple(faults))


def _speakers(layout: Any) -> Speakers | None:
    found = tuple(_NAMES.get(channel.name) for channel in layout.channels)
    return found if None not in found else None  # type: ignore[return-value]


def _pyav() -> Any:
    try:
        av = import_module("av")
    except ImportError as error:
        raise MissingExtraError("av", "av") from error
    av.logging.set_level(av.logging.PANIC)
    return av


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error).strip().rstrip(".")
