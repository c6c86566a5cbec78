"""Whose voice it is: everything about a singer or speaker that stays the same for a song."""

from dataclasses import dataclass

from ..dice import Dice
from .glottis import Pulse

FRICATIVES = ("s", "t", "k", "f", "b", "d")
"""Consonants with a noise that is made in front of the tract."""


@dataclass(frozen=True, slots=True)
class Character:
    """One voice. Levels are amplitudes beside the sung vowel's 1."""

    pulse: Pulse
    tract_scale: float
    """Factor on all formants: about 1 for a man, 1.17 for a woman, 1.3 for a child."""
    width_scale: float
    """Factor on all bandwidths; a small one makes a hollow, machine-like voice."""
    singers_formant: bool
    breath: float
    """Noise that is always there, let through by the folds."""
    whisper: float
    """Noise that does not stop when the folds close, as a part of the breath."""
    voicing: float
    """Level of the folds' pulses; 0 whispers."""
    jitter_semitones: float
    shimmer: float
    vibrato_hz: float
    vibrato_semitones: float
    vibrato_delay_s: float
    glide_s: float
    scoop_semitones: float
    scoop_s: float
    attack_s: float
    release_s: float
    legato_dip: float
    transition_s: float
    consonant_stretch: float
    fricative_level: float
    fricative_hz: tuple[float, ...]
    """Middles of the noises of FRICATIVES."""
    fricative_octaves: tuple[float, ...]
    intake: float
    """Level of the breath taken before a phrase."""
    lowpass_hz: float
    """Where the voice's band ends, as with a synthesiser of a low rate; 0 for nowhere."""
    speech: bool
    speech_pitch: float
    """The MIDI number a speaker's pitch wanders around."""
    speech_spread: float
    """How much of the melody is left in a speaker's pitch."""
    speech_wander: float
    speech_syllable_s: float


def draw_character(dice: Dice) -> Character:
    """A singer, or a speaker about as often."""
    speech = dice.chance(0.42)
    kind = dice.choice(("plain", "creaky", "whispery", "buzzy", "robot"), (6, 1.2, 1.2, 2, 1.2))
    if speech and dice.chance(0.4):
        kind = dice.choice(("buzzy", "robot"))
    creaky, whispery, robot = kind == "creaky", kind == "whispery", kind == "robot"
    buzzy = kind == "buzzy" or robot
    pulse = Pulse(
        open_quotient=dice.uniform(0.3, 0.5) if creaky or buzzy else dice.uniform(0.4, 0.85),
        skew=dice.uniform(0.2, 0.75),
        return_part=dice.uniform(0.002, 0.012) if buzzy else 0.002 * 30.0 ** dice.fraction(),
        tilt=dice.uniform(0.0, 0.65) if buzzy else dice.uniform(-0.25, 0.5),
        second=dice.uniform(0.2, 0.7) if creaky else 1.0,
        second_shift=dice.uniform(0.0, 0.12) if creaky else 0.0,
    )
    tract = dice.choice(((0.88, 1.05), (1.08, 1.25), (1.22, 1.42)), (5, 5, 1))
    steady = robot or (speech and dice.chance(0.3))
    vibrato = 0.0 if steady or dice.chance(0.25) else dice.uniform(0.1, 0.9)
    return Character(
        pulse=pulse,
        tract_scale=dice.uniform(*tract),
        width_scale=0.55 * 4.0 ** dice.fraction(),
        singers_formant=not speech and dice.chance(0.25),
        breath=dice.uniform(0.3, 1.2) if whispery else 0.01 * 20.0 ** dice.fraction(),
        whisper=dice.uniform(0.05, 0.6),
        voicing=dice.uniform(0.15, 0.7) if whispery else 1.0,
        jitter_semitones=0.0 if steady else dice.uniform(0.02, 0.12) + 0.5 * creaky,
        shimmer=0.0 if steady else dice.uniform(0.0, 0.15) + 0.15 * creaky,
        vibrato_hz=dice.uniform(4.2, 7.0),
        vibrato_semitones=0.25 * vibrato if speech else vibrato,
        vibrato_delay_s=dice.uniform(0.1, 0.5),
        glide_s=0.008 if robot else dice.uniform(0.03, 0.14),
        scoop_semitones=0.0 if robot or dice.chance(0.3) else dice.uniform(-3.0, 0.8),
        scoop_s=dice.uniform(0.04, 0.16),
        attack_s=dice.uniform(0.01, 0.07),
        release_s=dice.uniform(0.025, 0.12),
        legato_dip=dice.uniform(0.35, 0.95),
        transition_s=dice.uniform(0.04, 0.08),
        consonant_stretch=dice.uniform(0.7, 1.5),
        fricative_level=dice.uniform(0.5, 1.8),
        fricative_hz=(
            dice.uniform(4800, 8500),
            dice.uniform(3000, 5500),
            dice.uniform(1400, 2600),
            dice.uniform(3500, 9000),
            dice.uniform(500, 1200),
            dice.uniform(2500, 4500),
        ),
        fricative_octaves=tuple(
            width * dice.uniform(0.6, 1.5) for width in (0.35, 0.6, 0.4, 1.1, 0.9, 0.7)
        ),
        intake=0.0 if dice.chance(0.5) else dice.uniform(0.02, 0.15),
        lowpass_hz=dice.choice((5000.0, 7500.0, 10500.0, 10500.0)) if dice.chance(0.35) else 0.0,
        speech=speech,
        speech_pitch=dice.uniform(38.0, 62.0),
        speech_spread=0.0 if dice.chance(0.3) else dice.uniform(0.0, 0.5),
        speech_wander=0.0 if dice.chance(0.1) else dice.uniform(0.3, 4.0),
        speech_syllable_s=dice.uniform(0.11, 0.26),
    )
