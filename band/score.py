"""What the band plays, and what is true of it: times, pitches and structure; no sound yet."""

from dataclasses import dataclass
from typing import Literal

Piece = Literal[
    "kick", "snare", "tom_high", "tom_mid", "tom_low", "hat_closed", "hat_open", "ride", "crash"
]
OtherKind = Literal["pad", "pluck", "arpeggio", "lead"]
Label = Literal["intro", "verse", "chorus", "bridge", "outro"]


@dataclass(frozen=True, slots=True)
class Hit:
    """One stroke on the drums."""

    start_s: float
    piece: Piece
    velocity: float
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class Note:
    """One note of an instrument."""

    start_s: float
    duration_s: float
    pitch: float
    """Pitch as a MIDI number: 69 is 440 Hz."""
    velocity: float
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class Syllable:
    """One sung syllable: a consonant, then a vowel on a pitch."""

    start_s: float
    duration_s: float
    pitch: float
    velocity: float
    vowel: Literal["a", "e", "i", "o", "u"]
    consonant: Literal["", "s", "t", "k", "m", "n", "l", "h", "f", "b", "d"]
    legato: bool
    """Sung on from the syllable before, without a breath."""


@dataclass(frozen=True, slots=True)
class OtherPart:
    """One of the instruments that together are the stem `other`."""

    kind: OtherKind
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Beat:
    """One beat, its place in the bar counted from 1; 1 is the downbeat."""

    time_s: float
    position: int


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the song's form."""

    start_s: float
    end_s: float
    label: Label


@dataclass(frozen=True, slots=True)
class Truth:
    """What an analyser of the song should find."""

    tempo_bpm: float
    """The mean; it drifts around it."""
    beats_per_bar: Literal[3, 4]
    key: str
    """The key, such as `F# minor`."""
    swing: float
    """0 is straight; 1 puts the off-beat eighth on the last third of the beat."""
    beats: tuple[Beat, ...]
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """A song on paper. All times are rounded to the microsecond, so they are equal everywhere."""

    seed: int
    duration_s: float
    truth: Truth
    drums: tuple[Hit, ...]
    bass: tuple[Note, ...]
    other: tuple[OtherPart, ...]
    vocals: tuple[Syllable, ...]
