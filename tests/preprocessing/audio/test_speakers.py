"""Every layout of 1 to 8 channels, in every container that says which channel is whose.

The files and the names of their channels are FFmpeg's: what is in a left speaker only has to come
out on the left only, whatever the container's order.
"""

import io
import struct
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from audio_files import RATE, assert_alike, by_ffmpeg, encoded, music, read
from numpy.typing import NDArray

from stemline.preprocessing.channels import Arrangement, to_channels
from stemline.preprocessing.speakers import BY_TAG, DEFAULT, of_apple

N = 8192
LAYOUTS = [
    "2.1", "3.0", "3.0(back)", "4.0", "quad", "quad(side)", "3.1", "5.0", "5.0(side)", "4.1",
    "5.1", "5.1(side)", "6.0", "6.0(front)", "hexagonal", "6.1", "6.1(back)", "6.1(front)", "7.0",
    "7.0(front)", "7.1", "7.1(wide)", "7.1(wide-side)", "octagonal",
]  # fmt: skip
CONTAINERS = {
    "wav": "pcm_s16le",
    "w64": "pcm_s16le",
    "caf": "pcm_s16be",
    "aiff": "pcm_s16be",
    "matroska": "flac",
}
# The assignments of FLAC and of Vorbis, which no other may be written in.
IMPLIED = ["mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"]
LEFT = {"FL", "BL", "SL", "FLC", "TFL", "TBL"}
RIGHT = {"FR", "BR", "SR", "FRC", "TFR", "TBR"}
MIDDLE = {"FC", "BC", "TC", "TFC", "TBC"}


def names_of(layout: str) -> list[str]:
    return [channel.name for channel in av.AudioLayout(layout).channels]


def levels(data: bytes) -> NDArray[np.float32]:
    """The level of left and right of what is read, mixed to stereo."""
    samples, _ = read(data)
    stereo = to_channels(samples, 2)
    return np.sqrt(np.mean(stereo[:, 1024:-1024] ** 2, axis=1))


def check_each_speaker(layout: str, container: str, codec: str, leak: float, rate: int) -> None:
    names = names_of(layout)
    for place, name in enumerate(names):
        samples = np.zeros((len(names), N), np.float32)
        samples[place] = music(N, 1)[0]
        data = encoded(samples, container, codec, rate=rate, layout=layout)
        left, right = levels(data)
        loud = 0.05 * np.sqrt(np.mean(samples[place] ** 2))
        said = f"{name} of {layout} in {container}: left {left:.4f}, right {right:.4f}"
        assert (left > loud) == (name in LEFT | MIDDLE), said
        assert (right > loud) == (name in RIGHT | MIDDLE), said
        if name in MIDDLE:
            assert abs(left - right) <= leak * left, said
        elif name != "LFE":
            assert min(left, right) <= leak * max(left, right), said


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_a_channel_is_heard_where_its_speaker_is(container: str, layout: str) -> None:
    check_each_speaker(layout, container, CONTAINERS[container], 1e-6, RATE)


@pytest.mark.parametrize("layout", IMPLIED[2:])
def test_flac_has_its_own_assignment(layout: str) -> None:
    check_each_speaker(layout, "flac", "flac", 1e-6, RATE)


@pytest.mark.parametrize("layout", IMPLIED[2:])
def test_opus_is_in_the_order_of_vorbis(layout: str) -> None:
    """FFmpeg's decoder puts them into WAVE's; its encoder has mistakes in 5.0 and 6.1."""
    samples = music(N, len(names_of(layout)))
    data = encoded(samples, "ogg", "libopus", rate=48000, layout=layout)
    assert_alike(read(data)[0], by_ffmpeg(data), 60)


@pytest.mark.parametrize("channels", range(3, 9))
def test_vorbis_is_in_its_own_order(channels: int) -> None:
    orders = {
        3: "L C R", 4: "L R l r", 5: "L C R l r", 6: "L C R l r F", 7: "L C R l r B F",
        8: "L C R s S l r F",
    }  # fmt: skip
    for place, name in enumerate(orders[channels].split()):
        samples = np.zeros((channels, 3 * N), np.float32)
        samples[place] = music(3 * N, 1)[0]
        file = io.BytesIO()
        soundfile.write(file, samples.T, RATE, format="OGG", subtype="VORBIS")
        left, right = levels(file.getvalue())
        loud = 0.05 * np.sqrt(np.mean(samples[place] ** 2))
        assert (left > loud) == (name in "LlsCB"), (channels, name, left, right)
        assert (right > loud) == (name in "RrSCB"), (channels, name, left, right)


def test_a_mask_in_the_comments_of_a_flac_counts() -> None:
    """What `flac` writes for a layout that FLAC has no number for."""
    samples = np.zeros((3, N), np.float32)
    samples[2] = music(N, 1)[0]  # of 2.1 the low frequencies, where 3.0 has the centre
    file = io.BytesIO()
    soundfile.write(file, samples.T, RATE, format="FLAC", subtype="PCM_16")
    plain = file.getvalue()
    assert levels(plain)[0] > 0.01
    comment = b"WAVEFORMATEXTENSIBLE_CHANNEL_MASK=0x000B"
    body = struct.pack("<I", 0) + struct.pack("<II", 1, len(comment)) + comment
    block = bytes([4]) + len(body).to_bytes(3, "big") + body
    info_end = 4 + 4 + 34
    head = bytearray(plain[:info_end])
    assert levels(bytes(head) + block + plain[info_end:])[0] == 0


def test_mono_and_stereo_stay_as_they_are_whatever_their_speakers() -> None:
    for layout in ("mono", "stereo"):
        samples = music(N, len(names_of(layout)))
        found, _ = read(encoded(samples, "wav", "pcm_s16le", layout=layout))
        np.testing.assert_allclose(found, samples, atol=2**-14)


def test_what_is_known_by_number_is_put_in_order_and_not_mixed() -> None:
    vorbis = Arrangement(6, ("FL", "FC", "FR", "BL", "BR", "LFE"))
    block = np.arange(6, dtype=np.float32)[:, np.newaxis]
    assert vorbis.channels == 6
    assert vorbis.arranged(block)[:, 0].tolist() == [0, 2, 1, 5, 3, 4]
    sides = Arrangement(6, ("FL", "FR", "FC", "LFE", "SL", "SR"))
    assert sides.arranged(block)[:, 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_full_scale_in_every_speaker_is_full_scale() -> None:
    for layout in ("2.1", "4.0", "4.1"):
        speakers: Any = tuple(names_of(layout))
        mixed = Arrangement(len(speakers), speakers)
        block = mixed.arranged(np.ones((len(speakers), 3), np.float32))
        np.testing.assert_allclose(block, np.ones((2, 3)), rtol=1e-6)


def test_every_tag_of_apples_names_as_many_speakers_as_it_has_channels() -> None:
    for tag, speakers in BY_TAG.items():
        assert of_apple(tag << 16 | len(speakers), 0, [], len(speakers)) == speakers
        assert len(set(speakers)) == len(speakers)
        assert of_apple(tag << 16 | len(speakers), 0, [], len(speakers) + 1) is None


def test_the_default_of_each_number_of_channels_has_that_many() -> None:
    assert {n: len(speakers) for n, speakers in DEFAULT.items()} == {n: n for n in range(1, 9)}
