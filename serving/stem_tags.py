"""A track's tags → the tags of its stems."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from stemline.tags import MODEL, Tags

from .output_names import track_name
from .stem_files import log_fault


@dataclass(frozen=True)
class TrackTags:
    """What is known of a track beside its samples."""

    track: str = ""
    """What it is called where it has no title; empty of samples that were in no file."""
    tags: Tags = field(default_factory=Tags)

    def of_stem(self, stem: str, model: str) -> Tags:
        """The track's tags with the stem in the title, and the model that made it where known."""
        title = self.tags.fields.get("title", (self.track,))[0]
        fields = {**self.tags.fields, "title": (f"{title} ({stem})" if title else stem,)}
        fields.pop(MODEL, None)  # of a track that is a stem itself
        if model:
            fields[MODEL] = (model,)
        return Tags(fields, self.tags.cover)


def tags_of_file(path: Path, on_fault: Callable[[str], None] = log_fault) -> TrackTags:
    """The tags of an audio file, empty where they cannot be read.

    `on_fault` is called with a whole sentence for what is too much for stems.
    """
    from stemline.preprocessing.tags import read_tags  # 0.1 s, which help need not wait for

    found = read_tags(path)
    for what in found.left_out:
        on_fault(what)
    return TrackTags(track_name(path), found.tags)
