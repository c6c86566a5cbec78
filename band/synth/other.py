"""Everything that is neither drums, bass nor voice: pads, plucks, arpeggios and leads."""

import math
from collections.abc import Callable

import numpy as np
import scipy.signal

from stemline.arrays import Array

from ..dice import Dice
from ..score import OtherKind, OtherPart
from .envelope import SAMPLE_RATE_HZ, levelled
from .instruments import Attack, Instrument, Modulated, Source, Struck, Sustained, perform
from .instruments import velocity_gain as gain_of
from .modulation import chorus, placed, saturated, tremolo
from .oscillator import Body

Maker = Callable[[Dice], Instrument]


def _detunes(dice: Dice, most: int, cents: float) -> tuple[float, ...]:
    count = dice.integer(2, most)
    return tuple(cents * (2 * n / (count - 1) - 1) * dice.uniform(0.7, 1.3) for n in range(count))


def _strings(dice: Dice) -> Instrument:
    """Many bows."""
    return Sustained(
        source=dice.choice(("saw", "random"), (0.75, 0.25)),
        body=Body.drawn(dice, 9.0),
        dice=dice.child("wave"),
        attack_s=dice.uniform(0.04, 0.35),
        decay_s=1.0,
        sustain=dice.uniform(0.75, 1.0),
        release_s=dice.uniform(0.1, 0.6),
        dark_hz=dice.uniform(700, 3000),
        dark_harmonic=dice.uniform(2, 6),
        dark_slope=dice.uniform(1.0, 2.0),
        glow_attack_s=dice.uniform(0.05, 0.4),
        glow_decay_s=dice.uniform(0.5, 2.0),
        glow_sustain=dice.uniform(0.2, 0.9),
        glow_top=dice.uniform(0.3, 1.0),
        detunes_cents=_detunes(dice, 4, dice.uniform(4, 14)),
        spread=dice.uniform(0.0, 0.9),
        vibrato_cents=dice.choice((0.0, dice.uniform(3, 12)), (0.5, 0.5)),
        breath=dice.uniform(0.0, 0.05),
        breath_hz=dice.uniform(2000, 5000),
    )


def _pad(dice: Dice) -> Instrument:
    """A slow synthesizer."""
    source: Source = dice.choice(("saw", "square", "pulse", "triangle", "random"))
    return Sustained(
        source=source,
        body=Body.drawn(dice, 6.0),
        dice=dice.child("wave"),
        attack_s=dice.uniform(0.02, 0.8),
        decay_s=dice.uniform(0.5, 2.0),
        sustain=dice.uniform(0.5, 1.0),
        release_s=dice.uniform(0.15, 1.2),
        dark_hz=dice.uniform(300, 2000),
        dark_harmonic=dice.uniform(1.5, 5),
        dark_slope=dice.uniform(1.5, 4.0),
        glow_attack_s=dice.uniform(0.0, 1.2),
        glow_decay_s=dice.uniform(0.3, 3.0),
        glow_sustain=dice.uniform(0.0, 0.7),
        glow_top=dice.uniform(0.1, 1.0),
        detunes_cents=_detunes(dice, 4, dice.uniform(3, 20)),
        spread=dice.uniform(0.0, 1.0),
        octave=dice.choice((0.0, dice.uniform(0.1, 0.5)), (0.7, 0.3)),
    )


def _organ(dice: Dice) -> Instrument:
    """Drawbars, pipes or reeds: at once there, held evenly."""
    source: Source = dice.choice(("organ", "random", "pulse", "odd"), (0.6, 0.15, 0.15, 0.1))
    paired = dice.uniform(2, 8)
    return Sustained(
        source=source,
        body=Body.drawn(dice, 5.0),
        dice=dice.child("wave"),
        attack_s=dice.uniform(0.004, 0.06),
        decay_s=1.0,
        sustain=dice.uniform(0.85, 1.0),
        release_s=dice.uniform(0.02, 0.2),
        dark_hz=dice.uniform(1500, 6000),
        dark_harmonic=4.0,
        dark_slope=1.5,
        glow_attack_s=0.0,
        glow_decay_s=dice.uniform(0.1, 0.5),
        glow_sustain=dice.uniform(0.4, 1.0),
        glow_top=dice.uniform(0.4, 1.0),
        detunes_cents=dice.choice(((0.0,), (-paired, paired)), (0.6, 0.4)),
        spread=dice.choice((0.0, 0.5)),
        vibrato_cents=dice.choice((0.0, dice.uniform(3, 15)), (0.5, 0.5)),
        vibrato_hz=dice.uniform(5.0, 7.2),
        vibrato_onset_s=0.0,
        click=Attack.drawn(dice.child("key"), dice.uniform(0.0, 0.2), 800, 6000, 0.003),
    )


def _brass(dice: Dice) -> Instrument:
    """Brightness follows loudness."""
    section = dice.chance(0.5)
    return Sustained(
        source=dice.choice(("saw", "random"), (0.8, 0.2)),
        body=Body.drawn(dice, 8.0),
        dice=dice.child("wave"),
        attack_s=dice.uniform(0.02, 0.09),
        decay_s=dice.uniform(0.1, 0.5),
        sustain=dice.uniform(0.6, 0.95),
        release_s=dice.uniform(0.04, 0.2),
        dark_hz=dice.uniform(500, 1500),
        dark_harmonic=dice.uniform(1.5, 4),
        dark_slope=dice.uniform(1.2, 2.5),
        glow_attack_s=dice.uniform(0.03, 0.2),
        glow_decay_s=dice.uniform(0.15, 0.8),
        glow_sustain=dice.uniform(0.2, 0.7),
        glow_top=dice.uniform(0.5, 1.2),
        detunes_cents=_detunes(dice, 3, dice.uniform(3, 9)) if section else (0.0,),
        spread=dice.uniform(0.0, 0.6),
        vibrato_cents=dice.choice((0.0, dice.uniform(5, 20)), (0.4, 0.6)),
        vibrato_hz=dice.uniform(4.5, 6.0),
        vibrato_onset_s=dice.uniform(0.2, 0.5),
        scoop_cents=dice.uniform(0, 60),
        breath=dice.uniform(0.0, 0.06),
    )


def _wind(dice: Dice) -> Instrument:
    """Flutes, reeds and whistles."""
    flute = dice.chance(0.5)
    source: Source = (
        dice.choice(("sine", "triangle", "random"))
        if flute
        else dice.choice(("odd", "pulse", "saw"))
    )
    return Sustained(
        source=source,
        body=Body.drawn(dice, 10.0),
        dice=dice.child("wave"),
        attack_s=dice.uniform(0.02, 0.12),
        decay_s=dice.uniform(0.2, 0.8),
        sustain=dice.uniform(0.7, 1.0),
        release_s=dice.uniform(0.04, 0.2),
        dark_hz=dice.uniform(600, 2500),
        dark_harmonic=dice.uniform(1.5, 5),
        dark_slope=dice.uniform(1.0, 3.0),
        glow_attack_s=dice.uniform(0.02, 0.15),
        glow_decay_s=dice.uniform(0.2, 1.0),
        glow_sustain=dice.uniform(0.2, 0.9),
        glow_top=dice.uniform(0.3, 1.0),
        vibrato_cents=dice.choice((0.0, dice.uniform(5, 35)), (0.25, 0.75)),
        vibrato_hz=dice.uniform(4.2, 6.5),
        vibrato_onset_s=dice.uniform(0.1, 0.5),
        scoop_cents=dice.uniform(0, 40),
        breath=dice.uniform(0.02, 0.2) if flute else dice.uniform(0.0, 0.08),
        breath_hz=dice.uniform(1200, 4500),
    )


def _bow(dice: Dice) -> Instrument:
    """One bowed string."""
    return Sustained(
        source="saw",
        body=Body.drawn(dice, 11.0),
        dice=dice.child("wave"),
        attack_s=dice.uniform(0.03, 0.15),
        decay_s=1.0,
        sustain=dice.uniform(0.8, 1.0),
        release_s=dice.uniform(0.06, 0.25),
        dark_hz=dice.uniform(1500, 4000),
        dark_harmonic=dice.uniform(3, 8),
        dark_slope=dice.uniform(1.0, 2.0),
        glow_attack_s=dice.uniform(0.03, 0.2),
        glow_decay_s=1.0,
        glow_sustain=dice.uniform(0.4, 1.0),
        vibrato_cents=dice.uniform(5, 30),
        vibrato_hz=dice.uniform(4.8, 6.5),
        vibrato_onset_s=dice.uniform(0.05, 0.4),
        glide_s=dice.choice((0.0, dice.uniform(0.01, 0.04))),
        breath=dice.uniform(0.0, 0.06),
        breath_hz=dice.uniform(2500, 6000),
    )


def _synth_lead(dice: Dice) -> Instrument:
    """A bright oscillator or two."""
    detune = dice.uniform(3, 14)
    return Sustained(
        source=dice.choice(("saw", "square", "pulse", "triangle", "random")),
        body=Body.drawn(dice, 5.0),
        dice=dice.child("wave"),
        attack_s=dice.uniform(0.003, 0.05),
        decay_s=dice.uniform(0.1, 0.8),
        sustain=dice.uniform(0.5, 1.0),
        release_s=dice.uniform(0.03, 0.3),
        dark_hz=dice.uniform(500, 3000),
        dark_harmonic=dice.uniform(1.5, 6),
        dark_slope=dice.uniform(1.5, 4.0),
        glow_attack_s=dice.uniform(0.0, 0.1),
        glow_decay_s=dice.uniform(0.1, 1.0),
        glow_sustain=dice.uniform(0.1, 0.9),
        glow_top=dice.uniform(0.4, 1.2),
        detunes_cents=dice.choice(((0.0,), (-detune, detune), (-detune, 0.0, detune))),
        spread=dice.choice((0.0, dice.uniform(0.1, 0.7))),
        vibrato_cents=dice.choice((0.0, dice.uniform(5, 30)), (0.4, 0.6)),
        vibrato_hz=dice.uniform(4.5, 7),
        vibrato_onset_s=dice.uniform(0.1, 0.5),
        glide_s=dice.choice((0.0, dice.uniform(0.01, 0.06)), (0.6, 0.4)),
    )


def _synth_pluck(dice: Dice) -> Instrument:
    """An oscillator whose low-pass snaps shut."""
    detune = dice.uniform(3, 12)
    return Sustained(
        source=dice.choice(("saw", "square", "pulse", "triangle", "random")),
        body=Body.drawn(dice, 5.0),
        dice=dice.child("wave"),
        attack_s=dice.uniform(0.001, 0.008),
        decay_s=dice.uniform(0.06, 0.5),
        sustain=dice.uniform(0.0, 0.35),
        release_s=dice.uniform(0.03, 0.4),
        dark_hz=dice.uniform(250, 1500),
        dark_harmonic=dice.uniform(1.2, 4),
        dark_slope=dice.uniform(1.5, 4.0),
        glow_attack_s=0.0,
        glow_decay_s=dice.uniform(0.02, 0.2),
        glow_sustain=dice.uniform(0.0, 0.3),
        glow_top=dice.uniform(0.4, 1.3),
        detunes_cents=dice.choice(((0.0,), (-detune, detune))),
        spread=dice.choice((0.0, dice.uniform(0.1, 0.8))),
        octave=dice.choice((0.0, dice.uniform(0.1, 0.5)), (0.7, 0.3)),
    )


def _piano(dice: Dice) -> Instrument:
    """Hammers on stiff strings."""
    apart = dice.uniform(0.3, 1.6)
    return Struck(
        body=Body.drawn(dice, 6.0),
        dice=dice.child("string"),
        stiffness=dice.uniform(0.0001, 0.0009),
        ratios=(),
        slope=dice.uniform(0.5, 1.3),
        pluck_at=dice.uniform(0.09, 0.14),
        softness=dice.uniform(0.5, 1.8),
        ring_s=dice.uniform(0.6, 2.5),
        ring_by_pitch=dice.uniform(0.4, 0.9),
        damping=dice.uniform(0.03, 0.25),
        attack_s=dice.uniform(0.001, 0.006),
        release_s=dice.uniform(0.06, 0.35),
        knock=Attack.drawn(dice.child("knock"), dice.uniform(0.05, 0.4), 80, 1500, 0.012),
        strings_cents=dice.choice(((0.0,), (-apart, apart)), (0.4, 0.6)),
        at_most=32,
    )


def _guitar(dice: Dice) -> Instrument:
    """Plucked strings: nylon, steel, electric, harp, harpsichord."""
    return Struck(
        body=Body.drawn(dice, 8.0),
        dice=dice.child("string"),
        stiffness=dice.uniform(0.00001, 0.0002),
        ratios=(),
        slope=dice.uniform(0.3, 1.4),
        pluck_at=dice.uniform(0.06, 0.35),
        softness=dice.uniform(0.2, 1.5),
        ring_s=dice.uniform(0.25, 1.8),
        ring_by_pitch=dice.uniform(0.3, 0.8),
        damping=dice.uniform(0.04, 0.5),
        attack_s=dice.uniform(0.0008, 0.004),
        release_s=dice.uniform(0.04, 0.3),
        knock=Attack.drawn(
            dice.child("pick"), dice.uniform(0.05, 0.5), 600, dice.uniform(2500, 8000), 0.004
        ),
        at_most=dice.integer(20, 40),
    )


def _mallet(dice: Dice) -> Instrument:
    """Bars and bells."""
    ratios = dice.choice(
        (
            (1.0, 3.93, 9.6, 12.0),  # a marimba's bar, tuned to two octaves
            (1.0, 4.0, 10.2, 17.6),  # a vibraphone's
            (1.0, 2.76, 5.40, 8.93, 13.34),  # a free bar
            (1.0, 2.0, 2.4, 3.0, 4.0, 5.33, 6.7),  # a bell
            (1.0, 3.0, 6.1, 9.2),  # a xylophone's, tuned to the twelfth
        )
    )
    return Struck(
        body=Body.drawn(dice, 4.0),
        dice=dice.child("bar"),
        stiffness=0.0,
        ratios=tuple([1.0, *(ratio * dice.uniform(0.98, 1.02) for ratio in ratios[1:])]),
        slope=dice.uniform(0.4, 1.6),
        pluck_at=0.0,
        softness=dice.uniform(0.1, 0.8),
        ring_s=math.exp(dice.uniform(math.log(0.12), math.log(1.8))),
        ring_by_pitch=dice.uniform(0.2, 0.8),
        damping=dice.uniform(0.1, 0.8),
        attack_s=dice.uniform(0.0008, 0.003),
        release_s=dice.uniform(0.1, 0.8),
        knock=Attack.drawn(dice.child("mallet"), dice.uniform(0.05, 0.4), 300, 4000, 0.004),
    )


def _electric_piano(dice: Dice) -> Instrument:
    """Tines, and bells of the same make."""
    ratio = dice.choice((1.0, 2.0, 3.0, 3.5, 7.0), (0.45, 0.2, 0.15, 0.1, 0.1))
    return Modulated(
        ratio=ratio,
        # At high ratios more would drown the pitch.
        index=dice.uniform(0.5, 3.0) * (1.0 if ratio <= 3 else 0.4),
        index_decay_s=dice.uniform(0.08, 0.8),
        index_sustain=dice.uniform(0.0, 0.3),
        ring_s=dice.uniform(0.4, 2.0),
        sustain=0.0,
        attack_s=dice.uniform(0.001, 0.006),
        release_s=dice.uniform(0.06, 0.4),
        second_ratio=dice.choice((0.0, 7.0, 9.0, 14.0)),
        second=dice.uniform(0.05, 0.35),
        second_decay_s=dice.uniform(0.02, 0.2),
        knock=Attack.drawn(dice.child("key"), dice.uniform(0.0, 0.2), 200, 3000, 0.005),
    )


_MAKERS: dict[OtherKind, tuple[tuple[Maker, float], ...]] = {
    "pad": (
        (_strings, 0.28),
        (_pad, 0.25),
        (_organ, 0.18),
        (_brass, 0.06),
        (_piano, 0.1),
        (_electric_piano, 0.07),
        (_guitar, 0.06),
    ),
    "pluck": (
        (_piano, 0.28),
        (_guitar, 0.32),
        (_electric_piano, 0.12),
        (_mallet, 0.1),
        (_synth_pluck, 0.08),
        (_organ, 0.06),
        (_brass, 0.04),
    ),
    "arpeggio": (
        (_synth_pluck, 0.4),
        (_guitar, 0.2),
        (_piano, 0.12),
        (_mallet, 0.12),
        (_electric_piano, 0.1),
        (_strings, 0.06),
    ),
    "lead": (
        (_synth_lead, 0.28),
        (_wind, 0.22),
        (_brass, 0.13),
        (_bow, 0.12),
        (_guitar, 0.12),
        (_mallet, 0.05),
        (_organ, 0.04),
        (_piano, 0.04),
    ),
}

_AMPLIFIED: dict[Maker, float] = {
    _guitar: 0.35,
    _synth_lead: 0.15,
    _organ: 0.15,
    _electric_piano: 0.15,
}
"""How often an instrument goes through a guitar's amplifier."""


def _amplified(part: Array, dice: Dice) -> Array:
    """A guitar's amplifier: saturation, then a loudspeaker that has neither bottom nor top."""
    drive = math.exp(dice.uniform(math.log(1.0), math.log(30.0)))
    part = saturated(levelled(part, [1.0], 0.35), drive)
    edges_hz = (dice.uniform(70, 180), dice.uniform(2800, 6000))
    rows = scipy.signal.butter(2, edges_hz, "bandpass", fs=SAMPLE_RATE_HZ)
    # In double precision: its lower edge is too near to 0 Hz for single.
    spoken = scipy.signal.lfilter(*rows, part.astype(np.float64))
    return np.ascontiguousarray(spoken, np.float32)


def render_other(part: OtherPart, n_samples: int, dice: Dice) -> Array:
    """One of the other instruments.

    Parameters
    ----------
    part
        Its kind and its notes, in any order; what lies beyond the end is cut.
    n_samples
        Length.
    dice
        Make the instrument, its place and its effects.

    Returns
    -------
    Array
        (2, n_samples), dry, of an RMS about 0.1 where it plays.
    """
    if not part.notes or n_samples <= 0:
        return np.zeros((2, max(n_samples, 0)), np.float32)
    makers, weights = zip(*_MAKERS[part.kind], strict=True)
    make: Maker = dice.choice(makers, weights)
    curve = dice.uniform(0.5, 1.4)
    place = dice.uniform(-0.7, 0.7) if part.kind != "pad" else dice.uniform(-0.35, 0.35)
    gains = [gain_of(note.velocity, curve) for note in part.notes]
    played = perform(part.notes, n_samples, make(dice.child("make")), dice.child("notes"), curve)
    if dice.chance(_AMPLIFIED.get(make, 0.0)):
        played = _amplified(played, dice.child("amplifier"))
    stereo = placed(played, place)
    del played
    if dice.chance(0.22):
        stereo = chorus(stereo, dice.child("chorus"))
    if dice.chance(0.12):
        stereo = tremolo(stereo, dice.child("tremolo"), opposed=dice.chance(0.5))
    return levelled(stereo, gains)
