"""Where files describe their channels, what they say there, and that FFmpeg sees none of it."""

import struct

import numpy as np
import pytest
from audio_files import encoded, music, read

from stemline.bench.containers.strict_file import StrictFile
from stemline.preprocessing.audio.apple_layout import AppleLayout
from stemline.preprocessing.audio.byte_ranges import ByteRanges
from stemline.preprocessing.audio.channel_boxes import channel_boxes
from stemline.preprocessing.audio.part import DecodeError

MOV, MP4 = "mov,mp4,m4a,3gp,3g2,mj2", "mp4"
BODY = struct.pack(">III", 122 << 16 | 6, 0, 0)  # MPEG 5.1 B
LAYOUT = AppleLayout(6, ("FL", "FR", "SL", "SR", "FC", "LFE"))


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body


def caf_chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack(">Q", len(body)) + body


CHAN = box(b"chan", bytes(4) + BODY)
FTYP = box(b"ftyp", b"qt  ")


def found(data: bytes, format_name: str = MOV) -> tuple[bytes, tuple[AppleLayout, ...]]:
    """What FFmpeg reads, and what the file says."""
    file = StrictFile(data)
    boxes = channel_boxes(file, 0, len(data), format_name)
    return ByteRanges(file, boxes.pieces).read(), boxes.layouts


@pytest.mark.parametrize(
    "before",
    [
        b"",
        box(b"free", bytes(6_000_000)),
        box(b"free", bytes((1 << 19) - 26)),  # the name lies across two blocks that are read
        box(b"mdat", b"chan" * 5),
        box(b"mdat", bytes(3)) * 3,
        struct.pack(">I4sQ", 1, b"mdat", 24) + b"chan" * 2,
        box(b"udta", b"Off-channel mix"),
    ],
)
def test_a_description_is_read_and_hidden_wherever_it_is(before: bytes) -> None:
    data = FTYP + before + box(b"moov", CHAN) + box(b"free", bytes(6_000_000))
    seen, layouts = found(data)
    assert layouts == (LAYOUT,)
    sound = len(FTYP + before) if b"udta" not in before else 0
    assert seen[:sound] == data[:sound]
    assert seen[sound:] == data[sound:].replace(b"chan", b"free")


@pytest.mark.parametrize("first", range((1 << 19) - 40, (1 << 19) - 20))
def test_no_name_is_missed_between_two_blocks(first: int) -> None:
    seen, layouts = found(FTYP + box(b"free", bytes(first)) + CHAN)
    assert (b"chan" in seen, layouts) == (False, (LAYOUT,))


@pytest.mark.parametrize(
    ("data", "format_name"),
    [
        (b"caff\0\1\0\0" + caf_chunk(b"data", b"chan" * 3) + caf_chunk(b"chan", BODY), "caf"),
        (b"FORM\0\0\0\0AIFC" + b"SSND\0\0\0\5CHAN\0\0" + b"CHAN\0\0\0\x0c" + BODY, "aiff"),
    ],
)
def test_chunks_of_other_containers(data: bytes, format_name: str) -> None:
    seen, layouts = found(data, format_name)
    assert layouts == (LAYOUT,)
    place = data.rindex(b"chan" if format_name == "caf" else b"CHAN")
    assert seen == data[:place] + b"free" + data[place + 4 :]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        FTYP,
        FTYP + CHAN[:-1],
        FTYP + struct.pack(">I", 12) + CHAN[4:],
        FTYP + box(b"chan", bytes(4) + BODY[:8]),
        FTYP + box(b"chan", bytes(16)),  # of descriptions, of which there are none
        FTYP + box(b"chnl", b"\1\0\0\0" + bytes([1, 0, 0, 1])),  # of a version that is not known
        FTYP + box(b"chnl", bytes(4) + bytes([2, 1])),  # of objects
        FTYP + box(b"chnl", bytes(4) + b"\1"),
        FTYP + box(b"chnl", bytes(4) + bytes([1, 77]) + bytes(8)),
        FTYP + box(b"chnl", bytes(4) + bytes([1, 2]) + b"\0\0\0\0\0\0\0\1"),  # without its left
    ],
)
def test_what_is_no_description_says_nothing(data: bytes) -> None:
    assert found(data)[1] == ()


@pytest.mark.parametrize(
    ("listed", "speakers"),
    [
        ([0, 2, 1, 3, 4, 5], ("FL", "FC", "FR", "LFE", "SL", "SR")),
        ([8, 9], ("BL", "BR")),
        ([0, 99], None),
        ([126, 0, 30, 0, 1], None),
    ],
)
def test_isos_list_of_speakers(listed: list[int], speakers: tuple[str, ...] | None) -> None:
    data = box(b"chnl", bytes(4) + bytes([1, 0, *listed]))
    n_channels = 2 if 126 in listed else len(listed)
    assert found(FTYP + data) == (
        FTYP + data.replace(b"chnl", b"free"),
        (AppleLayout(n_channels, speakers),),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("layout", ["stereo", "3.0", "4.0", "5.0", "5.1", "7.1(wide)"])
def test_isos_numbers_of_layouts_are_read_as_ffmpeg_writes_them(layout: str) -> None:
    n_channels = {"stereo": 2, "3.0": 3, "4.0": 4, "5.0": 5, "5.1": 6}.get(layout, 8)
    data = encoded(music(100, n_channels), "mp4", "pcm_s16le", layout=layout)
    assert b"chnl" in data
    (described,) = found(data, MP4)[1]
    assert described.channels == n_channels
    assert described.speakers is not None
    # 4.0 has a centre and a back centre in place of a pair at the back.
    assert ("BC" in described.speakers) == (layout == "4.0")
    assert ("FLC" in described.speakers) == (layout == "7.1(wide)")


def test_a_list_in_another_order_is_put_in_order() -> None:
    samples = music(2000, 6)
    plain = encoded(samples, "mp4", "pcm_s16le", layout="5.1(side)")
    place = plain.index(b"chnl") + 8
    # Without a number of its layout the list is six bytes, as long as what FFmpeg wrote.
    data = plain[: place + 1] + bytes([0, 0, 2, 1, 3, 4, 5]) + plain[place + 8 :]
    assert len(data) == len(plain)
    np.testing.assert_allclose(read(data)[0], samples[[0, 2, 1, 3, 4, 5]], atol=2**-14)


def test_a_description_of_other_channels_is_passed_over() -> None:
    """As it is left in free room by a program that has written the tables anew."""
    samples = music(2000, 6)
    data = encoded(samples, "mov", "pcm_s16le", layout="5.1(side)")
    moov = data.index(b"moov") - 4
    stale = box(b"free", box(b"chan", bytes(4) + struct.pack(">III", 101 << 16 | 2, 0, 0)))
    tag = data.index(b"chan") + 8
    data = data[:tag] + BODY[:4] + data[tag + 4 :]
    np.testing.assert_allclose(
        read(data[:moov] + stale + data[moov:])[0], samples[[0, 1, 4, 5, 2, 3]], atol=2**-14
    )


def test_descriptions_without_end_are_refused() -> None:
    with pytest.raises(DecodeError, match="more than 10000 times"):
        found(FTYP + box(b"free", b"chan" * 10_001))


@pytest.mark.parametrize(
    ("data", "format_name"),
    [
        (FTYP + struct.pack(">I", 2**32 - 1) + b"free" + bytes(100), MOV),
        (FTYP + struct.pack(">I4sQ", 1, b"free", 2**62) + bytes(100), MOV),
        (b"caff" + bytes(4) + b"free" + struct.pack(">Q", 2**62) + bytes(100), "caf"),
        (b"FORM" + bytes(4) + b"AIFF" + b"COMT" + struct.pack(">I", 2**31) + bytes(100), "aiff"),
    ],
)
def test_a_box_that_announces_more_than_there_is(data: bytes, format_name: str) -> None:
    """Files on a disk raised ValueError where those in memory did not."""
    assert found(data, format_name) == (data, ())
