"""A song as sound: the band's stems, levelled against each other, and their sum."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from stemline.arrays import Array

from .compose import compose
from .dice import Dice
from .score import Score, Truth
from .synth.bass import render_bass
from .synth.drums import LAYERS, render_drums
from .synth.effects import Filter, channel, compress, loudness, saturate
from .synth.other import render_other
from .synth.voice import render_voice

SAMPLE_RATE_HZ = 44100
STEMS = ("drums", "bass", "other", "vocals")

MEAN_LEVEL_DB = {"drums": -0.5, "bass": -3.0, "other": -3.5, "vocals": 0.0}
"""A usual mix: voice and drums in front, the bass clearly there."""
SPREAD_DB = 5.0


@dataclass(frozen=True)
class Song:
    """A score and what it sounds like, (2, n_samples) float32 each, at 44.1 kHz."""

    score: Score
    stems: dict[str, Array]
    """The stems by the names in STEMS; one that rests all the song is there, and zero."""
    _dry_drums: dict[str, Array] = field(repr=False)
    _drum_filter: Filter = field(repr=False)
    _drum_gain: float = field(repr=False)

    @cached_property
    def mixture(self) -> Array:
        """The float32 sum of the stems in the order of STEMS."""
        return _sum([self.stems[name] for name in STEMS])

    @cached_property
    def drums(self) -> dict[str, Array]:
        """The drums by layer; they add up to the stem within 1e-6.

        Made when first asked for: tone and room are linear, so the stem needs them once and
        only who wants the layers pays six times.
        """
        gain = np.float32(self._drum_gain)
        return {name: self._drum_filter.apply(self._dry_drums[name] * gain) for name in LAYERS}

    @property
    def truth(self) -> Truth:
        """The truth that an analyser should find."""
        return self.score.truth

    @property
    def n_samples(self) -> int:
        """Length of every channel."""
        return int(self.stems["drums"].shape[1])


def play(seed: int, duration_s: float | None = None) -> Song:
    """Compose a song and perform it; the same seed makes the same song.

    Parameters
    ----------
    seed
        Any whole number.
    duration_s
        The length; None leaves it to the seed, 60 to 200 s.
    """
    return perform(compose(seed, duration_s))


def perform(score: Score) -> Song:
    """Render every stem and mix them.

    Sounds, tones, rooms and the intended balance hang on the score's seed alone, so an excerpt
    is played by the same band as the whole song.
    """
    n_samples = round(score.duration_s * SAMPLE_RATE_HZ)
    dice = Dice(score.seed, "sound")
    layers = render_drums(score.drums, n_samples, dice.child("drums"))
    drum_filter = channel(
        dice.child("drums", "channel"), reach_db=4.0, wet_db=(-24.0, -9.0), dry_chance=0.25
    )
    raw = {
        "drums": drum_filter.apply(_sum([layers[name] for name in LAYERS])),
        "bass": _bass(score, n_samples, dice.child("bass")),
        "other": _other(score, n_samples, dice.child("other")),
        "vocals": _vocals(score, n_samples, dice.child("vocals")),
    }
    mix = dice.child("mix")
    gains = {}
    for name in STEMS:
        wanted_db = MEAN_LEVEL_DB[name] + mix.uniform(-SPREAD_DB, SPREAD_DB)
        level = loudness(raw[name])
        gains[name] = 10.0 ** (wanted_db / 20.0) / level if level > 1e-6 else 0.0
    wanted_peak = mix.uniform(0.5, 0.9)
    for name in STEMS:
        raw[name] *= np.float32(gains[name])
    peak = float(np.abs(_sum([raw[name] for name in STEMS])).max(initial=0.0))
    # One gain for all, so that the balance stays.
    overall = wanted_peak / peak if peak > 0 else 0.0
    for name in STEMS:
        raw[name] *= np.float32(overall)
    return Song(score, raw, layers, drum_filter, gains["drums"] * overall)


def _bass(score: Score, n_samples: int, dice: Dice) -> Array:
    sound = render_bass(score.bass, n_samples, dice)
    desk = dice.child("channel")
    if desk.chance(0.25):
        sound = saturate(sound, loudness(sound) * desk.uniform(0.5, 2.0))
    strip = channel(desk, reach_db=4.0, wet_db=(-34.0, -20.0), dry_chance=0.7)
    return strip.apply(sound)


def _other(score: Score, n_samples: int, dice: Dice) -> Array:
    """All parts, each on its own level, and place; one tone and room for all of them."""
    total = np.zeros((2, n_samples), np.float32)
    for k, part in enumerate(score.other):
        own = dice.child(f"part {k}")
        sound = render_other(part, n_samples, own)
        level = loudness(sound)
        if level < 1e-6:
            continue
        desk = own.child("level")
        gain = 10.0 ** (desk.uniform(-6.0, 3.0) / 20.0) / level
        place = desk.uniform(-0.8, 0.8)
        # A balance control: the nearer side stays, the other one gives way.
        sound[0] *= np.float32(gain * min(1.0, 1.0 - place))
        sound[1] *= np.float32(gain * min(1.0, 1.0 + place))
        total += sound
    desk = dice.child("channel")
    strip = channel(desk, reach_db=5.0, wet_db=(-22.0, -4.0), dry_chance=0.15)
    return strip.apply(total)


def _vocals(score: Score, n_samples: int, dice: Dice) -> Array:
    desk = dice.child("channel")
    sound = compress(render_voice(score.vocals, n_samples, dice), desk.uniform(0.2, 0.85))
    # The limiter at a vocal channel's end: single pulses stand far above the rest.
    sound = saturate(sound, loudness(sound) * desk.uniform(2.5, 6.0))
    strip = channel(desk, reach_db=5.0, wet_db=(-26.0, -8.0), dry_chance=0.25)
    return strip.apply(sound)


def _sum(sounds: list[Array]) -> Array:
    total = sounds[0].copy()
    for sound in sounds[1:]:
        total += sound
    return total
