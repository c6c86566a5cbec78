"""What is read of every kind of tags, as mutagen and FFmpeg have written them."""

import struct
import wave
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from audio_files import RATE, music
from mutagen import flac, id3, mp4
from tagged_files import BACK, COVER, PNG, TEXTS, WRITERS, tagged_mp3

from stemline.preprocessing.tags import read_tags
from stemline.tags import MOST_CHARACTERS, MOST_COVER_BYTES, MOST_VALUES

WANTED = {name: (text,) for name, text in TEXTS.items()}
WANTED |= {"tracknumber": ("3/12",), "discnumber": ("1/2",)}


def wav(path: Path, *chunks: bytes) -> Path:
    """A WAV with these chunks behind its samples."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(bytes(2000))
    data = path.read_bytes() + b"".join(chunks)
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    return path


def chunk(name: bytes, contents: bytes) -> bytes:
    return name + struct.pack("<I", len(contents)) + contents + bytes(len(contents) % 2)


@pytest.mark.parametrize("suffix", WRITERS)
def test_the_fields_and_the_front_cover_are_read_and_nothing_of_the_samples(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"song.{suffix}"
    WRITERS[suffix](path)
    found = read_tags(path)
    assert found.left_out == ()
    assert dict(found.tags.fields) == WANTED
    assert found.tags.cover == COVER


def test_id3_is_found_before_what_it_does_not_belong_to(tmp_path: Path) -> None:
    tagged_mp3(tmp_path / "song.mp3")
    memory = BytesIO()
    tags = id3.ID3(tmp_path / "song.mp3")
    tags.save(memory)
    for name in ("a.wav", "a.flac", "a.aiff"):
        soundfile.write(tmp_path / name, music(1000).T, RATE)
        path = tmp_path / name
        path.write_bytes(memory.getvalue() + path.read_bytes())
        assert dict(read_tags(path).tags.fields) == WANTED


def test_info_is_read_and_id3_comes_before_it(tmp_path: Path) -> None:
    info = chunk(
        b"LIST",
        b"INFO" + chunk(b"INAM", b"of INFO\0") + chunk(b"IART", "Zoë".encode() + b"\0")
        + chunk(b"ICMT", "Zoë".encode("cp1252")) + chunk(b"ISFT", b"an encoder"),
    )  # fmt: skip
    found = read_tags(wav(tmp_path / "info.wav", info)).tags.fields
    assert dict(found) == {"title": ("of INFO",), "artist": ("Zoë",), "comment": ("Zoë",)}
    memory = BytesIO()
    tags = id3.ID3()
    tags.add(id3.TIT2(3, ["of ID3"]))
    tags.save(memory)
    both = wav(tmp_path / "both.wav", info, chunk(b"id3 ", memory.getvalue()))
    assert read_tags(both).tags.fields["title"] == ("of ID3",)
    assert read_tags(both).tags.fields["artist"] == ("Zoë",)


def test_tags_behind_4_gib_of_samples_are_found(tmp_path: Path) -> None:
    path = tmp_path / "huge.wav"
    n_bytes = 2**32 + 6
    info = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"far\0"))
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, n_bytes, n_bytes // 2, 0))
    fmt = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, RATE * 2, 2, 16))
    with path.open("wb") as file:
        file.write(b"RF64\xff\xff\xff\xffWAVE" + ds64 + fmt + b"data\xff\xff\xff\xff")
        file.seek(n_bytes, 1)
        file.write(info)
    assert read_tags(path).tags.fields["title"] == ("far",)


def test_the_first_version_of_id3_is_read(tmp_path: Path) -> None:
    tagged_mp3(tmp_path / "song.mp3")
    id3.delete(tmp_path / "song.mp3")
    old = b"TAG" + b"Title".ljust(30, b"\0") + b"Artist".ljust(30, b"\0") + bytes(64) + b"\x11"
    path = tmp_path / "song.mp3"
    path.write_bytes(path.read_bytes() + old)
    fields = read_tags(path).tags.fields
    assert (fields["title"], fields["artist"], fields["genre"]) == (
        ("Title",),
        ("Artist",),
        ("Rock",),
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no audio at all",
        b"ID3\x04\x00\x00\x00\x00\x7f\x7fTIT2\xff\xff\xff\xff",
        b"fLaC\x84\xff\xff\xff" + bytes(100),
        b"RIFF\xff\xff\xff\xffWAVEid3 \xff\xff\xff\x0fID3",
        b"\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00M4A mp42\xff\xff\xff\xffmoov",
        b"OggS" + bytes(200),
        b"\x1a\x45\xdf\xa3" + bytes(50),
        bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + b"\xff" * 60,
    ],
)
def test_what_cannot_be_read_has_no_tags(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    assert dict(read_tags(tmp_path / "a").tags.fields) == {}
    assert dict(read_tags(tmp_path / "missing").tags.fields) == {}


@pytest.mark.parametrize("suffix", WRITERS)
def test_no_damage_of_a_tag_raises(tmp_path: Path, suffix: str) -> None:
    WRITERS[suffix](tmp_path / f"good.{suffix}")
    good = (tmp_path / f"good.{suffix}").read_bytes()
    path = tmp_path / f"bad.{suffix}"
    random = np.random.default_rng(0)
    for _ in range(60):
        bad = bytearray(good)
        for at in random.integers(0, min(len(good), 3000), 20):
            bad[at] = random.integers(256)
        tail = len(good) - random.integers(0, min(len(good), 3000), 5)
        for at in tail:
            bad[at - 1] = random.integers(256)
        path.write_bytes(bad[: random.integers(1, len(bad))] if random.random() < 0.3 else bad)
        read_tags(path)


def test_a_cover_that_is_too_large_is_left_out_with_a_sentence(tmp_path: Path) -> None:
    tagged_mp3(tmp_path / "a.mp3")
    tags = id3.ID3(tmp_path / "a.mp3")
    tags.delall("APIC")
    tags.add(id3.APIC(0, "image/png", 3, "", PNG + bytes(100 << 20)))
    tags.save()
    found = read_tags(tmp_path / "a.mp3")
    assert found.tags.cover is None
    assert dict(found.tags.fields) == WANTED
    assert found.left_out == (
        f"{tmp_path / 'a.mp3'}: its cover of 100.0 MiB is left out of the stems, which take one of "
        f"{MOST_COVER_BYTES >> 20} MiB",
    )
    tags.add(id3.APIC(0, "image/jpeg", 4, "back", BACK))  # another one that fits is better
    tags.save()
    found = read_tags(tmp_path / "a.mp3")
    assert found.tags.cover is not None
    assert (found.tags.cover.data, found.left_out) == (BACK, ())


def test_what_is_no_picture_is_no_cover(tmp_path: Path) -> None:
    tagged_mp3(tmp_path / "a.mp3")
    tags = id3.ID3(tmp_path / "a.mp3")
    tags.delall("APIC")
    tags.add(id3.APIC(0, "-->", 3, "", b"\x89PNG\r\nhttp://a/link"))
    tags.add(id3.APIC(0, "image/png", 3, "x", b"<html>"))
    tags.save()
    assert read_tags(tmp_path / "a.mp3").tags.cover is None


def test_all_text_together_is_bounded_and_the_first_fields_come_first(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, music(1000).T, RATE)
    file = flac.FLAC(path)
    most = "x" * (MOST_CHARACTERS - 10)
    tags = [("COMMENT", most), ("LYRICS", "of eleven c"), ("ALBUM", "ten"), ("TITLE", "of seven")]
    file.tags.extend(tags)  # type: ignore[union-attr]
    file.save()
    found = read_tags(path)
    assert found.tags.fields == {
        "title": ("of seven",), "album": ("ten",), "lyrics": ("of eleven c",),
    }  # fmt: skip
    assert len(found.left_out) == 1
    assert f"its comment of {len(most)} characters is left out" in found.left_out[0]


@pytest.mark.parametrize("is_one", [True, False])
def test_an_album_of_several_artists_stays_one(tmp_path: Path, is_one: bool) -> None:
    path = tmp_path / "a.m4a"
    WRITERS["m4a"](path)
    file: Any = mp4.MP4(path)
    file["cpil"] = is_one
    file.save()
    assert read_tags(path).tags.fields.get("compilation") == (("1",) if is_one else None)


def test_fields_without_end_are_bounded_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, music(1000).T, RATE)
    file = flac.FLAC(path)
    tags = [("ARTIST", f"artist {n}") for n in range(100_000)]
    tags += [(f"FIELD{n}", "value") for n in range(100_000)]
    tags += [("LYRICS", "la" * MOST_CHARACTERS), ("TITLE", "A Title")]
    file.tags.extend(tags)  # type: ignore[union-attr]
    file.save()
    found = read_tags(path)
    assert found.tags.fields == {
        "title": ("A Title",),
        "artist": tuple(f"artist {n}" for n in range(MOST_VALUES)),
    }
    assert found.left_out == (
        f"{path}: of its 100000 values of artist stems have the first {MOST_VALUES}",
        f"{path}: its lyrics of {2 * MOST_CHARACTERS} characters is left out of the stems, whose "
        f"tags have {MOST_CHARACTERS} together",
    )
