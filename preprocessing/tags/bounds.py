"""From what a file was found to say to what stems can say: chosen, in one form, and bounded."""

from collections.abc import Iterable

from stemline.tags import (
    FIELDS,
    MODEL,
    MOST_CHARACTERS,
    MOST_COVER_BYTES,
    MOST_VALUES,
    Picture,
    Tags,
)

from .raw import FRONT_COVER, RawTags

_MAGICS = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n": "image/png",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
}
_OTHER = 0  # the kind of pictures that programs without a choice of kinds write


def bounded(raw: RawTags) -> tuple[Tags, list[str]]:
    """The tags, and what was left out of them, in words that a file's name goes before."""
    fields: dict[str, tuple[str, ...]] = {}
    left_out: list[str] = []
    room = MOST_CHARACTERS
    for name in (*(row.name for row in FIELDS), MODEL):
        values = _distinct(raw.fields.get(name, []))
        if len(values) > MOST_VALUES:
            left_out.append(
                f"of its {len(values)} values of {name} stems have the first {MOST_VALUES}"
            )
        fitting = []
        for value in values[:MOST_VALUES]:
            if len(value) <= room:
                fitting.append(value)
                room -= len(value)
            else:
                left_out.append(
                    f"its {name} of {len(value)} characters is left out of the stems, whose tags "
                    f"have {MOST_CHARACTERS} together"
                )
        if fitting:
            fields[name] = tuple(fitting)
    for name, total in raw.totals.items():
        if name in fields and "/" not in fields[name][0] and _plain(total):
            fields[name] = (f"{fields[name][0]}/{_plain(total)[:16]}",)
    cover, size_bytes = _cover(raw.pictures)
    if cover is None and size_bytes:
        left_out.append(
            f"its cover of {size_bytes / 2**20:.1f} MiB is left out of the stems, which take one "
            f"of {MOST_COVER_BYTES >> 20} MiB"
        )
    return Tags(fields, cover), left_out


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(plain for value in values if (plain := _plain(value))))


def _plain(value: str) -> str:
    """Text without what no kind of tags can hold."""
    return value.replace("\0", " ").encode(errors="replace").decode().strip()


def _cover(pictures: Iterable[tuple[int, bytes]]) -> tuple[Picture | None, int]:
    """The front cover, else what may be one; of one that is too large, its size in bytes."""
    too_large_bytes = 0
    for _, data in sorted(pictures, key=lambda one: (one[0] != FRONT_COVER, one[0] != _OTHER)):
        mime = _mime(data)
        if mime is None:
            continue
        if len(data) <= MOST_COVER_BYTES:
            return Picture(mime, data), 0
        too_large_bytes = max(too_large_bytes, len(data))
    return None, too_large_bytes


def _mime(data: bytes) -> str | None:
    """The kind of picture by its first bytes, as what files call it is often wrong."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for magic, mime in _MAGICS.items() if data.startswith(magic)), None)
