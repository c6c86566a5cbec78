"""What a kind of tags was found to hold, before anything is chosen or bounded."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from stemline.tags import FIELDS, MODEL

FRONT_COVER = 3
"""The kind of a picture that is the front cover, as ID3 numbers them and FLAC and ASF after it."""

_BY_NAME = {name: row.name for row in FIELDS for name in (row.name, *row.also)} | {MODEL: MODEL}
_TOTALS = {
    **dict.fromkeys(("tracktotal", "totaltracks", "total_tracks"), "tracknumber"),
    **dict.fromkeys(("disctotal", "totaldiscs", "total_discs"), "discnumber"),
}


@dataclass
class RawTags:
    """Fields and pictures as they were found."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    """A field's name → its values: of FIELDS and MODEL alone."""
    totals: dict[str, str] = field(default_factory=dict)
    """`tracknumber` or `discnumber` → of how many, where that is a field of its own."""
    pictures: list[tuple[int, bytes]] = field(default_factory=list)
    """Their kinds and bytes."""

    def add(self, name: str, values: Iterable[object]) -> None:
        """Append values to a field, as text."""
        self.fields.setdefault(name, []).extend(map(str, values))

    def add_named(self, name: str, values: Iterable[object]) -> None:
        """Append values by a name that is free text, as Vorbis comments and others have."""
        name = name.lower()
        if name in _BY_NAME:
            self.add(_BY_NAME[name], values)
        elif name in _TOTALS:
            for value in values:
                self.totals[_TOTALS[name]] = str(value)
