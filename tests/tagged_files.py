"""Audio files with tags, which mutagen and FFmpeg have written as programs of their kind do."""

import base64
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import soundfile
from audio_files import RATE, encoded, music
from mutagen import aiff, apev2, asf, flac, id3, mp3, mp4, oggflac, oggopus, oggvorbis, wave

from stemline.tags import Picture

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
COVER = Picture("image/png", PNG)
BACK = b"\xff\xd8\xff\xe0 the back"
TEXTS = {
    "title": "Süße Träume",
    "artist": "初音ミク",
    "album": "An Album",
    "albumartist": "Various",
    "date": "1999-05-04",
    "genre": "Trip-Hop",
    "composer": "A. Composer",
    "comment": "as it is",
    "bpm": "124",
    "isrc": "DEA621700138",
}
"""What every kind of tags here has, by our names; the track is 3 of 12 and the disc 1 of 2."""
_SAMPLES = music(20_000)


def tagged_mp3(path: Path, version: int = 4) -> None:
    """With gains, identifiers and the encoder's delay, too, as iTunes and Picard write them."""
    path.write_bytes(encoded(_SAMPLES, "mp3", "libmp3lame"))
    file: Any = mp3.MP3(path)
    _fill(file.tags)
    if version == 3:
        file.tags.update_to_v23()
    file.save(v2_version=version)


def tagged_wav(path: Path) -> None:
    """ID3 in a chunk behind the samples."""
    soundfile.write(path, _SAMPLES.T, RATE)
    file = wave.WAVE(path)
    file.add_tags()
    _fill(file.tags)
    file.save()


def tagged_aiff(path: Path) -> None:
    soundfile.write(path, _SAMPLES.T, RATE)
    file = aiff.AIFF(path)
    file.add_tags()
    _fill(file.tags)
    file.save()


def tagged_flac(path: Path) -> None:
    soundfile.write(path, _SAMPLES.T, RATE)
    file: Any = flac.FLAC(path)
    _fill_comments(file)
    for kind, data in ((4, BACK), (3, PNG)):
        file.add_picture(_block(kind, data))
    file.save()


def tagged_ogg(kind: Callable[[Path], Any], codec: str, rate: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        if codec == "vorbis":  # which FFmpeg encodes badly
            soundfile.write(path, _SAMPLES.T, rate, format="OGG", subtype="VORBIS")
        else:
            path.write_bytes(encoded(_SAMPLES, "ogg", codec, rate=rate))
        file = kind(path)
        _fill_comments(file)
        blocks = [_block(4, BACK), _block(3, PNG)]
        file["metadata_block_picture"] = [
            base64.b64encode(block.write()).decode() for block in blocks
        ]
        file.save()

    return write


def tagged_m4a(path: Path) -> None:
    path.write_bytes(encoded(_SAMPLES, "mp4", "aac"))
    file: Any = mp4.MP4(path)
    names = ("©nam", "©ART", "©alb", "aART", "©day", "©gen", "©wrt", "©cmt")
    for name, text in zip(names, TEXTS.values(), strict=False):
        file[name] = [text]
    file["tmpo"], file["trkn"], file["disk"] = [124], [(3, 12)], [(1, 2)]
    file["----:com.apple.iTunes:ISRC"] = [TEXTS["isrc"].encode()]
    for name in ("iTunNORM", "iTunSMPB", "replaygain_track_gain", "MusicBrainz Track Id"):
        file[f"----:com.apple.iTunes:{name}"] = [b"of the track"]
    file["covr"] = [mp4.MP4Cover(PNG, mp4.MP4Cover.FORMAT_PNG)]
    file.save()


def tagged_wma(path: Path) -> None:
    path.write_bytes(encoded(_SAMPLES, "asf", "wmav2", bit_rate=128_000))
    file: Any = asf.ASF(path)
    names = (
        "Title", "Author", "WM/AlbumTitle", "WM/AlbumArtist", "WM/Year", "WM/Genre", "WM/Composer",
        "Description", "WM/BeatsPerMinute", "WM/ISRC",
    )  # fmt: skip
    for name, text in zip(names, TEXTS.values(), strict=True):
        file[name] = [text]
    file["WM/TrackNumber"], file["WM/PartOfSet"] = ["3/12"], ["1/2"]
    file["MusicBrainz/Track Id"] = file["replaygain_track_gain"] = ["of the track"]
    words = "image/png\0\0".encode("utf-16-le")
    picture = struct.pack("<BI", 3, len(PNG)) + words + PNG
    file["WM/Picture"] = [asf.ASFByteArrayAttribute(picture)]
    file.save()


def tagged_ape(path: Path) -> None:
    """MP3 with APE tags, as foobar2000 and MP3Gain write them."""
    plain = {"id3v2_version": "0"}
    path.write_bytes(encoded(_SAMPLES, "mp3", "libmp3lame", container_options=plain))
    tags: Any = apev2.APEv2()
    for name, text in TEXTS.items():
        tags[{"albumartist": "Album Artist", "date": "Year"}.get(name, name.title())] = text
    tags["Track"], tags["Disc"] = "3/12", "1/2"
    tags["MP3GAIN_MINMAX"] = tags["replaygain_track_gain"] = "of the track"
    tags["Cover Art (Front)"] = apev2.APEValue(b"front.png\0" + PNG, apev2.BINARY)
    tags.save(path)


def tagged_mka(path: Path) -> None:
    """By FFmpeg, with the cover attached."""
    names = {"albumartist": "album_artist"}
    with av.open(str(path), "w", format="matroska") as out:
        out.metadata.update({names.get(name, name): text for name, text in TEXTS.items()})
        out.metadata.update(track="3/12", disc="1/2", replaygain_track_gain="of the track")
        stream: Any = out.add_stream("flac", rate=RATE)
        stream.layout = "stereo"
        out.add_attachment("cover.png", "image/png", PNG)
        frame = av.AudioFrame.from_ndarray(
            (_SAMPLES.T.reshape(1, -1) * 2**15).astype("i2"), format="s16", layout="stereo"
        )
        frame.sample_rate, frame.pts = RATE, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


WRITERS: dict[str, Callable[[Path], None]] = {
    "mp3": tagged_mp3,
    "2.3.mp3": lambda path: tagged_mp3(path, 3),
    "ape.mp3": tagged_ape,
    "wav": tagged_wav,
    "aiff": tagged_aiff,
    "flac": tagged_flac,
    "ogg": tagged_ogg(oggvorbis.OggVorbis, "vorbis", RATE),
    "opus": tagged_ogg(oggopus.OggOpus, "libopus", 48000),
    "oga": tagged_ogg(oggflac.OggFLAC, "flac", RATE),
    "m4a": tagged_m4a,
    "wma": tagged_wma,
    "mka": tagged_mka,
}
"""The end of a file's name → what writes such a file."""


def _fill(tags: id3.ID3) -> None:
    frames = ("TIT2", "TPE1", "TALB", "TPE2", "TDRC", "TCON", "TCOM", "COMM", "TBPM", "TSRC")
    for name, text in zip(frames, TEXTS.values(), strict=True):
        if name == "COMM":
            for description in ("iTunNORM", "iTunSMPB", ""):
                tags.add(id3.COMM(3, "eng", description, [text if not description else " 000"]))
        else:
            tags.add(getattr(id3, name)(3, [text]))
    tags.add(id3.TRCK(3, ["3/12"]))
    tags.add(id3.TPOS(3, ["1/2"]))
    tags.add(id3.TXXX(3, "replaygain_track_gain", ["-7.00 dB"]))
    tags.add(id3.TXXX(3, "MusicBrainz Release Track Id", ["of the track"]))
    tags.add(id3.UFID("http://musicbrainz.org", b"of the track"))
    tags.add(id3.RVA2("track", 1, -7, 1))
    tags.add(id3.TSSE(3, ["LAME"]))
    tags.add(id3.APIC(0, "image/jpeg", 4, "back", BACK))
    tags.add(id3.APIC(0, "image/png", 3, "", PNG))


def _fill_comments(file: Any) -> None:
    for name, text in TEXTS.items():
        file[name] = [text]
    file["tracknumber"], file["TrackTotal"] = ["3"], ["12"]
    file["DISCNUMBER"], file["totaldiscs"] = ["1"], ["2"]
    for name in ("replaygain_track_gain", "R128_TRACK_GAIN", "MUSICBRAINZ_TRACKID", "CUESHEET"):
        file[name] = ["of the track"]


def _block(kind: int, data: bytes) -> flac.Picture:
    block: Any = flac.Picture()
    block.type, block.mime, block.data = kind, "image/png", data
    return block
