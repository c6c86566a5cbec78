"""The voice: tunes in phrases with rests, and, in a share of songs, rap or plain speech."""

from typing import Literal, get_args

from .dice import Dice
from .form import Part
from .melody import draw_motif, shortest, sing, vary
from .plan import Plan
from .score import Syllable
from .theory import ChordSpan
from .timing import Feel, draw_feel

LOWEST, HIGHEST = 43, 79
SHORTEST_S, LONGEST_S = 0.1, 1.5

Vowel = Literal["a", "e", "i", "o", "u"]
Consonant = Literal["", "s", "t", "k", "m", "n", "l", "h", "f", "b", "d"]
_VOWELS: tuple[Vowel, ...] = get_args(Vowel)
_CONSONANTS: tuple[Consonant, ...] = get_args(Consonant)
_Manner = Literal["sung", "rap", "speech"]


class _Singer:
    """Collects the syllables of one song; one voice, so none begins before the last has ended."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.syllables: list[Syllable] = []
        self.free_s = 0.0
        """When the syllable before ends."""

    def add(
        self,
        start_s: float,
        duration_s: float,
        pitch: float,
        velocity: float,
        sound: tuple[Vowel, Consonant],
        legato: bool,
    ) -> None:
        """One syllable, if there is room for it; legato only where it touches the one before."""
        start_s = max(start_s, 0.0)
        if start_s < self.free_s - 0.03 or start_s >= self.plan.duration_s - SHORTEST_S:
            return
        touching = bool(self.syllables) and start_s - self.free_s < 0.01
        start_s = round(max(start_s, self.free_s), 6)
        duration_s = min(max(duration_s, SHORTEST_S), LONGEST_S)
        duration_s = round(min(duration_s, self.plan.duration_s - start_s), 6)
        pitch = round(min(max(pitch, LOWEST), HIGHEST), 4)
        velocity = round(min(1.0, max(0.1, velocity)), 4)
        self.syllables.append(
            Syllable(start_s, duration_s, pitch, velocity, sound[0], sound[1], legato and touching)
        )
        self.free_s = round(start_s + duration_s, 6)


def draw_vocals(plan: Plan, dice: Dice) -> tuple[Syllable, ...]:
    """The vocals of a whole song, in order of time."""
    verse_manner: _Manner = dice.choice(("sung", "rap", "speech"), (0.75, 0.12, 0.13))
    manners: dict[str, _Manner] = dict.fromkeys(
        ("intro", "verse", "chorus", "bridge", "outro"), verse_manner
    )
    if verse_manner == "rap" and dice.chance(0.5):
        manners["chorus"] = "sung"
    if verse_manner == "sung" and dice.chance(0.06):
        manners["bridge"] = "speech"
    sings = {"intro": 0.12, "verse": 0.95, "chorus": 0.97, "bridge": 0.6, "outro": 0.35}
    singer = _Singer(plan)
    low = dice.integer(LOWEST, 62)
    high = min(HIGHEST, low + dice.integer(12, 19))
    level = dice.uniform(0.65, 0.95)
    tune = _Tune(plan, low, high, level, dice.child("tune"))
    talk = _Talk(plan, dice.uniform(43.5, 60.0), level, dice.child("talk"))
    for part, spans in zip(plan.parts, plan.chords, strict=True):
        if len(plan.parts) > 1 and not dice.chance(sings[part.label]):
            continue
        manner = manners[part.label]
        if manner == "sung":
            tune.sing(singer, part, spans)
        elif manner == "rap":
            talk.rap(singer, part)
        else:
            talk.speak(singer, part)
    return tuple(singer.syllables)


def _sound(dice: Dice, bare: float = 0.15) -> tuple[Vowel, Consonant]:
    """A vowel and a consonant; none of the latter that often."""
    vowel = dice.choice(_VOWELS)
    return vowel, ("" if dice.chance(bare) else dice.choice(_CONSONANTS[1:]))


class _Tune:
    """A singer's habits in one song, and the motif of each kind of section."""

    def __init__(self, plan: Plan, low: int, high: int, level: float, dice: Dice) -> None:
        self.plan, self.low, self.high, self.level, self.dice = plan, low, high, level, dice
        self.feel: Feel = draw_feel(0.5 + plan.human, dice)
        self.smooth = dice.choice((0.2, 0.6, 0.9))
        self.melisma = dice.choice((0.0, 0.06, 0.2))
        self.detune = dice.uniform(0.0, 0.12)
        self.skip = dice.uniform(0.0, 0.2)
        beat_s = 60.0 / plan.tempo_bpm
        unit = shortest(beat_s, SHORTEST_S + 0.03)
        bars = dice.choice((1, 2, 4), (0.25, 0.6, 0.15)) if beat_s * plan.meter < 2.6 else 1
        self.phrase = plan.meter * bars
        self.motifs = {
            label: draw_motif(
                self.phrase,
                unit,
                dice.uniform(*bounds),
                # At least a breath, up to most of a bar.
                dice.uniform(0.3 / beat_s, 0.3 / beat_s + 1.5),
                dice,
            )
            for label, bounds in (
                ("verse", (0.2, 1.0)),
                ("chorus", (0.0, 0.7)),
                ("bridge", (0.0, 0.6)),
            )
        }
        # The chorus has its words; the verses have new ones each time.
        self.words = [_sound(dice) for _ in range(dice.integer(5, 24))]

    def sing(self, singer: _Singer, part: Part, spans: tuple[ChordSpan, ...]) -> None:
        """One section."""
        plan, dice = self.plan, self.dice
        motif = self.motifs.get(part.label, self.motifs["verse"])
        lift = (self.high - self.low) * (0.65 if part.label == "chorus" else 0.42)
        word = 0
        first, end = plan.start_beat(part), plan.end_beat(part)
        for beat in range(first, max(first + 1, end - self.phrase + 1), self.phrase):
            if dice.chance(self.skip):
                continue
            shape = motif if dice.chance(0.6) else vary(motif, dice)
            home = self.low + int(lift) + dice.integer(-2, 2)
            pitches = sing(shape, beat, spans, plan, self.low, self.high, home)
            for onset, length, pitch in zip(shape.onsets, shape.lengths, pitches, strict=True):
                if part.label == "chorus":
                    sound = self.words[word % len(self.words)]
                else:
                    sound = _sound(dice)
                word += 1
                start = plan.grid.at(beat + onset)
                held = plan.grid.at(beat + onset + length) - start
                start += self.feel.off(dice)
                legato = dice.chance(self.smooth)
                if not legato:
                    held *= dice.uniform(0.7, 0.95)
                # Joined to the last one, where only the unevenness of hands parts them.
                if legato and 0.0 < start - singer.free_s < 0.05:
                    start = singer.free_s
                loud = self.level * (0.75 + 0.25 * part.energy) * dice.uniform(0.85, 1.08)
                off = self.detune * dice.uniform(-1.0, 1.0)
                if held > 0.35 and dice.chance(self.melisma):
                    # One vowel over two notes.
                    half = held * dice.choice((0.3, 0.5))
                    near = pitch + dice.choice((-2, -1, 1, 2))
                    singer.add(start, half, near + off, loud, sound, legato)
                    singer.add(singer.free_s, held - half, pitch + off, loud, (sound[0], ""), True)
                else:
                    singer.add(start, held, pitch + off, loud, sound, legato)


class _Talk:
    """A speaker's habits in one song: rap on the grid, speech off it."""

    def __init__(self, plan: Plan, pitch: float, level: float, dice: Dice) -> None:
        self.plan, self.pitch, self.level, self.dice = plan, pitch, level, dice
        self.rate_s = dice.uniform(0.13, 0.24)
        self.range = dice.uniform(0.8, 3.5)
        self.wander = 0.0

    def _next_pitch(self, share: float) -> float:
        """Wanders within the range and falls through a phrase, as speech does."""
        self.wander = 0.7 * self.wander + 0.6 * self.range * self.dice.uniform(-1.0, 1.0)
        return self.pitch + self.wander + self.range * (0.4 - 0.8 * share)

    def rap(self, singer: _Singer, part: Part) -> None:
        """Syllables on the eighths or sixteenths of most bars."""
        plan, dice = self.plan, self.dice
        # Sixteenths where even those that swing shortens are long enough for a mouth.
        swung_s = 15.0 / plan.tempo_bpm * (1.0 - plan.grid.swing / 3.0)
        unit = 0.25 if swung_s >= SHORTEST_S + 0.005 else 0.5
        steps = int(plan.meter / unit)
        pattern = [dice.chance(0.82) for _ in range(steps)]
        breath = dice.integer(0, max(1, steps // 4))
        for bar in range(part.n_bars):
            if dice.chance(0.07):
                continue
            start_beat = (part.first_bar + bar) * plan.meter
            for step in range(steps - breath):
                # Now and then a bar departs from the pattern.
                if pattern[step] == dice.chance(0.1):
                    continue
                beat = start_beat + step * unit
                start = plan.grid.at(beat)
                held = (plan.grid.at(beat + unit) - start) * dice.uniform(0.75, 1.0)
                start += dice.uniform(-0.012, 0.02)
                loud = self.level * dice.uniform(0.8, 1.1)
                singer.add(
                    start,
                    held,
                    self._next_pitch(step / steps),
                    loud,
                    _sound(dice, 0.1),
                    dice.chance(0.6),
                )

    def speak(self, singer: _Singer, part: Part) -> None:
        """Sentences in free time, with pauses between them."""
        plan, dice = self.plan, self.dice
        end = min(plan.grid.at(plan.end_beat(part)), plan.duration_s)
        now = plan.grid.at(plan.start_beat(part)) + dice.uniform(0.0, 0.6)
        pauses = dice.choice(((0.15, 0.6), (0.3, 1.2), (0.8, 3.0)), (0.5, 0.35, 0.15))
        while now < end - 0.5:
            count = dice.integer(4, 16)
            left_in_word = 0
            for place in range(count):
                length = self.rate_s * dice.uniform(0.65, 1.35)
                if place == count - 1:
                    length *= 1.5
                if now + length > end:
                    break
                new_word = left_in_word == 0
                if new_word:
                    left_in_word = dice.integer(1, 3)
                    now += dice.choice((0.0, 0.0, 0.03))
                left_in_word -= 1
                stress = 1.5 * dice.fraction() if new_word else 0.0
                singer.add(
                    now,
                    length,
                    self._next_pitch(place / count) + stress,
                    self.level * dice.uniform(0.75, 1.05),
                    _sound(dice, 0.12),
                    True,
                )
                now = max(now, singer.free_s)
            now += dice.uniform(*pauses)
