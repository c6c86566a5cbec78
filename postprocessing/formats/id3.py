"""Tags as ID3 2.4 (id3.org), for MP3 and a chunk of WAV."""

from io import BytesIO

from mutagen import id3

from stemline.tags import FIELDS, Tags

_UTF_8 = id3.Encoding.UTF8
_LANGUAGE = "XXX"  # not known
_PADDING_BYTES = 256
_FRONT_COVER = id3.PictureType.COVER_FRONT
_FRAMES = {row.name: row.id3 for row in FIELDS}


def id3_bytes(tags: Tags) -> bytes:
    """A stem's tags, with some padding."""
    memory = BytesIO()
    # Mutagen looks for a tag of version 1 in the last 131 bytes; it is to find zeros.
    _frames(tags).save(memory, padding=lambda _: _PADDING_BYTES)
    return memory.getvalue()


def _frames(tags: Tags) -> id3.ID3:
    tag = id3.ID3()
    for name, values in tags.fields.items():
        frame = _FRAMES.get(name, "")
        if frame == "COMM":
            tag.add(id3.COMM(encoding=_UTF_8, lang=_LANGUAGE, desc="", text=list(values)))
        elif frame == "USLT":
            tag.add(id3.USLT(encoding=_UTF_8, lang=_LANGUAGE, desc="", text="\n".join(values)))
        elif frame:
            tag.add(getattr(id3, frame)(encoding=_UTF_8, text=list(values)))
        else:
            tag.add(id3.TXXX(encoding=_UTF_8, desc=name.upper(), text=list(values)))
    if tags.cover is not None:
        cover = tags.cover
        tag.add(
            id3.APIC(
                encoding=id3.Encoding.LATIN1,
                mime=cover.mime,
                type=_FRONT_COVER,
                desc="",
                data=cover.data,
            )
        )
    return tag
