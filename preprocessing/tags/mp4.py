"""The atoms of MP4 (m4a)."""

from typing import Any

from mutagen.mp4 import MP4Tags

from stemline.tags import FIELDS

from .raw import FRONT_COVER, RawTags

_NAMES = {row.mp4: row.name for row in FIELDS if row.mp4}
_FREE = "----:com.apple.itunes:"


def raw_of_mp4(tags: MP4Tags) -> RawTags:
    """The fields and pictures of MP4."""
    raw = RawTags()
    atoms: Any = tags.items()
    for atom, values in atoms:
        if atom == "covr":
            raw.pictures += [(FRONT_COVER, bytes(picture)) for picture in values]
        elif atom.lower().startswith(_FREE):
            texts = [bytes(value).decode(errors="replace") for value in values]
            raw.add_named(atom[len(_FREE) :], texts)
        elif atom in ("trkn", "disk"):
            raw.add(_NAMES[atom], [f"{n}/{total}" if total else n for n, total in values if n])
        elif atom == "cpil":
            raw.add(_NAMES[atom], ["1"] if values else [])
        elif atom in _NAMES:
            raw.add(_NAMES[atom], values)
    return raw
