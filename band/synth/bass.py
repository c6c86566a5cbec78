"""The bass: plucked, synthesized or of sines; every song has its own."""

from collections.abc import Sequence

import numpy as np
import scipy.signal

from stemline.arrays import Array

from ..dice import Dice
from ..score import Note
from .envelope import SAMPLE_RATE_HZ, levelled
from .instruments import Attack, Instrument, Modulated, Source, Struck, Sustained, perform
from .instruments import velocity_gain as gain_of
from .modulation import chorus, placed, saturated
from .oscillator import Body


def _plucked(dice: Dice) -> Instrument:
    """Fingers, a pick or a thumb on a string."""
    touch = dice.choice(("finger", "pick", "slap"), (0.5, 0.3, 0.2))
    slope, softness, noise, top_hz = {
        "finger": (dice.uniform(1.0, 1.9), dice.uniform(0.4, 1.2), 0.15, 1800.0),
        "pick": (dice.uniform(0.6, 1.2), dice.uniform(0.15, 0.6), 0.35, 5000.0),
        "slap": (dice.uniform(0.4, 1.0), dice.uniform(0.1, 0.5), 0.6, 7000.0),
    }[touch]
    return Struck(
        body=Body.drawn(dice, 6.0),
        dice=dice.child("string"),
        stiffness=dice.uniform(0.00002, 0.0004),
        ratios=(),
        slope=slope,
        pluck_at=dice.uniform(0.07, 0.3),
        softness=softness,
        ring_s=dice.uniform(0.25, 1.4),
        ring_by_pitch=dice.uniform(0.3, 0.7),
        damping=dice.uniform(0.03, 0.4),
        attack_s=dice.uniform(0.001, 0.008),
        release_s=dice.uniform(0.03, 0.15),
        knock=Attack.drawn(
            dice.child("knock"),
            noise * dice.uniform(0.2, 1.2),
            dice.uniform(100, 900),
            top_hz * dice.uniform(0.6, 1.4),
            dice.uniform(0.002, 0.012),
        ),
        at_most=dice.integer(16, 48),
    )


def _synthesizer(dice: Dice) -> Instrument:
    """An oscillator or two behind a low-pass that closes."""
    source: Source = dice.choice(
        ("saw", "square", "triangle", "pulse", "sine", "random"), (0.28, 0.2, 0.14, 0.14, 0.14, 0.1)
    )
    short = dice.chance(0.4)
    detune = dice.uniform(2, 9)
    return Sustained(
        source=source,
        body=Body.drawn(dice, 4.0),
        dice=dice.child("wave"),
        attack_s=dice.uniform(0.002, 0.02),
        decay_s=dice.uniform(0.1, 0.6),
        sustain=dice.uniform(0.1, 0.5) if short else dice.uniform(0.6, 1.0),
        release_s=dice.uniform(0.02, 0.15),
        dark_hz=dice.uniform(90, 500),
        dark_harmonic=dice.uniform(1.5, 6),
        dark_slope=dice.uniform(1.5, 4.0),
        glow_attack_s=dice.choice((0.0, dice.uniform(0.01, 0.08)), (0.75, 0.25)),
        glow_decay_s=dice.uniform(0.04, 0.5),
        glow_sustain=dice.uniform(0.0, 0.4),
        glow_top=dice.uniform(0.2, 1.2),
        detunes_cents=dice.choice(((0.0,), (-detune, detune)), (0.75, 0.25)),
        glide_s=dice.choice((0.0, dice.uniform(0.01, 0.05)), (0.75, 0.25)),
        octave=dice.choice((0.0, dice.uniform(0.1, 0.5)), (0.75, 0.25)),
    )


def _fretless(dice: Dice) -> Instrument:
    """A long round tone that slides into place, with a slow vibrato; also a bowed bass."""
    bowed = dice.chance(0.2)
    source: Source = "saw" if bowed else dice.choice(("triangle", "random", "odd"))
    return Sustained(
        source=source,
        body=Body.drawn(dice, 7.0),
        dice=dice.child("wave"),
        attack_s=dice.uniform(0.04, 0.12) if bowed else dice.uniform(0.005, 0.025),
        decay_s=dice.uniform(0.3, 1.2),
        sustain=dice.uniform(0.8, 1.0) if bowed else dice.uniform(0.2, 0.7),
        release_s=dice.uniform(0.05, 0.2),
        dark_hz=dice.uniform(200, 600),
        dark_harmonic=dice.uniform(2, 6),
        dark_slope=dice.uniform(1.0, 2.5),
        glow_attack_s=0.02,
        glow_decay_s=dice.uniform(0.05, 0.3),
        glow_sustain=dice.uniform(0.0, 0.5),
        glow_top=dice.uniform(0.3, 0.9),
        vibrato_cents=dice.uniform(3, 15),
        vibrato_hz=dice.uniform(4, 6),
        vibrato_onset_s=dice.uniform(0.15, 0.4),
        glide_s=dice.uniform(0.015, 0.05),
        scoop_cents=dice.uniform(0, 25),
        click=Attack.drawn(dice.child("knock"), dice.uniform(0.02, 0.2), 150, 1500, 0.006),
    )


def _sines(dice: Dice) -> Instrument:
    """Phase modulation at a whole ratio."""
    return Modulated(
        ratio=float(dice.choice((1, 2, 3), (0.5, 0.35, 0.15))),
        index=dice.uniform(0.5, 4.0),
        index_decay_s=dice.uniform(0.05, 0.4),
        index_sustain=dice.uniform(0.0, 0.4),
        ring_s=dice.uniform(0.3, 1.2),
        sustain=dice.uniform(0.0, 0.8),
        attack_s=dice.uniform(0.002, 0.012),
        release_s=dice.uniform(0.02, 0.12),
        knock=Attack.drawn(dice.child("knock"), dice.uniform(0.0, 0.2), 300, 3000, 0.004),
    )


def render_bass(notes: Sequence[Note], n_samples: int, dice: Dice) -> Array:
    """The bass.

    Parameters
    ----------
    notes
        In any order; what lies beyond the end is cut.
    n_samples
        Length.
    dice
        Make the instrument.

    Returns
    -------
    Array
        (2, n_samples), dry, in the middle, of an RMS about 0.1 where it plays.
    """
    if not notes or n_samples <= 0:
        return np.zeros((2, max(n_samples, 0)), np.float32)
    make = dice.choice((_plucked, _synthesizer, _fretless, _sines), (0.5, 0.27, 0.13, 0.1))
    curve = dice.uniform(0.5, 1.3)
    drive = dice.choice((0.0, dice.uniform(0.5, 2.0), dice.uniform(2.0, 6.0)), (0.45, 0.4, 0.15))
    gains = [gain_of(note.velocity, curve) for note in notes]
    part = perform(tuple(notes), n_samples, make(dice.child("make")), dice.child("notes"), curve)
    if drive:
        part = saturated(levelled(part, [1.0], 0.5), drive)
        # An amplifier's loudspeaker takes the top away again.
        top_hz = dice.uniform(1800, 6000)
        rows = scipy.signal.butter(2, top_hz, fs=SAMPLE_RATE_HZ)
        part = scipy.signal.lfilter(*(row.astype(np.float32) for row in rows), part)
    stereo = placed(part, 0.0)
    if dice.chance(0.08):
        stereo = chorus(stereo, dice.child("chorus"))
    return levelled(stereo, gains)
