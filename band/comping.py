"""The parts of `other`: pads, plucked or struck chords, arpeggios and lead lines."""

from .dice import Dice
from .form import Part
from .melody import draw_motif, shortest, sing, vary
from .plan import Plan, chord_at, span_at
from .score import Note, OtherKind, OtherPart
from .theory import ChordSpan, voice
from .timing import draw_feel

LOWEST, HIGHEST = 40, 96

_KINDS: tuple[OtherKind, ...] = ("pad", "pluck", "arpeggio", "lead")
_FORMS = ("close", "open", "wide", "shell", "power")

# Sixteenths in which chords are struck: D loud or down, u soft or up, - ringing, . silent.
_STRUMS: dict[int, tuple[str, ...]] = {
    4: (
        "D---------------",
        "D-------D-------",
        "D---D---D---D---",
        "D---D-u---u-D-u-",
        "D-u-D-u-D-u-D-u-",
        "D--uD-uuD--uD-uu",
        "..D...D...D...D.",
        "....D.......D...",
        "D-----u-........",
        "D--u--D--u--D-u-",
        "D--D--D---D-D---",
        "..D-..D-..D-..Du",
        "DuDuDuDuDuDuDuDu",
        "D.......D.D.....",
        "...D..D...D..D..",
        "D.D.D.D.D.D.D.D.",
    ),
    3: (
        "D-----------",
        "D---D---D---",
        "....D...D...",
        "D---D-u-D-u-",
        "D-u-D-u-D-u-",
        "D-----D-----",
        "..D...D...D.",
        "D--uD-uuD-uu",
        "D.D.D.D.D.D.",
    ),
}
_ORDERS = ("up", "down", "up and down", "random", "broken")


def draw_other(plan: Plan, dice: Dice) -> tuple[OtherPart, ...]:
    """All instruments of `other`, each a part of its own that comes and goes by section."""
    count = dice.choice((1, 2, 3, 4), (0.1, 0.3, 0.35, 0.25))
    kinds = [dice.choice(_KINDS, (0.32, 0.38, 0.18, 0.12))]
    for _ in range(count - 1):
        kinds.append(dice.choice(_KINDS, (0.27, 0.33, 0.2, 0.2)))
    if kinds == ["lead"]:
        kinds = ["pluck"]
    # Who plays in which sections: at least one always, more of them in loud sections.
    active: dict[tuple[str, int], set[int]] = {}
    chosen: dict[str, set[int]] = {}
    for part in plan.parts:
        if part.label not in chosen or dice.chance(0.25):
            rate = 0.35 + 0.6 * part.energy
            players = {place for place in range(len(kinds)) if dice.chance(rate)}
            chosen[part.label] = players or {dice.integer(0, len(kinds) - 1)}
        active[part.label, part.turn] = chosen[part.label]
    found = []
    for place, kind in enumerate(kinds):
        player = dice.child("player", str(place))
        parts = [
            (part, spans)
            for part, spans in zip(plan.parts, plan.chords, strict=True)
            if place in active[part.label, part.turn]
        ]
        final = bool(parts) and parts[-1][0] is plan.parts[-1]
        play = {"pad": _pad, "pluck": _pluck, "arpeggio": _arpeggio, "lead": _lead}[kind]
        notes = play(plan, parts, player)
        if final and kind != "lead":
            notes += _ending(plan, player.child("ending"))
        notes = [note for note in notes if note.start_s < plan.duration_s]
        if notes:
            notes.sort(key=lambda note: (note.start_s, note.pitch))
            found.append(OtherPart(kind, tuple(notes)))
    return tuple(found)


_Parts = list[tuple[Part, tuple[ChordSpan, ...]]]


def _note(start_s: float, duration_s: float, pitch: int, velocity: float) -> Note:
    return Note(
        round(max(start_s, 0.0), 6),
        round(max(duration_s, 0.04), 6),
        pitch,
        round(min(1.0, max(0.05, velocity)), 4),
    )


def _register(dice: Dice, lowest: int, highest: int) -> tuple[int, int, int]:
    """The bounds of an instrument in a song, and where its chords begin."""
    near = dice.integer(lowest, highest)
    return max(LOWEST, near - 9), min(HIGHEST, near + 26), near


def _pad(plan: Plan, parts: _Parts, dice: Dice) -> list[Note]:
    low, high, near = _register(dice, 48, 64)
    form = dice.choice(_FORMS, (3.0, 2.0, 2.0, 1.0, 1.0))
    level = dice.uniform(0.5, 0.85)
    again = dice.chance(0.25)
    gap = dice.choice((0.0, 0.02, 0.12))
    notes = []
    for part, spans in parts:
        for span in spans:
            length = span.end_beat - span.start_beat
            pieces = int(length / plan.meter) if again and length >= plan.meter else 1
            for piece in range(pieces):
                start = plan.grid.at(span.start_beat + piece * length / pieces)
                end = plan.grid.at(span.start_beat + (piece + 1) * length / pieces)
                for pitch in voice(span.chord, low, high, form, near):
                    loud = level * (0.7 + 0.3 * part.energy) * dice.uniform(0.92, 1.06)
                    late = plan.human * dice.uniform(0.0, 0.012)
                    notes.append(_note(start + late, (end - start) * (1.0 - gap), pitch, loud))
    return notes


def _pluck(plan: Plan, parts: _Parts, dice: Dice) -> list[Note]:
    low, high, near = _register(dice, 45, 67)
    form = dice.choice(_FORMS, (3.0, 2.0, 1.5, 1.0, 1.5))
    level = dice.uniform(0.55, 0.95)
    feel = draw_feel(plan.human, dice)
    spread = dice.choice((0.0, 0.008, 0.02, 0.035), (0.35, 0.25, 0.25, 0.15))
    short = dice.choice((0.35, 0.8, 1.0, 1.5))
    patterns = _STRUMS[plan.meter]
    if plan.tempo_bpm > 120:
        patterns = tuple(p for p in patterns if not p.startswith("DuDu"))
    styles = {label: dice.choice(patterns) for label in ("verse", "chorus", "bridge")}
    steps = plan.meter * 4
    notes = []
    for part, spans in parts:
        pattern = styles.get(part.label, styles["verse"])
        first = plan.start_beat(part)
        for bar in range(part.n_bars):
            for step, mark in enumerate(pattern):
                if mark not in "Du":
                    continue
                length = 1
                while step + length < steps and pattern[step + length] == "-":
                    length += 1
                beat = first + bar * plan.meter + step * 0.25
                start = plan.grid.at(beat)
                held = (plan.grid.at(beat + length * 0.25) - start) * short
                start += feel.off(dice)
                pitches = voice(chord_at(spans, beat), low, high, form, near)
                if mark == "u":
                    pitches = pitches[::-1][: max(2, len(pitches) - 1)]
                loud = level * (0.7 + 0.3 * part.energy) * (1.0 if mark == "D" else 0.75)
                loud *= dice.uniform(0.88, 1.06)
                for place, pitch in enumerate(pitches):
                    notes.append(_note(start + spread * place, held, pitch, loud))
    return notes


def _arpeggio(plan: Plan, parts: _Parts, dice: Dice) -> list[Note]:
    low, high, near = _register(dice, 48, 72)
    beat_s = 60.0 / plan.tempo_bpm
    rates = [rate for rate in (0.25, 1.0 / 3.0, 0.5, 1.0) if rate * beat_s >= 0.09]
    rate = dice.choice(rates, [3.0, 1.0, 3.0, 0.5][-len(rates) :])
    order = dice.choice(_ORDERS)
    octaves = dice.choice((1, 2), (0.6, 0.4))
    short = dice.choice((0.4, 0.9, 1.0, 2.5))
    level = dice.uniform(0.5, 0.9)
    skip = dice.choice((0.0, 0.0, 0.15))
    feel = draw_feel(plan.human * 0.6, dice)
    triplets = rate == 1.0 / 3.0
    notes = []
    for part, spans in parts:
        first = plan.start_beat(part)
        per_bar = int(plan.meter / rate + 0.5)
        before: ChordSpan | None = None
        tones: list[int] = []
        for step in range(part.n_bars * per_bar):
            beat = first + plan.meter * (step // per_bar) + (step % per_bar) * rate
            span = span_at(spans, beat + 1e-6)
            if span is not before:
                tones = voice(span.chord, low, high, "close", near)
                if octaves == 2:
                    tones += [tone + 12 for tone in tones if tone + 12 <= high]
                before = span
            place, size = step % per_bar, len(tones)
            if order == "down":
                place = size - 1 - place % size
            elif order == "up and down":
                turn = place % max(1, 2 * size - 2)
                place = turn if turn < size else 2 * size - 2 - turn
            elif order == "random":
                place = dice.integer(0, size - 1)
            elif order == "broken":
                place = (0, size - 1, size // 2, size - 1)[place % 4]
            if skip and dice.chance(skip):
                continue
            start = plan.grid.at(beat, straight=triplets)
            loud = level * (0.7 + 0.3 * part.energy) * (1.0 if beat == int(beat) else 0.85)
            notes.append(
                _note(
                    start + feel.off(dice),
                    rate * beat_s * short,
                    tones[place % size],
                    loud * dice.uniform(0.9, 1.05),
                )
            )
    return notes


def _lead(plan: Plan, parts: _Parts, dice: Dice) -> list[Note]:
    low = dice.integer(52, 72)
    high = low + dice.integer(12, 20)
    unit = shortest(60.0 / plan.tempo_bpm, 0.07)
    phrase = plan.meter * dice.choice((1, 2, 4), (0.3, 0.5, 0.2))
    level = dice.uniform(0.6, 0.95)
    rest_rate = dice.choice((0.1, 0.35, 0.6))
    feel = draw_feel(plan.human, dice)
    short = dice.choice((0.6, 0.92, 1.02))
    double = dice.choice((0, 12, -12, 7), (0.8, 0.12, 0.04, 0.04))
    motifs = {
        label: draw_motif(phrase, unit, dice.uniform(0.0, 1.0), dice.uniform(0.0, 1.5), dice)
        for label in ("verse", "chorus", "bridge")
    }
    notes = []
    for part, spans in parts:
        motif = motifs.get(part.label, motifs["chorus"])
        home = low + (high - low) // 2
        for beat in range(plan.start_beat(part), plan.end_beat(part) - phrase + 1, phrase):
            if dice.chance(rest_rate):
                continue
            shape = motif if dice.chance(0.6) else vary(motif, dice)
            pitches = sing(shape, beat, spans, plan, low, high, home)
            for onset, length, pitch in zip(shape.onsets, shape.lengths, pitches, strict=True):
                start = plan.grid.at(beat + onset)
                held = (plan.grid.at(beat + onset + length) - start) * short
                loud = level * (0.75 + 0.25 * part.energy) * dice.uniform(0.85, 1.05)
                start += feel.off(dice)
                notes.append(_note(start, held, pitch, loud))
                if double and LOWEST <= pitch + double <= HIGHEST:
                    notes.append(_note(start, held, pitch + double, loud * 0.8))
    return notes


def _ending(plan: Plan, dice: Dice) -> list[Note]:
    start = plan.grid.at(plan.last_beat)
    length = plan.grid.at(plan.last_beat + 4) - start
    spread = dice.choice((0.0, 0.01, 0.04))
    pitches = voice(plan.chords[0][0].chord, 45, 80, "close", dice.integer(48, 64))
    return [_note(start + spread * n, length, p, 0.65) for n, p in enumerate(pitches)]
