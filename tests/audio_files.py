"""Makers of audio files, by FFmpeg's encoders, and FFmpeg's own decoding of them."""

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from stemline.preprocessing.audio import open_audio

RATE = 44100


def music(n_samples: int, channels: int = 2, seed: int = 0) -> NDArray[np.float32]:
    """Noise that is not white, so that codecs keep it, and another in each channel."""
    white = np.random.default_rng(seed).standard_normal((channels, n_samples + 31))
    sound = np.stack([np.convolve(row, np.hanning(32), "valid") for row in white])
    return (sound * 0.02).astype(np.float32)


def encoded(
    samples: NDArray[np.float32],
    container: str,
    codec: str,
    *,
    rate: int = RATE,
    layout: str | None = None,
    bit_rate: int | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> bytes:
    """Samples (channels, n) as a file."""
    file = io.BytesIO()
    layout = layout or {1: "mono", 2: "stereo"}[samples.shape[0]]
    with av.open(file, "w", format=container, options=container_options or {}) as out:
        stream: Any = out.add_stream(codec, rate=rate, options=options or {})
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


def by_ffmpeg(data: bytes) -> NDArray[np.float32]:
    """What FFmpeg decodes, (channels, n), packet by packet; what it cannot decode is left out."""
    blocks = []
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.audio[0]
        resampler = None
        for packet in container.demux(stream):
            try:
                frames: Any = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in frames:
                resampler = resampler or av.AudioResampler("flt", frame.layout, frame.sample_rate)
                blocks += resampler.resample(frame)
        blocks += resampler.resample(None) if resampler else []
    # Interleaved: PyAV 18 crashes on planes of 8 channels.
    n_channels = len(stream.codec_context.layout.channels)
    return np.concatenate([block.to_ndarray().reshape(-1, n_channels) for block in blocks]).T


def read(data: bytes | Path) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """What stemline reads, and what it says is wrong."""
    with open_audio(data if isinstance(data, Path) else io.BytesIO(data)) as reader:
        announced = reader.format.n_samples
        samples = np.concatenate(list(reader.blocks()), axis=1)
        faults = reader.faults
    if announced is not None and not faults:
        assert announced == samples.shape[1]
    return samples, faults


def assert_alike(
    found: NDArray[np.float32], wanted: NDArray[np.float32], least_db: float = 60
) -> None:
    """The same length, lag and channels: an SNR that one sample's shift would bring below 10 dB."""
    assert found.shape == wanted.shape
    for channel in range(wanted.shape[0]):
        noise = np.sum((found[channel] - wanted[channel]).astype(float) ** 2)
        snr_db = 10 * np.log10(np.sum(wanted[channel].astype(float) ** 2) / max(noise, 1e-30))
        assert snr_db > least_db, f"channel {channel}: {snr_db:.1f} dB"
