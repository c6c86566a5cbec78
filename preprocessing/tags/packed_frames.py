"""What frames of ID3 are unpacked: one of 250 KB may become 250 MB, and a tag may have many."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mutagen
from mutagen.aac import AAC
from mutagen.ac3 import AC3
from mutagen.aiff import AIFF
from mutagen.apev2 import APEv2File
from mutagen.asf import ASF
from mutagen.dsdiff import DSDIFF
from mutagen.dsf import DSF
from mutagen.flac import FLAC
from mutagen.id3 import ID3, Frame, Frames, Frames_2_2, ID3FileType
from mutagen.monkeysaudio import MonkeysAudio
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4
from mutagen.musepack import Musepack
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggspeex import OggSpeex
from mutagen.oggtheora import OggTheora
from mutagen.oggvorbis import OggVorbis
from mutagen.optimfrog import OptimFROG
from mutagen.smf import SMF
from mutagen.tak import TAK
from mutagen.trueaudio import TrueAudio
from mutagen.wavpack import WavPack

_MOST_PACKED_BYTES = 1 << 16
"""Of the packed frames of one tag together; zlib makes a thousand times as much at the most."""

_WITHOUT_ID3 = (
    OggTheora, OggSpeex, OggVorbis, OggFLAC, FLAC, APEv2File, MP4, WavPack, Musepack, MonkeysAudio,
    OptimFROG, ASF, OggOpus, AAC, AC3, SMF, TAK,
)  # fmt: skip
_WITH_ID3 = (MP3, TrueAudio, AIFF, ID3FileType, DSF, DSDIFF)


class _Room:
    """How much of one tag may still be unpacked."""

    def __init__(self) -> None:
        self.left_bytes = _MOST_PACKED_BYTES


@dataclass(frozen=True)
class _BoundedFrame:
    """Stands for a class of frames: mutagen calls it with the arguments of one, or `_fromData`."""

    kind: type[Frame]
    room: _Room

    def __call__(self, *arguments: Any, **named: Any) -> Frame:
        return self.kind(*arguments, **named)

    def _fromData(self, header: Any, flags: int, data: bytes) -> Frame:
        is_packed = flags & (
            Frame.FLAG24_COMPRESS if header.version >= (2, 4, 0) else Frame.FLAG23_COMPRESS
        )
        if is_packed:
            self.room.left_bytes -= len(data)
            if self.room.left_bytes < 0:
                raise NotImplementedError("more is packed than is read")
        frame: Frame = self.kind._fromData(header, flags, data)
        return frame


def _bounded_frames() -> Mapping[str, _BoundedFrame]:
    """For the frames of one tag."""
    room = _Room()
    return {name: _BoundedFrame(kind, room) for name, kind in {**Frames, **Frames_2_2}.items()}


def read_id3(file: Any) -> ID3:
    """The ID3 that a file begins with, or has at its end. Raises MutagenError."""
    return ID3(file, known_frames=_bounded_frames())


def _bounded(kind: type[mutagen.FileType]) -> type[mutagen.FileType]:
    def load(self: Any, *arguments: Any, **named: Any) -> None:
        kind.load(self, *arguments, known_frames=_bounded_frames(), **named)

    return type(kind.__name__, (kind,), {"load": load})


_KINDS: list[Callable[..., Any]] = [*_WITHOUT_ID3, *map(_bounded, _WITH_ID3)]


def read_container(file: Any) -> Any:
    """A file with its tags, by whatever kind of mutagen's it is; None of another. Raises as it."""
    return mutagen.File(file, options=_KINDS)
