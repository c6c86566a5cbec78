"""Tags in stems: other programs read them, and the samples stay as they are."""

import io
import subprocess
import sys
import wave
from pathlib import Path

import av
import mutagen
import numpy as np
import pytest
import soundfile
from audio_files import read
from encode_helpers import FORMATS, noise, write
from tagged_files import COVER, PNG

from stemline.postprocessing.encode import OutputFormat
from stemline.postprocessing.formats import find_format
from stemline.preprocessing.tags import read_tags
from stemline.tags import FIELDS, MODEL, MOST_CHARACTERS, MOST_COVER_BYTES, Picture, Tags

ALL = {row.name: (f"Some {row.name} – süß",) for row in FIELDS} | {
    "artist": ("One", "Zwei"),
    "tracknumber": ("3/12",),
    "discnumber": ("1/2",),
    "date": ("1999-05-04",),
    "originaldate": ("1998",),
    "genre": ("Trip-Hop",),
    "bpm": ("124.5",),
    "compilation": ("1",),
    MODEL: ("mini",),
}
TAGS = Tags(ALL, COVER)


@pytest.mark.parametrize("output", FORMATS)
def test_every_field_and_the_cover_are_read_back(tmp_path: Path, output: OutputFormat) -> None:
    path = tmp_path / f"a.{output.container}"
    write(path, output, noise(2, 5000), tags=TAGS)
    found = read_tags(path)
    assert dict(found.tags.fields) == ALL
    assert found.tags.cover == COVER
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_the_samples_are_the_same_to_the_bit(
    tmp_path: Path, output: OutputFormat, channels: int
) -> None:
    samples = noise(channels, 50_001)
    plain, tagged = (tmp_path / f"{name}.{output.container}" for name in ("plain", "tagged"))
    write(plain, output, samples)
    write(tagged, output, samples, tags=TAGS)
    wanted, _ = soundfile.read(plain, dtype="float32", always_2d=True)
    assert wanted.shape == samples.T.shape
    for found in (soundfile.read(tagged, dtype="float32", always_2d=True)[0], read(tagged)[0].T):
        np.testing.assert_array_equal(found, wanted)
    # What was encoded is there byte by byte, but for FLAC's header, whose size has changed.
    stream = plain.read_bytes()[44 if output.container == "wav" else 8192 :]
    assert stream[: 2 * samples.size] in tagged.read_bytes()
    assert read(tagged)[1] == ()  # nothing is wrong with it


@pytest.mark.parametrize("output", [one for one in FORMATS if one.container == "wav"])
def test_the_samples_of_a_tagged_wav_begin_at_byte_44(tmp_path: Path, output: OutputFormat) -> None:
    plain, tagged = tmp_path / "plain.wav", tmp_path / "tagged.wav"
    write(plain, output, noise(1, 1001))
    write(tagged, output, noise(1, 1001), tags=TAGS)
    data, without = tagged.read_bytes(), plain.read_bytes()
    assert data[:4] + data[8 : len(without)] == without[:4] + without[8:]
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    if output.bits < 32:
        with wave.open(str(tagged)) as file:
            assert (file.getnframes(), file.readframes(2000)) == (
                1001, data[44 : 44 + 1001 * output.bits // 8]
            )  # fmt: skip


@pytest.mark.parametrize("output", FORMATS)
def test_ffmpeg_reads_the_tags(tmp_path: Path, output: OutputFormat) -> None:
    path = tmp_path / f"a.{output.container}"
    write(path, output, noise(2, 5000), tags=TAGS)
    with av.open(str(path)) as file:
        found = {name.lower(): text for name, text in file.metadata.items()}
    for name in ("title", "album", "composer", "genre", "copyright"):
        assert found[name] == ALL[name][0]
    assert found["date"] == "1999-05-04"
    assert found["track"].startswith("3")


def test_windows_finds_the_fields_of_a_wav_in_a_list_info(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", OutputFormat("wav"), noise(1, 100), tags=TAGS)
    data = (tmp_path / "a.wav").read_bytes()
    info = data[data.index(b"LIST") :]
    size = int.from_bytes(info[4:8], "little")
    assert info[8:12] == b"INFO"
    assert info[8 + size : 12 + size] == b"id3 "
    assert b"IART\x0a\0\0\0One; Zwei\0" in info[: 8 + size]
    assert b"INAM" + (21).to_bytes(4, "little") + "Some title – süß".encode() in info


def test_a_number_of_a_total_is_two_comments_in_flac(tmp_path: Path) -> None:
    write(tmp_path / "a.flac", OutputFormat("flac"), noise(1, 100), tags=TAGS)
    tags = mutagen.File(tmp_path / "a.flac").tags
    for name, text in [("TRACKNUMBER", "3"), ("TRACKTOTAL", "12"), ("DISCTOTAL", "2")]:
        assert tags[name] == [text]


@pytest.mark.parametrize("output", FORMATS)
def test_a_file_object_gets_the_same_tags_and_stays_open(
    tmp_path: Path, output: OutputFormat
) -> None:
    memory = io.BytesIO()
    write(memory, output, noise(2, 5000), tags=TAGS)
    write(tmp_path / "a", output, noise(2, 5000), tags=TAGS)
    assert memory.getvalue() == (tmp_path / "a").read_bytes()


@pytest.mark.parametrize("output", FORMATS)
def test_the_most_that_tags_can_be_fits_into_every_format(
    tmp_path: Path, output: OutputFormat
) -> None:
    cover = Picture("image/png", PNG + bytes(MOST_COVER_BYTES - len(PNG)))
    tags = Tags({"title": ("A",), "lyrics": ("ü" * (MOST_CHARACTERS - 1),)}, cover)
    path = tmp_path / f"a.{output.container}"
    write(path, output, noise(1, 1000), tags=tags)
    assert read_tags(path).tags == tags


@pytest.mark.parametrize("text", ["Spring 1999", "", "0000", "1999-13-45", "99", "２０１１", "-1"])
@pytest.mark.parametrize("output", FORMATS)
def test_no_text_in_any_field_fails(tmp_path: Path, output: OutputFormat, text: str) -> None:
    tags = Tags({row.name: (text,) for row in FIELDS})
    write(tmp_path / "a", output, noise(1, 1000), tags=tags)
    assert soundfile.info(tmp_path / "a").frames == 1000


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from stemline.postprocessing.encode import OutputFormat, StemWriter
from stemline.tags import Picture, Tags
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
tags = Tags({}, Picture("image/png", bytes(200_000)))
try:
    with StemWriter(Path(sys.argv[1]), OutputFormat(sys.argv[2]), 44100, 1, tags) as writer:
        writer.write(np.zeros((1, 1000), np.float32))
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize("container", ["wav", "flac", "mp3"])
def test_a_disk_that_is_full_while_tags_are_written_leaves_nothing(
    tmp_path: Path, container: str
) -> None:
    path = tmp_path / "vocals.out"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path), container],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (f"[Errno 27] File too large: '{path}'\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("container", ["wav", "mp3"])
def test_the_letters_tag_are_no_tag_of_version_1(tmp_path: Path, container: str) -> None:
    for n in range(118, 132):  # so many bytes from the end of the last frame
        tags = Tags({"title": ("TAG" + "x" * n,)})
        path = tmp_path / f"a.{container}"
        write(path, OutputFormat(container), noise(1, 3000), tags=tags)
        assert read_tags(path).tags == tags
        assert len(read(path)[0][0]) == 3000


def test_frames_with_the_letters_tag_stay_as_they_are() -> None:
    for n in range(110, 140):
        file = io.BytesIO(bytes(1000) + b"TAG" + bytes(n))
        find_format("mp3").add_tags(file, TAGS)
        assert file.getvalue().endswith(bytes(1000) + b"TAG" + bytes(n))
