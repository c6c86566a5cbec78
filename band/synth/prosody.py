"""From syllables to curves: pitch, loudness, breath and formants over time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..dice import Dice
from ..score import Syllable
from .character import Character
from .formants import FORMANTS_HZ

Curve = NDArray[np.float64]

PHRASE_GAP_S = 0.3
"""Syllables further from each other than that are made by themselves."""
PLACE = {"": "", "h": ""} | {name: name for name in "stkmnlfbd"}
SECONDS = {
    "s": 0.11, "f": 0.09, "h": 0.07, "t": 0.06, "k": 0.065, "m": 0.075, "n": 0.065,
    "l": 0.055, "b": 0.05, "d": 0.045, "": 0.0,
}  # fmt: skip
MURMUR = {"m": 0.3, "n": 0.28, "l": 0.5, "b": 0.12, "d": 0.12}
"""Levels of the folds behind a consonant that has a voice."""
ASPIRATION = {"h": 1.0, "t": 0.5, "k": 0.5}
"""Levels of the breath before the vowel."""
BURST = {"t": 0.3, "k": 0.3, "b": 0.12, "d": 0.15}
HISS = {"s": 0.2, "f": 0.08}


@dataclass(slots=True)
class Points:
    """A curve of straight lines; times may only grow."""

    times_s: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, time_s: float, value: float) -> None:
        """One more corner; a time before the last one is moved up to it."""
        self.times_s.append(max(time_s, self.times_s[-1] if self.times_s else time_s))
        self.values.append(value)

    def at(self, times_s: Curve) -> Curve:
        """The curve's values, level before its first corner and after its last."""
        return np.interp(times_s, self.times_s, self.values)


@dataclass(frozen=True, slots=True)
class Noise:
    """One burst or hiss made in front of the tract."""

    start_s: float
    duration_s: float
    consonant: str
    level: float
    sharp: bool
    """Dies away from its start; else it swells and fades."""


@dataclass(slots=True)
class Curves:
    """What the organs of one phrase do; times in seconds from the song's start."""

    start_s: float
    end_s: float
    pitch: Points = field(default_factory=Points)
    vibrato: Points = field(default_factory=Points)
    voicing: Points = field(default_factory=Points)
    breath: Points = field(default_factory=Points)
    places: list[tuple[float, ...]] = field(default_factory=list)
    """Five formants in hertz and a factor on their widths, at `place_times_s`."""
    place_times_s: list[float] = field(default_factory=list)
    noises: list[Noise] = field(default_factory=list)

    def place(self, time_s: float, formants: tuple[float, ...], width: float = 1.0) -> None:
        """The tract has this form at that time."""
        last = self.place_times_s[-1] if self.place_times_s else time_s
        self.place_times_s.append(max(time_s, last))
        self.places.append((*formants, width))


def phrases(syllables: Sequence[Syllable]) -> list[list[Syllable]]:
    """Syllables in order of time, cut where the voice rests, none longer than up to the next."""
    ordered = sorted(syllables, key=lambda syllable: syllable.start_s)
    result: list[list[Syllable]] = []
    end_s = -np.inf
    for k, syllable in enumerate(ordered):
        if k + 1 < len(ordered):
            room_s = ordered[k + 1].start_s - syllable.start_s
            if room_s < 0.02:
                continue
            if room_s < syllable.duration_s:
                syllable = replace(syllable, duration_s=room_s)
        if syllable.start_s - end_s > PHRASE_GAP_S or not result:
            result.append([])
        result[-1].append(syllable)
        end_s = syllable.start_s + syllable.duration_s
    return result


def spoken(syllables: Sequence[Syllable], voice: Character, dice: Dice) -> list[Syllable]:
    """A melody's stretches of time spoken: short syllables on a pitch that wanders and falls."""
    result: list[Syllable] = []
    for phrase in phrases(syllables):
        wander = 0.0
        start_s = phrase[0].start_s
        for sung in phrase:
            pieces = max(1, round(sung.duration_s / (voice.speech_syllable_s * 1.1)))
            length_s = sung.duration_s / pieces
            for k in range(pieces):
                wander = 0.7 * wander + voice.speech_wander * dice.uniform(-0.7, 0.7)
                time_s = sung.start_s + k * length_s
                fall = -1.2 * voice.speech_wander * min(1.0, (time_s - start_s) / 3.0)
                pitch = voice.speech_pitch + voice.speech_spread * (sung.pitch - 62.0)
                first = k == 0
                result.append(
                    Syllable(
                        start_s=time_s,
                        duration_s=length_s * dice.choice((1.0, 0.92, 0.6), (6, 3, 1)),
                        pitch=min(max(pitch + wander + fall, 33.0), 76.0),
                        velocity=sung.velocity * dice.uniform(0.55, 1.0),
                        vowel=sung.vowel if first else dice.choice(("a", "e", "i", "o", "u")),
                        consonant=sung.consonant
                        if first and sung.consonant
                        else dice.choice(("", "s", "t", "k", "m", "n", "l", "h", "f", "b", "d")),
                        legato=not first or sung.legato or dice.chance(0.7),
                    )
                )
    return result


def draw_curves(phrase: Sequence[Syllable], voice: Character, dice: Dice) -> Curves:
    """What the organs do to sing a phrase."""
    curves = Curves(phrase[0].start_s, phrase[-1].start_s + phrase[-1].duration_s)
    before: Syllable | None = None
    for k, syllable in enumerate(phrase):
        after = phrase[k + 1] if k + 1 < len(phrase) else None
        end_s = syllable.start_s + syllable.duration_s
        tied = syllable.legato and before is not None
        held = after is not None and after.legato and after.start_s - end_s < 0.06
        _move(curves, syllable, before if tied else None, held, voice, dice)
        before = syllable
    return curves


def _move(
    curves: Curves,
    syllable: Syllable,
    before: Syllable | None,
    held: bool,
    voice: Character,
    dice: Dice,
) -> None:
    """Add one syllable to the curves; `before` where it is sung on from it."""
    start_s, length_s = syllable.start_s, syllable.duration_s
    end_s, loud = start_s + length_s, syllable.velocity
    consonant = syllable.consonant
    wanted_s = SECONDS[consonant] * voice.consonant_stretch * dice.uniform(0.75, 1.3)
    spoken_s = min(wanted_s, 0.45 * length_s)
    vowel_s = start_s + spoken_s
    edge_s = min(0.012, 0.25 * length_s)
    attack_s = min(voice.attack_s, 0.3 * length_s)
    release_s = min(voice.release_s, 0.4 * length_s)

    # Pitch.
    pitch, glide_s = syllable.pitch, min(voice.glide_s, 0.5 * length_s)
    if before is not None:
        curves.pitch.add(start_s - 0.4 * glide_s, before.pitch)
        curves.pitch.add(start_s + 0.6 * glide_s, pitch)
    else:
        scoop = voice.scoop_semitones * dice.fraction()
        curves.pitch.add(start_s, pitch + scoop)
        curves.pitch.add(start_s + min(spoken_s + voice.scoop_s, 0.6 * length_s), pitch)
    fall = 0.0 if held else min(0.0, voice.scoop_semitones) * 0.6 * dice.fraction()
    curves.pitch.add(end_s - release_s, pitch)
    curves.pitch.add(end_s, pitch + fall)
    curves.vibrato.add(start_s, 0.0)
    depth = 0.0
    if length_s > voice.vibrato_delay_s + 0.1:
        curves.vibrato.add(start_s + voice.vibrato_delay_s, 0.0)
        depth = voice.vibrato_semitones * dice.uniform(0.6, 1.2)
        curves.vibrato.add(end_s - release_s, depth)
    curves.vibrato.add(end_s, 0.0)

    # Loudness of the folds, and breath.
    murmur = MURMUR.get(consonant, 0.0)
    if spoken_s > 0:
        curves.voicing.add(start_s, curves.voicing.values[-1] if before is not None else 0.0)
        curves.voicing.add(start_s + edge_s, murmur * loud)
        curves.voicing.add(vowel_s - 0.25 * edge_s, murmur * loud)
    else:
        curves.voicing.add(start_s, voice.legato_dip * loud if before is not None else 0.0)
    curves.voicing.add(vowel_s + attack_s, loud)
    curves.voicing.add(end_s - release_s, loud * dice.uniform(0.7, 1.0))
    curves.voicing.add(end_s, voice.legato_dip * loud if held else 0.0)
    blown = ASPIRATION.get(consonant, 0.0) * loud * voice.fricative_level
    curves.breath.add(start_s, 0.0)
    if blown:
        from_s = start_s + (edge_s if consonant == "h" else 0.5 * spoken_s)
        curves.breath.add(from_s, blown)
        curves.breath.add(vowel_s, blown)
        curves.breath.add(vowel_s + 0.02, 0.0)

    # Form of the tract.
    scale = voice.tract_scale
    off = [1.0 + dice.uniform(-0.05, 0.05) for _ in range(3)] + [1.0, 1.0]
    formants = FORMANTS_HZ[syllable.vowel]
    if voice.singers_formant:
        formants = (*formants[:2], 2500.0, 2850.0, 3250.0)
    vowel = tuple(f * scale * o for f, o in zip(formants, off, strict=True))
    place = FORMANTS_HZ.get(PLACE[consonant])
    moving_s = min(voice.transition_s, 0.4 * length_s)
    if place is not None:
        shut = tuple(f * scale for f in place)
        width = 2.2 if consonant in "mn" else 1.0
        curves.place(start_s, shut, width)
        curves.place(vowel_s - 0.3 * moving_s, shut, width)
        curves.place(vowel_s + 0.7 * moving_s, vowel)
    else:
        curves.place(start_s + (0.5 * moving_s if before is not None else 0.0), vowel)
    # A vowel is hardly ever held still: it drifts, or leans on another one.
    drift = dice.uniform(-0.06, 0.06)
    lean = (1.0 + drift, 1.0 - 1.5 * drift, 1.0, 1.0, 1.0)
    curves.place(end_s - 0.5 * moving_s, tuple(f * d for f, d in zip(vowel, lean, strict=True)))

    # Noises.
    level = loud * voice.fricative_level
    if consonant in HISS:
        curves.noises.append(
            Noise(start_s, spoken_s + 0.01, consonant, HISS[consonant] * level, sharp=False)
        )
    elif consonant in BURST:
        at_s = start_s + (0.4 * spoken_s if consonant in "tk" else spoken_s - 0.012)
        length = min(0.045 if consonant in "tk" else 0.02, end_s - at_s)
        curves.noises.append(Noise(at_s, length, consonant, BURST[consonant] * level, sharp=True))
