"""Raw interleaved PCM to blocks of samples."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from stemline.errors import AudioError

_BYTES_OF = {"f32le": 4, "s16le": 2, "s24le": 3}


def decode_pcm(
    parts: Iterable[bytes], encoding: str, channels: int
) -> Iterator[NDArray[np.float32]]:
    """Raw interleaved PCM in parts of any size -> blocks (channels, n) float32.

    `encoding` is f32le, s16le or s24le; integers are divided by 2^15 or 2^23. Raises
    AudioError for another encoding, at once, and where the bytes end within a frame.
    """
    if encoding not in _BYTES_OF:
        raise AudioError(f"PCM encoding {encoding!r} is none of {', '.join(_BYTES_OF)}")
    if channels < 1:
        raise AudioError(f"audio has at least 1 channel; got {channels}")
    return _decoded_pcm(parts, encoding, channels)


def _decoded_pcm(
    parts: Iterable[bytes], encoding: str, channels: int
) -> Iterator[NDArray[np.float32]]:
    frame_bytes = _BYTES_OF[encoding] * channels
    rest = b""
    for part in parts:
        held = rest + part if rest else part
        whole = len(held) - len(held) % frame_bytes
        rest = held[whole:]
        if whole:
            samples = _to_float(held[:whole], encoding).reshape(-1, channels)
            yield np.ascontiguousarray(samples.T)
    if rest:
        raise AudioError(
            f"the PCM ends within a frame: {len(rest)} bytes are left over, and a frame of "
            f"{channels} channels {encoding} is {frame_bytes} bytes"
        )


def _to_float(pcm: bytes, encoding: str) -> NDArray[np.float32]:
    if encoding == "f32le":
        return np.frombuffer(pcm, "<f4").astype(np.float32, copy=False)
    if encoding == "s16le":
        return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(2**15)
    # Each 24-bit sample becomes the upper three bytes of 32, sign included.
    wide = np.zeros((len(pcm) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(pcm, np.uint8).reshape(-1, 3)
    return wide.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
