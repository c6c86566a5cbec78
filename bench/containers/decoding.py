"""What FFmpeg decodes of a file: its libraries through PyAV, or its command where there is one."""

import io
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .making import Samples, pyav


class FfmpegError(Exception):
    """FFmpeg's words for what it does not read."""


def by_pyav(data: bytes) -> Samples:
    """(channels, n), packet by packet; what it cannot decode is left out.

    What follows in another rate or layout than the first frame's is converted to those. Raises
    FfmpegError, MissingExtraError.
    """
    av = pyav()
    blocks: list[Any] = []
    try:
        with av.open(io.BytesIO(data), metadata_errors="replace") as container:
            if not container.streams.audio:
                raise FfmpegError("there is no audio in it")
            stream = container.streams.audio[0]
            resampler = None
            packets = container.demux(stream)
            while True:
                try:
                    packet = next(packets, None)
                    frames: Any = [] if packet is None else packet.decode()
                except EOFError:
                    break
                except (av.error.FFmpegError, ValueError):
                    continue
                if packet is None:
                    break
                for frame in frames:
                    if resampler is None:
                        resampler = av.AudioResampler("flt", frame.layout, frame.sample_rate)
                        n_channels = len(frame.layout.channels)
                    blocks += resampler.resample(frame)
            blocks += resampler.resample(None) if resampler else []
    except (av.error.FFmpegError, ValueError, EOFError) as error:
        raise FfmpegError(str(error)) from error
    if not blocks:
        raise FfmpegError("it decodes to nothing")
    # Interleaved: PyAV 18 crashes on planes of 8 channels.
    return np.concatenate([block.to_ndarray().reshape(-1, n_channels) for block in blocks]).T


def has_command() -> bool:
    """Whether there is an `ffmpeg` to call."""
    return shutil.which("ffmpeg") is not None


def by_command(data: bytes, suffix: str, channels: int) -> Samples:
    """(channels, n) by `ffmpeg` itself; `suffix` is the file's. Raises FfmpegError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{suffix}"
        path.write_bytes(data)
        command = ["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-map", "0:a:0"]
        done = subprocess.run([*command, "-f", "f32le", "-"], capture_output=True, check=False)
    if not done.stdout:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise FfmpegError(lines[-1] if lines else "it decodes to nothing")
    return np.frombuffer(done.stdout, "<f4").reshape(-1, channels).T
