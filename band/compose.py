"""A song on paper, from a seed: every choice a band makes before it makes a sound."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeVar

from .bassline import draw_bass
from .comping import draw_other
from .dice import Dice
from .drumming import draw_drums, draw_groove
from .form import Part, draw_form
from .plan import Plan
from .score import Beat, Hit, Note, OtherPart, Score, Section, Syllable, Truth
from .singing import draw_vocals
from .theory import ChordSpan, Key, colour, diatonic, draw_key, draw_loop
from .timing import MAX_DRIFT, draw_grid

SHORTEST_SONG_S = 0.5
LEAST_LEFT_S = 0.02
"""A note of which a window leaves less than this is left out."""

_Held = TypeVar("_Held", Note, Syllable)


def compose(seed: int, duration_s: float | None = None) -> Score:
    """A whole song.

    Parameters
    ----------
    seed
        Equal seeds (and lengths) give equal songs, on every machine.
    duration_s
        The song's length; left out, 60 to 200 s, as the seed has it. A song of some bars has its
        tempo set so that its form ends a little before that; a shorter one is cut.

    Returns
    -------
    Score
        Everything in it starts inside the song and ends there.

    Raises
    ------
    ValueError
        If the song were to be shorter than half a second.
    """
    dice = Dice(seed, "score")
    drawn_s = dice.uniform(60.0, 200.0)
    duration_s = round(drawn_s if duration_s is None else float(duration_s), 6)
    if not duration_s >= SHORTEST_SONG_S:
        raise ValueError(f"a song lasts {SHORTEST_SONG_S} s at least, not {duration_s} s")

    meter: Literal[3, 4] = 3 if dice.chance(0.2) else 4
    groove = draw_groove(meter, dice)
    tempo_bpm = dice.uniform(*groove.tempo_bpm)
    swing = round(dice.uniform(*groove.swing), 3)
    if swing < 0.08:
        swing = 0.0
    human = dice.choice((0.0, 0.5, 1.0), (0.15, 0.35, 0.5))
    drift = MAX_DRIFT * (dice.uniform(0.1, 1.0) if human and groove.human > 0.3 else 0.02)

    # Bars that fit between a first beat and a tail, and a tempo that makes them fit exactly:
    # with eight bars or more it moves by a sixteenth at most.
    first_s = dice.uniform(0.05, 0.6) if duration_s > 8 else dice.uniform(0.0, 0.25)
    tail_s = dice.uniform(1.5, 4.0)
    bar_s = meter * 60.0 / tempo_bpm
    n_bars = int((duration_s - first_s - tail_s) / bar_s + 0.5)
    if n_bars >= 8:
        tempo_bpm = 60.0 * n_bars * meter / (duration_s - first_s - tail_s)
    else:
        n_bars = int((duration_s - first_s) / bar_s) + 1
    grid = draw_grid(tempo_bpm, n_bars * meter, first_s, swing, drift, dice.child("drift"))

    key = draw_key(dice)
    parts = draw_form(n_bars, dice.child("form"))
    plan = Plan(
        duration_s,
        grid,
        meter,
        tempo_bpm,
        key,
        parts,
        _harmony(parts, key, meter, dice.child("harmony")),
        n_bars * meter,
        human,
    )

    absent = {
        "drums": dice.chance(0.04),
        "bass": dice.chance(0.04),
        "other": dice.chance(0.02),
        "vocals": dice.chance(0.08),
    }
    kick = groove.kick.replace("?", ".")
    drums = () if absent["drums"] else draw_drums(plan, groove, dice.child("drums"))
    bass = () if absent["bass"] else draw_bass(plan, kick, dice.child("bass"))
    other = () if absent["other"] else draw_other(plan, dice.child("other"))
    vocals = () if absent["vocals"] else draw_vocals(plan, dice.child("vocals"))

    beats = tuple(
        Beat(time, place % meter + 1)
        for place, time in enumerate(grid.times_s[: n_bars * meter + 1])
        if time < duration_s
    )
    truth = Truth(_mean_tempo(beats, tempo_bpm), meter, key.name, swing, beats, _sections(plan))
    return Score(
        seed,
        duration_s,
        truth,
        drums,
        tuple(sorted(_held(bass, 0.0, duration_s), key=lambda note: note.start_s)),
        _held_parts(other, 0.0, duration_s),
        _held(vocals, 0.0, duration_s),
    )


def excerpt(score: Score, start_s: float, duration_s: float) -> Score:
    """A window of a song, its times counted from the window's start.

    Notes and hits that begin before the window are left out, and so are those after it; notes
    that go on past its end are cut there, and left out if less than 0.02 s remains. Its tempo is
    the mean between its first and last beat.

    Raises
    ------
    ValueError
        If the window does not lie inside the song.
    """
    if not (start_s >= 0 and duration_s > 0 and start_s + duration_s <= score.duration_s + 1e-6):
        raise ValueError(
            f"the window {start_s} s + {duration_s} s is not inside a song of {score.duration_s} s"
        )
    start_s, duration_s = round(float(start_s), 6), round(float(duration_s), 6)
    truth = score.truth
    beats = tuple(
        replace(beat, time_s=time)
        for beat in truth.beats
        if 0 <= (time := round(beat.time_s - start_s, 6)) < duration_s
    )
    sections = tuple(
        Section(
            max(0.0, round(section.start_s - start_s, 6)),
            min(duration_s, round(section.end_s - start_s, 6)),
            section.label,
        )
        for section in truth.sections
        if round(section.end_s - start_s, 6) > 0
        and round(section.start_s - start_s, 6) < duration_s
    )
    drums = tuple(
        Hit(time, hit.piece, hit.velocity)
        for hit in score.drums
        if 0 <= (time := round(hit.start_s - start_s, 6)) < duration_s
    )
    vocals = _held(score.vocals, start_s, duration_s)
    if vocals and vocals[0].legato:
        # What it was sung on from is not in the window.
        vocals = (replace(vocals[0], legato=False), *vocals[1:])
    return Score(
        score.seed,
        duration_s,
        replace(
            truth,
            tempo_bpm=_mean_tempo(beats, truth.tempo_bpm),
            beats=beats,
            sections=sections,
        ),
        drums,
        _held(score.bass, start_s, duration_s),
        _held_parts(score.other, start_s, duration_s),
        vocals,
    )


def _held(notes: Sequence[_Held], start_s: float, duration_s: float) -> tuple[_Held, ...]:
    """Notes that begin in a window, cut at its end, timed from its start."""
    found = []
    for note in notes:
        time = round(note.start_s - start_s, 6)
        left = round(duration_s - time, 6)
        if time >= 0 and left >= LEAST_LEFT_S:
            found.append(replace(note, start_s=time, duration_s=min(note.duration_s, left)))
    return tuple(found)


def _held_parts(
    parts: Sequence[OtherPart], start_s: float, duration_s: float
) -> tuple[OtherPart, ...]:
    """Each instrument in a window of the song; a silent one stays, without notes.

    Its place among the instruments is what gives it its sound.
    """
    return tuple(OtherPart(part.kind, _held(part.notes, start_s, duration_s)) for part in parts)


def _mean_tempo(beats: Sequence[Beat], otherwise: float) -> float:
    """Beats a minute between the first and the last."""
    if len(beats) < 2:
        return round(otherwise, 6)
    return round(60.0 * (len(beats) - 1) / round(beats[-1].time_s - beats[0].time_s, 6), 6)


def _sections(plan: Plan) -> tuple[Section, ...]:
    """The form in seconds: from 0 to the song's end without a gap."""
    starts = [plan.grid.times_s[plan.start_beat(part)] for part in plan.parts]
    edges = [0.0, *(start for start in starts[1:] if start < plan.duration_s)]
    ends = [*edges[1:], plan.duration_s]
    return tuple(
        Section(start, end, part.label)
        for start, end, part in zip(edges, ends, plan.parts, strict=False)
    )


def _harmony(
    parts: Sequence[Part], key: Key, meter: int, dice: Dice
) -> tuple[tuple[ChordSpan, ...], ...]:
    """For each part its chords; parts of one label share them."""
    size = dice.choice((3, 4, 5), (0.65, 0.28, 0.07))
    loops: dict[str, tuple[tuple[int, ...], float]] = {}
    for label in ("verse", "chorus", "bridge"):
        loop = draw_loop(key, dice)
        beats_each = float(dice.choice((meter, 2 * meter), (0.8, 0.2)))
        if meter == 4 and dice.chance(0.15):
            beats_each = 2.0
        loops[label] = (loop, beats_each)
    if dice.chance(0.2):
        loops["chorus"] = loops["verse"]
    loops["intro"] = loops[dice.choice(("verse", "chorus"))]
    loops["outro"] = loops[dice.choice(("verse", "chorus"))]
    found = []
    for part in parts:
        loop, beats_each = loops[part.label]
        chords = [diatonic(key, degree, colour(size, dice)) for degree in loop]
        first, total = part.first_bar * meter, part.n_bars * meter
        count = -int(-total // beats_each)
        found.append(
            tuple(
                ChordSpan(
                    first + place * beats_each,
                    min(first + (place + 1) * beats_each, first + total),
                    chords[place % len(chords)],
                )
                for place in range(count)
            )
        )
    return tuple(found)
