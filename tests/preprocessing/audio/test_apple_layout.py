"""QuickTime and CAF whose channels come in an order of their own, through FFmpeg."""

import subprocess
import sys

import numpy as np
import pytest
from audio_files import encoded, music, read

from stemline.errors import AudioError

N = 8192
ITU_5_1, MPEG_5_1_B, MPEG_5_1_C = 121 << 16, 122 << 16, 123 << 16


def movie(tag: int, samples: np.ndarray) -> bytes:
    """Of 16-bit PCM, whose layout has another tag than FFmpeg wrote."""
    data = bytearray(encoded(samples, "mov", "pcm_s16le", layout="5.1(side)"))
    place = data.index(b"chan") + 8
    data[place : place + 4] = (tag | 6).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("tag", "order"),
    [
        (ITU_5_1, [0, 1, 2, 3, 4, 5]),
        (MPEG_5_1_B, [0, 1, 4, 5, 2, 3]),  # L R Ls Rs C LFE
        (MPEG_5_1_C, [0, 2, 1, 5, 3, 4]),  # L C R Ls Rs LFE
    ],
)
def test_channels_come_out_in_one_order(tag: int, order: list[int]) -> None:
    samples = music(N, 6)
    found, faults = read(movie(tag, samples))
    assert faults == ()
    np.testing.assert_allclose(found, samples[order], atol=2**-14)


def test_an_order_that_is_not_known_is_that_of_the_number() -> None:
    found, _ = read(movie(0x3FFF0000, music(N, 6)))
    np.testing.assert_allclose(found, music(N, 6), atol=2**-14)


def test_more_channels_than_are_known_are_refused() -> None:
    data = movie(MPEG_5_1_C, music(N, 6)).replace(
        (MPEG_5_1_C | 6).to_bytes(4, "big"), (MPEG_5_1_C | 9).to_bytes(4, "big")
    )
    with pytest.raises(AudioError, match="the order of its 9 channels is not known"):
        read(data)


def test_an_order_that_pyav_cannot_hold_does_not_end_the_process() -> None:
    """PyAV 18 frees such a layout twice; often enough, the process is aborted."""
    script = (
        "import io, sys\n"
        "from stemline.preprocessing.audio import open_audio\n"
        "data = sys.stdin.buffer.read()\n"
        "for _ in range(20):\n"
        "    with open_audio(io.BytesIO(data)) as reader:\n"
        "        print(sum(block.shape[1] for block in reader.blocks()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=movie(MPEG_5_1_C, music(N, 6)),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout.split()) == (0, [str(N).encode()] * 20)
