"""What a file says of its music, and how the kinds of tags call it.

Known are the fields that are as true of a stem as of its track: who made it, where it was
published, what it is called. Left out on purpose is what is true of the track's own samples or
bytes alone, so that a player would do a stem harm by it or a collection take it for the recording:
gains and peaks (ReplayGain, R128, RVA2, iTunNORM), the encoder's delay and length (iTunSMPB), cue
sheets and chapters, fingerprints and identifiers of the recording (MusicBrainz, AcoustID, Discogs),
the encoder and its settings, what a player counted or rated. It imports nothing, so any folder may
use it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

MOST_COVER_BYTES = 10 << 20
"""A block of FLAC holds 16 MiB, and every stem has its own copy."""
MOST_VALUES = 64
"""Of one field."""
MOST_CHARACTERS = 1 << 18
"""Of all values together."""

MODEL = "stemline_model"
"""The field for the model that made a stem; no kind of tags has one of its own for that."""


@dataclass(frozen=True)
class Picture:
    """A picture as it is in a file."""

    mime: str
    data: bytes


@dataclass(frozen=True)
class Tags:
    """What a file says of its music."""

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name → its values, at least one. The names are those of FIELDS, and MODEL; a number among so
    many is `3/12`."""
    cover: Picture | None = None
    """The front cover."""


@dataclass(frozen=True)
class Field:
    """What one field is called in every kind of tags; empty where one has none."""

    name: str
    """Ours, and in capitals that of Vorbis comments (FLAC, Ogg)."""
    id3: str
    """The frame of ID3 version 2 (MP3, WAV, AIFF)."""
    info: str = ""
    """The chunk in a LIST INFO of RIFF (WAV)."""
    mp4: str = ""
    """The atom of MP4, or the name of a free one."""
    asf: str = ""
    """The attribute of ASF (WMA)."""
    also: tuple[str, ...] = ()
    """In lower case: what Vorbis comments, APE tags, Matroska and FFmpeg call it, too."""


FIELDS = (
    Field("title", "TIT2", "INAM", "©nam", "Title"),
    Field("subtitle", "TIT3", "", "SUBTITLE", "WM/SubTitle", ("version",)),
    Field("artist", "TPE1", "IART", "©ART", "Author"),
    Field("album", "TALB", "IPRD", "©alb", "WM/AlbumTitle"),
    Field(
        "albumartist", "TPE2", "", "aART", "WM/AlbumArtist",
        ("album artist", "album_artist"),
    ),
    Field(
        "tracknumber", "TRCK", "ITRK", "trkn", "WM/TrackNumber",
        ("track", "part_number", "tracknum"),
    ),
    Field("discnumber", "TPOS", "", "disk", "WM/PartOfSet", ("disc", "disk", "disknumber")),
    Field(
        "date", "TDRC", "ICRD", "©day", "WM/Year",
        ("year", "date_released", "date_recorded", "release_date"),
    ),
    Field(
        "originaldate", "TDOR", "", "ORIGINALDATE", "WM/OriginalReleaseYear",
        ("originalyear", "original year"),
    ),
    Field("genre", "TCON", "IGNR", "©gen", "WM/Genre"),
    Field("composer", "TCOM", "IMUS", "©wrt", "WM/Composer"),
    Field("lyricist", "TEXT", "IWRI", "LYRICIST", "WM/Writer", ("writer", "written_by")),
    Field("conductor", "TPE3", "", "CONDUCTOR", "WM/Conductor"),
    Field("remixer", "TPE4", "", "REMIXER", "WM/ModifiedBy", ("mixartist", "remixed_by")),
    Field("grouping", "TIT1", "", "©grp", "WM/ContentGroupDescription", ("contentgroup",)),
    Field("compilation", "TCMP", "", "cpil", "WM/IsCompilation"),
    Field("comment", "COMM", "ICMT", "©cmt", "Description", ("description", "comments")),
    Field("lyrics", "USLT", "", "©lyr", "WM/Lyrics", ("unsyncedlyrics", "unsynced lyrics")),
    Field("bpm", "TBPM", "IBPM", "tmpo", "WM/BeatsPerMinute", ("tempo",)),
    Field("initialkey", "TKEY", "", "initialkey", "WM/InitialKey", ("key", "initial_key")),
    Field("mood", "TMOO", "", "MOOD", "WM/Mood"),
    Field("language", "TLAN", "ILNG", "LANGUAGE", "WM/Language"),
    Field("copyright", "TCOP", "ICOP", "cprt", "Copyright"),
    Field("organization", "TPUB", "IPUB", "LABEL", "WM/Publisher", ("label", "publisher")),
    Field("isrc", "TSRC", "ISRC", "ISRC", "WM/ISRC"),
    Field("barcode", "", "", "BARCODE", "WM/Barcode", ("upc", "ean/upn")),
    Field("catalognumber", "", "", "CATALOGNUMBER", "WM/CatalogNo", ("catalog_number",)),
)  # fmt: skip
"""The fields that stems take over. Lyrics, tempo and key are the song's, and so the stem's."""
