"""Keys, chords, progressions and voicings, as whole numbers of semitones."""

from dataclasses import dataclass
from typing import Literal

from .dice import Dice

Mode = Literal["major", "minor"]

MAJOR = (0, 2, 4, 5, 7, 9, 11)
MINOR = (0, 2, 3, 5, 7, 8, 10)
_MAJOR_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MINOR_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")

# Scale degrees from 0; a degree plus 10 is that degree as a major chord whatever the scale says.
_MAJOR_LOOPS = (
    (0, 4, 5, 3),
    (0, 5, 3, 4),
    (5, 3, 0, 4),
    (0, 3, 4, 3),
    (0, 3, 0, 4),
    (0, 2, 3, 4),
    (1, 4, 0, 0),
    (1, 4, 0, 5),
    (3, 4, 2, 5),
    (0, 1, 3, 0),
    (0, 4, 1, 3),
    (0, 0, 3, 3),
    (3, 0, 4, 5),
    (0, 12, 3, 4),
    (0, 4, 5, 2, 3, 0, 3, 4),
    (0, 0, 0, 0, 3, 3, 0, 0, 4, 3, 0, 4),
)
_MINOR_LOOPS = (
    (0, 5, 2, 6),
    (0, 6, 5, 6),
    (0, 6, 5, 14),
    (0, 3, 0, 4),
    (0, 3, 6, 2),
    (0, 5, 3, 14),
    (0, 2, 6, 3),
    (0, 0, 5, 6),
    (0, 0, 3, 3),
    (5, 6, 0, 0),
    (0, 4, 5, 3),
    (0, 6, 0, 6),
    (0, 0, 0, 0),
    (0, 3, 6, 2, 5, 3, 14, 0),
    (0, 0, 0, 0, 3, 3, 0, 0, 14, 3, 0, 14),
)


@dataclass(frozen=True, slots=True)
class Key:
    """A tonic and a mode."""

    tonic: int
    """Pitch class: 0 is C."""
    mode: Mode

    @property
    def name(self) -> str:
        """The key's name, such as `F# minor`."""
        names = _MAJOR_NAMES if self.mode == "major" else _MINOR_NAMES
        return f"{names[self.tonic]} {self.mode}"

    @property
    def scale(self) -> tuple[int, ...]:
        """Semitones of the seven degrees above the tonic."""
        return MAJOR if self.mode == "major" else MINOR

    def pitches(self, low: int, high: int) -> list[int]:
        """The scale's MIDI numbers from low to high, both included."""
        tones = {(self.tonic + step) % 12 for step in self.scale}
        return [pitch for pitch in range(low, high + 1) if pitch % 12 in tones]


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord: its root's pitch class, and semitones above it."""

    root: int
    intervals: tuple[int, ...]

    @property
    def tones(self) -> frozenset[int]:
        """Pitch classes of the chord."""
        return frozenset((self.root + interval) % 12 for interval in self.intervals)


@dataclass(frozen=True, slots=True)
class ChordSpan:
    """A chord, and the beats of the song that it lasts."""

    start_beat: float
    end_beat: float
    chord: Chord


def draw_key(dice: Dice) -> Key:
    """Any tonic; major a little more often than minor."""
    return Key(dice.integer(0, 11), "major" if dice.chance(0.55) else "minor")


def diatonic(key: Key, degree: int, size: int) -> Chord:
    """Thirds piled up in the scale: `size` 3 is a triad, 4 a seventh chord, 5 a ninth."""
    raised, degree = degree >= 10, degree % 10
    scale = key.scale
    root = scale[degree]
    intervals = []
    for third in range(size):
        place = degree + 2 * third
        intervals.append(scale[place % 7] + 12 * (place // 7) - root)
    if raised:
        intervals[1] = 4
    return Chord((key.tonic + root) % 12, tuple(intervals))


def draw_loop(key: Key, dice: Dice) -> tuple[int, ...]:
    """A progression that goes round, as degrees for `diatonic`."""
    return dice.choice(_MAJOR_LOOPS if key.mode == "major" else _MINOR_LOOPS)


def colour(chord_size: int, dice: Dice) -> int:
    """How many tones one chord has, around the song's usual number."""
    return chord_size if dice.chance(0.8) else dice.choice((3, 4))


def voice(chord: Chord, low: int, high: int, form: str, near: int) -> list[int]:
    """The chord's notes between two pitches.

    Parameters
    ----------
    chord
        What to voice.
    low, high
        MIDI numbers that the notes stay between, both included; at least an octave apart.
    form
        `close`, `open` (every other note up an octave), `shell` (root, third or seventh),
        `power` (root, fifth, octave), `wide` (root an octave down).
    near
        The lowest note lies at the chord tone nearest to this MIDI number, which leads the voices
        smoothly from chord to chord.
    """
    intervals = chord.intervals
    if form == "power":
        start = nearest(chord.root, near)
        notes = [start, start + intervals[2], start + 12]
    elif form == "shell":
        start = nearest(chord.root, near)
        notes = [start, start + intervals[1] % 12]
        notes.append(start + (intervals[3] if len(intervals) > 3 else intervals[2]))
    else:
        classes = sorted(chord.tones)
        bottom = min((nearest(tone, near) for tone in classes), key=lambda p: (abs(p - near), p))
        notes = sorted(bottom + (tone - bottom) % 12 for tone in classes)
        if form == "open":
            notes = [note + 12 * (place % 2) for place, note in enumerate(notes)]
        elif form == "wide":
            notes = [nearest(chord.root, notes[0] - 12), *notes]
    fitted = set()
    for note in notes:
        while note < low:
            note += 12
        while note > high:
            note -= 12
        fitted.add(note)
    return sorted(fitted)


def nearest(pitch_class: int, near: int) -> int:
    """The MIDI number of a pitch class that lies nearest to another number."""
    below = near - (near - pitch_class) % 12
    return below if near - below <= 6 else below + 12
