"""The containers and codecs that are read, and how a file of each is made."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from .making import Samples, by_soundfile, encoded

EXACT: Final = 120.0
"""dB: of numbers that two decoders find the same, but for float32's rounding."""
_VBR: Final = {"flags": "+qscale", "global_quality": str(2 * 118), "compression_level": "7"}


@dataclass(frozen=True)
class Kind:
    """A container with a codec in it."""

    suffix: str
    make: Callable[[Samples], bytes]
    """Samples (channels, n) to a file."""
    least_db: float = EXACT
    """How near to FFmpeg's decoding of a good file."""
    rate_hz: int = 44100
    """Of what is encoded, as the codec takes it."""


def _sndfile(suffix: str, container: str, subtype: str, least_db: float = EXACT) -> Kind:
    return Kind(suffix, partial(by_soundfile, container=container, subtype=subtype), least_db)


def _ffmpeg(
    suffix: str, container: str, codec: str, least_db: float = EXACT, **options: Any
) -> Kind:
    make = partial(encoded, container=container, codec=codec, **options)
    return Kind(suffix, make, least_db, options.get("rate", 44100))


def _mp3(*, header: bool, options: dict[str, str] | None = None) -> Kind:
    written = {"write_xing": str(int(header)), "id3v2_version": "0"}
    rate = {"options": options} if options else {"bit_rate": 128_000}
    return _ffmpeg(".mp3", "mp3", "libmp3lame", 100, container_options=written, **rate)


# Two decoders of one lossy codec differ by their arithmetic: layer 2's tables have fixed points.
_LOSSY, _LAYER_2 = 60.0, 70.0
KINDS: Final[dict[str, Kind]] = {
    "WAV PCM 16": _sndfile(".wav", "WAV", "PCM_16"),
    "WAV PCM 24": _sndfile(".wav", "WAV", "PCM_24"),
    "WAV float": _sndfile(".wav", "WAV", "FLOAT"),
    "WAV A-law": _sndfile(".wav", "WAV", "ALAW"),
    "WAV MS ADPCM": _sndfile(".wav", "WAV", "MS_ADPCM", 40),
    "WAV extensible": _ffmpeg(".wav", "wav", "pcm_s24le"),
    "RF64": _sndfile(".rf64", "RF64", "PCM_24"),
    "W64": _sndfile(".w64", "W64", "PCM_24"),
    "AIFF": _sndfile(".aiff", "AIFF", "PCM_24"),
    "AIFC": _ffmpeg(".aifc", "aiff", "pcm_s16le"),
    "CAF": _sndfile(".caf", "CAF", "PCM_16"),
    "AU": _sndfile(".au", "AU", "PCM_16"),
    "FLAC": _sndfile(".flac", "FLAC", "PCM_16"),
    "Ogg FLAC": _ffmpeg(".ogg", "ogg", "flac"),
    "Ogg Vorbis": _sndfile(".ogg", "OGG", "VORBIS", _LOSSY),
    "Opus": _ffmpeg(".opus", "ogg", "libopus", _LOSSY, rate=48000),
    "MP3 CBR, LAME": _mp3(header=True),
    "MP3 VBR, LAME": _mp3(header=True, options=_VBR),
    "MP3 CBR, bare": _mp3(header=False),
    "MP3 VBR, bare": _mp3(header=False, options=_VBR),
    "MP2": _ffmpeg(".mp2", "mp2", "mp2", _LAYER_2, bit_rate=192_000),
    "MP3 in RIFF": _ffmpeg(".wav", "wav", "libmp3lame", 100, bit_rate=128_000),
    "AAC": _ffmpeg(".aac", "adts", "aac", _LOSSY),
    "m4a AAC": _ffmpeg(".m4a", "ipod", "aac", _LOSSY),
    "m4a ALAC": _ffmpeg(".m4a", "ipod", "alac"),
    "mp4 fragmented": _ffmpeg(
        ".mp4", "mp4", "aac", _LOSSY, container_options={"movflags": "frag_keyframe+empty_moov"}
    ),
    "WMA": _ffmpeg(".wma", "asf", "wmav2", _LOSSY, bit_rate=128_000),
    "WebM Opus": _ffmpeg(".webm", "webm", "libopus", _LOSSY, rate=48000),
    "Matroska FLAC": _ffmpeg(".mka", "matroska", "flac"),
    "Matroska AAC": _ffmpeg(".mka", "matroska", "aac", _LOSSY),
    "WavPack": _ffmpeg(".wv", "wv", "wavpack"),
    "TTA": _ffmpeg(".tta", "tta", "tta"),
    "AC-3": _ffmpeg(".ac3", "ac3", "ac3", _LOSSY),
}
