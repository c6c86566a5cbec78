"""The attack: files whose channels come in an order that PyAV cannot hold, which ends the process.

Twenty times each, as memory that is freed twice is not always noticed.
"""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from stemline.bench.containers.making import encoded, music

N = 8192
LEFT, RIGHT = 1, 2


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack(">I", len(body)) + body + bytes(len(body) % 2)


def description(tag: int, labels: tuple[int, ...] = ()) -> bytes:
    listed = b"".join(struct.pack(">III8x", label, 0, 0) for label in labels)
    return struct.pack(">III", tag, 0, len(labels)) + listed


def parts_of_movie() -> tuple[bytes, bytes]:
    """What comes before the `moov` of a QuickTime file whose channels are in film order, and it."""
    data = bytearray(encoded(music(N, 6), "mov", "pcm_s16le", layout="5.1(side)"))
    place = data.index(b"chan") + 8
    data[place : place + 4] = struct.pack(">I", 123 << 16 | 6)  # L C R Ls Rs LFE
    start = data.index(b"moov") - 4
    return bytes(data[:start]), bytes(data[start:])


def listed_speakers() -> bytes:
    """An MP4 whose `chnl` lists its speakers."""
    data = encoded(music(N, 6), "mp4", "pcm_s16le", layout="5.1(side)")
    place = data.index(b"chnl") + 8
    return data[:place] + bytes([1, 0, 0, 2, 1, 3, 4, 5]) + data[place + 8 :]


def aifc() -> bytes:
    """Of SDX2, which libsndfile does not know; right before left."""
    common = struct.pack(">hIh", 2, N, 16) + bytes.fromhex("400eac44000000000000") + b"SDX2\0\0"
    chunks = (
        chunk(b"FVER", struct.pack(">I", 0xA2805140))
        + chunk(b"COMM", common)
        + chunk(b"CHAN", description(0, (RIGHT, LEFT)))
        + chunk(b"SSND", bytes(8 + 2 * N))
    )
    return chunk(b"FORM", b"AIFC" + chunks)


def attacks() -> dict[str, bytes]:
    sound, moov = parts_of_movie()
    packed = box(b"cmvd", struct.pack(">I", len(moov)) + zlib.compress(moov))
    lie = box(b"free", box(b"chan", bytes(4) + description(101 << 16 | 2)))
    far = box(b"free", bytes(5 << 20))
    return {
        "as it is": sound + moov,
        "behind another description": sound + lie + moov,
        "far from both ends": sound + far + moov + far,
        "compressed": sound + box(b"moov", box(b"cmov", box(b"dcom", b"zlib") + packed)),
        "in a list": listed_speakers(),
        "of AIFF": aifc(),
    }


READING = """
import sys
from pathlib import Path
from stemline.errors import StemlineError
from stemline.preprocessing.audio import open_audio
for _ in range(20):
    try:
        with open_audio(Path(sys.argv[1])) as reader:
            print(sum(block.shape[1] for block in reader.blocks()))
    except StemlineError as error:
        print(error)
"""


@pytest.mark.parametrize(("name", "data"), attacks().items(), ids=attacks())
def test_no_order_of_channels_ends_the_process(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", READING, str(path)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 20
    said = "there is no audio in it" if name == "compressed" else str(N)
    assert all(said in line for line in lines)
