"""Bass lines: long notes, roots and fifths, eighths, octaves, walking, syncopation, the kick's."""

from typing import Literal

from .dice import Dice
from .plan import Plan, span_at
from .score import Note
from .theory import nearest
from .timing import draw_feel

LOWEST, HIGHEST = 28, 52

# Sixteenths: r root, 5 fifth, 3 third, o octave, w a walking tone, - held on, . silent.
_PATTERNS: dict[int, tuple[str, ...]] = {
    4: (
        "r---------------",
        "r-------5-------",
        "r-------r-------",
        "r-------..r-r---",
        "r---r---r---r---",
        "r-r-r-r-r-r-r-r-",
        "r-r-r-r-r-r-5-3-",
        "r-o-r-o-r-o-r-o-",
        "..r-..r-..r-..r-",
        "..o-..o-..o-..o-",
        "r--r--r-r--r--r-",
        "r--r..o-..r-5-o-",
        "r.rr..r...rr..o.",
        "r---5---o---5---",
        "r-----5-o-----5-",
        "w---w---w---w---",
        "w---w---w---w-w-",
        "rrrrrrrrrrrrrrrr",
        "r..r..r...r.r...",
        "r-3-5-3-r-3-5-3-",
        "r-......r-r-....",
        "r-----r---5-r---",
    ),
    3: (
        "r-----------",
        "r---5---5---",
        "r---3---5---",
        "r-------5---",
        "r-r-r-r-r-r-",
        "w---w---w---",
        "r-----r-5---",
        "r-......r-..",
        "r-5-o-5-r-5-",
        "r--r--r--r--",
        "..r-..r-..r-",
    ),
}


def draw_bass(plan: Plan, kick: str, dice: Dice) -> tuple[Note, ...]:
    """The bass part of a whole song, in order of time, one note at a time."""
    hands = dice.child("hands")
    feel = draw_feel(plan.human, dice)
    centre = dice.integer(31, 42)
    level = dice.uniform(0.65, 0.95)
    short = dice.choice((0.45, 0.7, 0.92, 1.0))
    approach = dice.choice((0.0, 0.2, 0.6))
    styles = {label: _style(plan, kick, dice) for label in ("verse", "chorus", "bridge")}
    styles["intro"] = styles[dice.choice(("verse", "chorus"))]
    styles["outro"] = styles[dice.choice(("verse", "chorus"))]
    tacet = {"intro": 0.45, "verse": 0.05, "chorus": 0.01, "bridge": 0.2, "outro": 0.2}
    notes: list[Note] = []
    steps = plan.meter * 4
    pitch, played = centre, False
    for part, spans in zip(plan.parts, plan.chords, strict=True):
        played = len(plan.parts) == 1 or not dice.chance(tacet[part.label])
        if not played:
            continue
        pattern = styles[part.label]
        first = plan.start_beat(part)
        found: list[tuple[float, int]] = []
        ends: list[float] = []
        sounding = False
        for step in range(part.n_bars * steps):
            beat = first + step * 0.25
            mark = pattern[step % steps]
            span = span_at(spans, beat)
            if mark == "-" and sounding and beat == span.start_beat:
                mark = "r"
            if mark == "-" and sounding:
                ends[-1] = beat + 0.25
            elif mark in "r53ow":
                pitch = _pitch(mark, beat, span.start_beat, span.chord.root,
                               span.chord.intervals, centre, pitch, plan, hands)  # fmt: skip
                next_span = span_at(spans, beat + 1.0)
                if mark != "r" and next_span is not span and dice.chance(approach):
                    target = _into(nearest(next_span.chord.root, centre))
                    pitch = _into(target + hands.choice((-1, 1, -2, 2)))
                found.append((beat, pitch))
                ends.append(beat + 0.25)
                sounding = True
            else:
                sounding = False
        loud = level * (0.75 + 0.25 * part.energy)
        for (beat, note), end in zip(found, ends, strict=True):
            start = plan.grid.at(beat)
            length = (plan.grid.at(end) - start) * short
            velocity = loud * hands.uniform(0.88, 1.05) * (1.0 if beat == int(beat) else 0.93)
            at = round(max(start + feel.off(hands), 0.0), 6)
            notes.append(Note(at, round(max(length, 0.05), 6), note, round(min(1.0, velocity), 4)))
    if played:
        root = nearest(plan.chords[0][0].chord.root, centre)
        at = round(plan.grid.at(plan.last_beat), 6)
        notes.append(Note(at, round(plan.grid.at(plan.last_beat + 3) - at, 6), _into(root), 0.7))
    return tuple(notes)


def _style(plan: Plan, kick: str, dice: Dice) -> str:
    if dice.chance(0.2):
        pattern = "".join("r" if mark in "Xxg" else "-" for mark in kick)
        return pattern if pattern[0] == "r" else "r" + pattern[1:]
    patterns = _PATTERNS[plan.meter]
    if plan.tempo_bpm > 105:
        patterns = tuple(p for p in patterns if p != "rrrrrrrrrrrrrrrr")
    return dice.choice(patterns)


def _pitch(
    mark: Literal["r", "5", "3", "o", "w"] | str,
    beat: float,
    span_start: float,
    root_class: int,
    intervals: tuple[int, ...],
    centre: int,
    before: int,
    plan: Plan,
    dice: Dice,
) -> int:
    root = _into(nearest(root_class, centre))
    if mark == "w" and beat != span_start:
        # Walk: a step or a small leap in the scale, and back into range at its ends.
        scale = plan.key.pitches(LOWEST, HIGHEST)
        near = min(range(len(scale)), key=lambda place: abs(scale[place] - before))
        place = near + dice.choice((-2, -1, 1, 2))
        if not centre - 8 <= scale[min(max(place, 0), len(scale) - 1)] <= centre + 10:
            place = 2 * near - place
        return scale[min(max(place, 0), len(scale) - 1)]
    if mark == "5":
        fifth = root + intervals[2]
        return _into(fifth if fifth <= centre + 8 else fifth - 12)
    if mark == "3":
        return _into(root + intervals[1])
    if mark == "o":
        return _into(root + 12)
    return root


def _into(pitch: int) -> int:
    while pitch < LOWEST:
        pitch += 12
    while pitch > HIGHEST:
        pitch -= 12
    return pitch
