"""Tunes: a motif of rhythm and contour, repeated over other chords."""

from dataclasses import dataclass

from .dice import Dice
from .plan import Plan, chord_at
from .theory import ChordSpan


@dataclass(frozen=True, slots=True)
class Motif:
    """A short phrase without its pitches yet, in beats from the phrase's start."""

    onsets: tuple[float, ...]
    lengths: tuple[float, ...]
    steps: tuple[int, ...]
    """Scale steps from the note before."""


def draw_motif(n_beats: int, unit: float, density: float, rest: float, dice: Dice) -> Motif:
    """A motif.

    Parameters
    ----------
    n_beats
        The phrase's length.
    unit
        The shortest note, in beats.
    density
        From 0, long notes, to 1, nearly all of the shortest.
    rest
        Beats of silence at the end, at least.
    dice
        Where it comes from.
    """
    onsets: list[float] = []
    lengths: list[float] = []
    steps: list[int] = []
    now = unit * float(dice.choice((0, 0, 0, 1, 2, 3)))
    end = max(n_beats - rest, now + unit)
    sizes = (1, 2, 3, 4, 6, 8)
    weights = (0.2 + 4.0 * density, 1.5, 0.5, 1.0 - density * 0.8, 0.3, 0.35 * (1.0 - density))
    held = dice.choice(sizes, weights)
    trend = dice.choice((-1, 0, 1))
    while now < end - 1e-9:
        # The same length goes on more often than not, which is what makes a rhythm.
        if not dice.chance(0.5):
            held = dice.choice(sizes, weights)
        length = min(held * unit, end - now)
        if onsets and dice.chance(0.08):
            now += length
            continue
        onsets.append(now)
        lengths.append(length)
        leap = dice.choice((-1, 0, 1, 2, 3, 4), (3.0, 2.0, 3.0, 1.0, 0.4, 0.3))
        if leap > 1 and dice.chance(0.5):
            leap = -leap
        steps.append(leap + (trend if dice.chance(0.2) else 0))
        now += length
    if not onsets:
        return Motif((0.0,), (float(max(n_beats - rest, unit)),), (0,))
    return Motif(tuple(onsets), tuple(lengths), tuple(steps))


def vary(motif: Motif, dice: Dice) -> Motif:
    """The motif with some of its contour changed."""
    steps = tuple(step if dice.chance(0.75) else dice.integer(-2, 2) for step in motif.steps)
    return Motif(motif.onsets, motif.lengths, steps)


def sing(
    motif: Motif,
    start_beat: float,
    spans: tuple[ChordSpan, ...],
    plan: Plan,
    low: int,
    high: int,
    home: int,
) -> list[int]:
    """Pitches of a motif over the chords that sound there.

    The contour starts from the scale note nearest to `home`; strong beats and long notes are
    drawn to the nearest chord tone, and the ends of the range turn the contour back.
    """
    scale = plan.key.pitches(low, high)
    place = min(range(len(scale)), key=lambda index: abs(scale[index] - home))
    pitches = []
    last = len(motif.onsets) - 1
    for index, (onset, length, step) in enumerate(
        zip(motif.onsets, motif.lengths, motif.steps, strict=True)
    ):
        there = place + step
        if not 0 <= there < len(scale):
            there = place - step
        place = min(max(there, 0), len(scale) - 1)
        beat = start_beat + onset
        if index == last or length >= 1.0 or (beat % 2.0 == 0.0):
            tones = chord_at(spans, beat).tones
            for away in (0, 1, -1, 2, -2):
                if 0 <= place + away < len(scale) and scale[place + away] % 12 in tones:
                    place += away
                    break
        pitches.append(scale[place])
    return pitches


def shortest(beat_s: float, least_s: float) -> float:
    """The shortest note in beats that still lasts that long, for notes that swing may halve."""
    for unit in (0.25, 0.5, 1.0):
        if unit * beat_s * 0.66 >= least_s:
            return unit
    return 1.0
