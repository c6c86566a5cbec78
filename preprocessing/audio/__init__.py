"""Audio files and raw PCM to blocks of samples, (channels, n) float32 in [-1, 1].

`reader` opens a file: `container` finds out what it holds and where (`riff`, `chunked`, `mpeg`,
`ogg` and `flac` read the containers' own tables, `behind` what follows them), as parts that
`libsndfile` or, for the rest, `ffmpeg` decodes.
"""

from .check import checked
from .format import AudioFormat
from .pcm import decode_pcm
from .reader import AudioReader, open_audio

__all__ = ["AudioFormat", "AudioReader", "checked", "decode_pcm", "open_audio"]
