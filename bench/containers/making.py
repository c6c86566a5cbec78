"""Makers of audio files: FFmpeg's encoders through PyAV, and libsndfile's."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from stemline.errors import MissingExtraError

Samples = NDArray[np.float32]
RATE_HZ = 44100
_LAYOUTS = {1: "mono", 2: "stereo"}


def music(n_samples: int, channels: int = 2, seed: int = 0) -> Samples:
    """Noise that is not white, so that codecs keep it, and another in each channel."""
    white = np.random.default_rng(seed).standard_normal((channels, n_samples + 31))
    sound = np.stack([np.convolve(row, np.hanning(32), "valid") for row in white])
    return (sound * 0.02).astype(np.float32)


def by_soundfile(samples: Samples, container: str, subtype: str, rate_hz: int = RATE_HZ) -> bytes:
    """Samples (channels, n) as libsndfile writes them; its names of both."""
    file = io.BytesIO()
    soundfile.write(file, samples.T, rate_hz, format=container, subtype=subtype)
    return file.getvalue()


def encoded(
    samples: Samples,
    container: str,
    codec: str,
    *,
    rate: int = RATE_HZ,
    layout: str | None = None,
    bit_rate: int | None = None,
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
) -> bytes:
    """Samples (channels, n) as FFmpeg writes them; its names of all. Raises MissingExtraError."""
    av = pyav()
    file = io.BytesIO()
    layout = layout or _LAYOUTS[samples.shape[0]]
    with av.open(file, "w", format=container, options=dict(container_options or {})) as out:
        stream: Any = out.add_stream(codec, rate=rate, options=dict(options or {}))
        stream.layout = layout
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        to_codec = av.AudioResampler(stream.codec_context.format or "fltp", layout, rate)
        for first in range(0, samples.shape[1], 4096):
            part = np.ascontiguousarray(samples[:, first : first + 4096].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout=layout)
            frame.sample_rate, frame.pts = rate, first
            for ready in to_codec.resample(frame):
                out.mux(stream.encode(ready))
        for ready in to_codec.resample(None):
            out.mux(stream.encode(ready))
        out.mux(stream.encode(None))
    return file.getvalue()


def pyav() -> Any:
    """PyAV. Raises MissingExtraError."""
    try:
        import av
    except ImportError as error:
        raise MissingExtraError("av", "av") from error
    av.logging.set_level(av.logging.PANIC)
    return av
