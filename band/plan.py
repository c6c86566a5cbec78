"""What all players of a song know before they play."""

from dataclasses import dataclass
from typing import Literal

from .form import Part
from .theory import Chord, ChordSpan, Key
from .timing import Grid


@dataclass(frozen=True, slots=True)
class Plan:
    """A song's frame: time, key, form and harmony."""

    duration_s: float
    grid: Grid
    meter: Literal[3, 4]
    tempo_bpm: float
    key: Key
    parts: tuple[Part, ...]
    chords: tuple[tuple[ChordSpan, ...], ...]
    """For each part of the form, the chords that fill it."""
    last_beat: int
    """The downbeat after the last bar, where the song may end on a chord."""
    human: float
    """0 is a machine's timing, 1 a loose band's."""

    def start_beat(self, part: Part) -> int:
        """The first beat of a part."""
        return part.first_bar * self.meter

    def end_beat(self, part: Part) -> int:
        """The beat after the last one of a part."""
        return (part.first_bar + part.n_bars) * self.meter


def chord_at(spans: tuple[ChordSpan, ...], beat: float) -> Chord:
    """The chord that sounds at a beat of the song."""
    return span_at(spans, beat).chord


def span_at(spans: tuple[ChordSpan, ...], beat: float) -> ChordSpan:
    """The chord, and how long it lasts, at a beat of the song."""
    # Spans of a part are equally long, so the place of one is a division away.
    first = spans[0]
    place = int((beat - first.start_beat) / (first.end_beat - first.start_beat))
    return spans[min(max(place, 0), len(spans) - 1)]
