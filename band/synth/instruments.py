"""The ways to make a pitched tone, each a class whose objects are one song's instrument."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from stemline.arrays import Array

from ..dice import Dice
from ..score import Note
from .envelope import SAMPLE_RATE_HZ, adsr, decay, rise, samples
from .modulation import pan_gains, vibrato
from .noise import band_noise
from .oscillator import (
    HIGHEST_HZ,
    Body,
    frequency_hz,
    harmonics,
    phase,
    places,
    radians,
    read,
    table,
)
from .partials import ringing

Source = Literal["saw", "square", "triangle", "pulse", "sine", "organ", "odd", "random"]
LONGEST_TAIL_S = 9.0


class Instrument(Protocol):
    """Something that plays notes."""

    def tone(self, note: Note, dice: Dice, come_from: float | None) -> Array:
        """One note without its gain, (1 or 2, n_samples); it may glide from another pitch."""


@dataclass(frozen=True)
class Attack:
    """The noise of a pick, a hammer, a finger or a key, made once."""

    takes: Array
    """(takes, n_samples)."""
    level: float

    @staticmethod
    def drawn(dice: Dice, level: float, low_hz: float, high_hz: float, length_s: float) -> "Attack":
        """Three takes of a burst."""
        n_samples = samples(6 * length_s)
        takes = band_noise(dice, n_samples, low_hz, high_hz, channels=3)
        takes = takes * decay(n_samples, length_s)
        takes[:, :16] *= rise(16)
        takes[:, -64:] *= rise(64)[::-1]
        return Attack(takes, level)

    def onto(self, tone: Array, dice: Dice, velocity: float) -> None:
        """Adds a take to the start of a tone, in place."""
        if self.level <= 0:
            return
        take = self.takes[dice.integer(0, len(self.takes) - 1)]
        length = min(len(take), tone.shape[-1])
        tone[..., :length] += np.float32(self.level * velocity) * take[:length]


@dataclass
class Sustained:
    """Band-limited tables, bright faded over dark: strings, winds, organs, synthesizers."""

    source: Source
    body: Body
    dice: Dice
    attack_s: float
    decay_s: float
    sustain: float
    release_s: float
    dark_hz: float
    """Above it the dark table falls off."""
    dark_harmonic: float
    """Or above this harmonic, whichever is higher."""
    dark_slope: float
    glow_attack_s: float
    glow_decay_s: float
    glow_sustain: float
    """How much of the bright table is left when the note is held."""
    glow_top: float = 1.0
    detunes_cents: tuple[float, ...] = (0.0,)
    spread: float = 0.0
    vibrato_cents: float = 0.0
    vibrato_hz: float = 5.5
    vibrato_onset_s: float = 0.2
    glide_s: float = 0.0
    scoop_cents: float = 0.0
    breath: float = 0.0
    breath_hz: float = 2000.0
    click: Attack | None = None
    octave: float = 0.0
    """Level of a second oscillator an octave above."""
    _tables: dict[int, tuple[Array, Array]] = field(default_factory=dict)
    _air: Array | None = None

    def __post_init__(self) -> None:
        self._random_phases = self.dice.chance(0.5)
        self._phases = self.dice.child("phases").noise(1024).astype(np.float64) * np.pi
        self._rough = np.exp(0.6 * self.dice.child("rough").noise(1024).astype(np.float64))
        self._roughness = self.dice.choice((0.0, 0.5, 1.0))
        self._width = self.dice.uniform(0.08, 0.42)
        self._power = self.dice.uniform(0.7, 2.2)
        self._drawbars = {
            number: self.dice.fraction() ** 1.5 for number in (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)
        }
        self._drawbars[1] = max(self._drawbars[1], 0.5)

    def _amplitudes(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """The raw wave's harmonics."""
        odd = numbers % 2
        match self.source:
            case "saw":
                raw = 1 / numbers
            case "square":
                raw = odd / numbers
            case "triangle":
                raw = odd / numbers**2
            case "sine":
                raw = numbers**-4.0
            case "pulse":
                raw = np.abs(np.sin(np.pi * numbers * self._width)) / numbers
            case "odd":
                raw = (0.12 + 0.88 * odd) / numbers**self._power
            case "organ":
                raw = np.array([self._drawbars.get(int(number), 0.0) for number in numbers])
            case "random":
                raw = numbers**-self._power * self._rough[: len(numbers)] ** 2
        rough: NDArray[np.float64] = raw * self._rough[: len(numbers)] ** self._roughness
        return rough

    def tables(self, pitch: float) -> tuple[Array, Array]:
        """The dark table of a pitch, and what the bright one has more; both for RMS 1."""
        key = round(pitch * 100)
        if key not in self._tables:
            fundamental_hz = frequency_hz(pitch)
            numbers = harmonics(fundamental_hz)
            amplitudes = self._amplitudes(numbers) * self.body.gain(numbers * fundamental_hz)
            phases = self._phases if self._random_phases else np.zeros(1024)
            phases = np.resize(phases, len(numbers))
            edge_hz = max(self.dark_hz, self.dark_harmonic * fundamental_hz)
            falls = 1 / np.sqrt(1 + (numbers * fundamental_hz / edge_hz) ** (2 * self.dark_slope))
            # Between two notes loudness is even: by the dark table's power and part of the edge's.
            held = amplitudes * (falls + self.glow_sustain * (1 - falls))
            scale = np.sqrt(2) / np.sqrt(np.sum(held**2) + 1e-12)
            dark = table(scale * amplitudes * falls, phases)
            edge = table(scale * amplitudes * (1 - falls), phases)
            self._tables[key] = (dark, edge)
        return self._tables[key]

    def _ratio(
        self, n_samples: int, pitch: float, dice: Dice, come_from: float | None
    ) -> Array | None:
        ratio: Array | None = None
        if self.vibrato_cents:
            ratio = vibrato(
                n_samples,
                self.vibrato_hz * dice.uniform(0.9, 1.1),
                self.vibrato_cents * dice.uniform(0.6, 1.2),
                self.vibrato_onset_s * dice.uniform(0.7, 1.3),
            )
        away = 0.0
        if self.glide_s and come_from is not None:
            # From further above, the table's highest harmonics would fold back.
            away = min(come_from - pitch, 3.0)
        elif self.scoop_cents:
            away = -self.scoop_cents / 100 * dice.uniform(0.3, 1.0)
        if away:
            bend = np.exp2(np.float32(away / 12) * decay(n_samples, self.glide_s or 0.03))
            ratio = bend if ratio is None else ratio * bend
        return ratio

    def tone(self, note: Note, dice: Dice, come_from: float | None) -> Array:
        """One note, (1 or 2, n_samples); `Instrument` says more."""
        held = max(samples(note.duration_s), 1)
        level = adsr(held, self.attack_s, self.decay_s, self.sustain, self.release_s)
        n_samples = len(level)
        top = self.glow_top * (0.25 + 0.75 * note.velocity)
        glow = np.float32(self.glow_sustain * top) + np.float32(
            (1 - self.glow_sustain) * top
        ) * decay(n_samples, self.glow_decay_s)
        n_open = min(samples(self.glow_attack_s), n_samples)
        if n_open > 8:
            glow[:n_open] *= rise(samples(self.glow_attack_s))[:n_open]
        ratio = self._ratio(n_samples, note.pitch, dice, come_from)
        fundamental_hz = frequency_hz(note.pitch)
        dark, edge = self.tables(note.pitch)
        count = len(self.detunes_cents)
        wide = self.spread > 0 and count > 1
        out = np.zeros((2 if wide else 1, n_samples), np.float32)
        for number, cents in enumerate(self.detunes_cents):
            at = places(
                phase(fundamental_hz * 2 ** (cents / 1200), n_samples, dice.fraction(), ratio)
            )
            wave = read(edge, at)
            wave *= glow
            wave += read(dark, at)
            if wide:
                left, right = pan_gains(self.spread * (2 * number / (count - 1) - 1))
                out[0] += np.float32(left) * wave
                out[1] += np.float32(right) * wave
            else:
                out[0] += wave
        if self.octave and 2 * fundamental_hz < HIGHEST_HZ / 2:
            upper, upper_edge = self.tables(note.pitch + 12)
            at = places(phase(2 * fundamental_hz, n_samples, dice.fraction(), ratio))
            out += np.float32(self.octave) * (read(upper, at) + glow * read(upper_edge, at))
        out *= np.float32(1 / np.sqrt(count))
        if self.breath:
            out += np.float32(self.breath) * self._blown(n_samples, dice)
        out *= level
        if self.click:
            self.click.onto(out, dice, note.velocity)
        return out

    def _blown(self, n_samples: int, dice: Dice) -> Array:
        if self._air is None:
            self._air = band_noise(
                self.dice.child("air"), 2 * SAMPLE_RATE_HZ, 0.4 * self.breath_hz, 3 * self.breath_hz
            )[0]
        start = dice.integer(0, len(self._air) - 1)
        air = self._air
        return np.resize(np.concatenate([air[start:], air[:start]]), n_samples)


@dataclass
class Struck:
    """Partials that each die in their own time: pianos, guitars, harps, mallets, bells, basses."""

    body: Body
    dice: Dice
    stiffness: float
    """B of a stiff string, f_k = k f₁ √(1 + B k²); see Fletcher and Rossing, section 2.18."""
    ratios: tuple[float, ...]
    """Ratios of the partials of a bar or a bell; empty for a string."""
    slope: float
    """Amplitudes fall as k^−slope."""
    pluck_at: float
    """Part of the string's length at which it is struck; 0 for none."""
    softness: float
    """How fast the high partials vanish from soft strokes."""
    ring_s: float
    """Time constant of the fundamental at 220 Hz."""
    ring_by_pitch: float
    damping: float
    """How much sooner higher partials die."""
    attack_s: float
    release_s: float
    knock: Attack | None = None
    strings_cents: tuple[float, ...] = (0.0,)
    at_most: int = 40

    def __post_init__(self) -> None:
        self._rough = np.exp(0.7 * self.dice.child("rough").noise(256).astype(np.float64))
        self._rough[0] = max(self._rough[0], 1.0)  # the fundamental is what the ear follows
        self._phases = self.dice.child("phases").noise(256).astype(np.float64) * 0.5 * np.pi

    def tone(self, note: Note, dice: Dice, come_from: float | None) -> Array:
        """One note, (1, n_samples); `Instrument` says more."""
        del come_from
        fundamental_hz = frequency_hz(note.pitch)
        if self.ratios:
            numbers = np.array(self.ratios)
            frequencies = fundamental_hz * numbers
        else:
            numbers = harmonics(fundamental_hz, self.at_most)
            frequencies = fundamental_hz * numbers
            frequencies = frequencies * np.sqrt(
                (1 + self.stiffness * numbers**2) / (1 + self.stiffness)
            )
        low = frequencies < HIGHEST_HZ
        low[0] = True
        numbers, frequencies = numbers[low], frequencies[low]
        count = len(numbers)
        soft = self.softness * (1.3 - note.velocity)
        amplitudes = numbers**-self.slope * np.exp(-soft * (numbers - 1) / 4)
        if self.pluck_at:
            amplitudes = amplitudes * (0.05 + np.abs(np.sin(np.pi * numbers * self.pluck_at)))
        amplitudes = amplitudes * self._rough[:count] * self.body.gain(frequencies)
        amplitudes *= np.sqrt(2) / np.sqrt(np.sum(amplitudes**2) + 1e-12)
        ring_s = self.ring_s * (220 / fundamental_hz) ** self.ring_by_pitch
        times = np.maximum(ring_s / (1 + self.damping * (numbers - 1)), 0.004)
        phases = self._phases[:count]
        held = samples(min(max(note.duration_s, 0.02), 7 * ring_s, LONGEST_TAIL_S))
        level = adsr(held, self.attack_s, 1.0, 1.0, self.release_s)
        if len(self.strings_cents) > 1:
            detunes = 2.0 ** (np.array(self.strings_cents) / 1200)
            frequencies = np.outer(detunes, frequencies).ravel()
            amplitudes = np.tile(amplitudes / np.sqrt(len(detunes)), len(detunes))
            times = np.tile(times, len(detunes))
            phases = np.tile(phases, len(detunes))
        out = ringing(frequencies, amplitudes, times, phases, len(level))
        out *= level
        if self.knock:
            self.knock.onto(out, dice, note.velocity)
        return out[None]


@dataclass
class Modulated:
    """One sine turns another's phase: electric pianos, bells, metallic basses.

    x(t) = sin(φ + I(t) sin(m φ)); after Chowning, "The synthesis of complex audio spectra by means
    of frequency modulation", 1973.
    """

    ratio: float
    index: float
    index_decay_s: float
    index_sustain: float
    ring_s: float
    sustain: float
    attack_s: float
    release_s: float
    second_ratio: float = 0.0
    """Frequency ratio of a second pair that rings briefly; 0 for none."""
    second: float = 0.0
    second_decay_s: float = 0.1
    knock: Attack | None = None

    def tone(self, note: Note, dice: Dice, come_from: float | None) -> Array:
        """One note, (1, n_samples); `Instrument` says more."""
        del come_from
        fundamental_hz = frequency_hz(note.pitch)
        ring_s = self.ring_s * (220 / fundamental_hz) ** 0.4
        held = max(samples(note.duration_s), 1)
        if not self.sustain:
            held = min(held, samples(min(7 * ring_s, LONGEST_TAIL_S)))
        level = adsr(held, self.attack_s, ring_s, self.sustain, self.release_s)
        n_samples = len(level)
        # The spectrum reaches to about f (1 + m (I + 2)).
        widest = (HIGHEST_HZ / fundamental_hz - 1) / self.ratio - 2
        index = min(self.index * (0.25 + 0.9 * note.velocity), max(widest, 0.0))
        depth = np.float32(index * self.index_sustain) + np.float32(
            index * (1 - self.index_sustain)
        ) * decay(n_samples, self.index_decay_s)
        angle = radians(phase(fundamental_hz, n_samples))
        turned = radians(phase(fundamental_hz * self.ratio, n_samples))
        out = np.sin(angle + depth * np.sin(turned))
        if self.second and fundamental_hz * self.second_ratio < HIGHEST_HZ:
            n_bright = min(n_samples, samples(7 * self.second_decay_s))
            bright = np.sin(radians(phase(fundamental_hz * self.second_ratio, n_bright)))
            bright *= decay(n_bright, self.second_decay_s)
            out[:n_bright] += np.float32(self.second * note.velocity) * bright
        out *= np.float32(np.sqrt(2)) * level
        if self.knock:
            self.knock.onto(out, dice, note.velocity)
        return out[None]


def velocity_gain(velocity: float, curve: float) -> float:
    """The gain of a velocity; 0.75 gives 1."""
    return float((max(velocity, 0.0) / 0.75) ** curve)


def perform(
    notes: tuple[Note, ...], n_samples: int, instrument: Instrument, dice: Dice, curve: float
) -> Array:
    """All the notes of a part, (1 or 2, n_samples); what lies beyond the end is cut."""
    out: Array | None = None
    before: Note | None = None
    for note in sorted(notes, key=lambda note: (note.start_s, note.pitch)):
        start = samples(note.start_s)
        if start < 0 or start >= n_samples:
            continue
        # A glide needs a note that ends about where this one begins.
        joined = (
            before is not None
            and abs(before.start_s + before.duration_s - note.start_s) < 0.06
            and abs(before.pitch - note.pitch) <= 12
        )
        come_from = before.pitch if before is not None and joined else None
        left_s = (n_samples - start) / SAMPLE_RATE_HZ
        if note.duration_s > left_s:
            note = Note(note.start_s, left_s, note.pitch, note.velocity)
        tone = instrument.tone(note, dice, come_from)
        if out is None:
            out = np.zeros((len(tone), n_samples), np.float32)
        stop = min(start + tone.shape[1], n_samples)
        tone *= np.float32(velocity_gain(note.velocity, curve))
        out[:, start:stop] += tone[:, : stop - start]
        before = note
    return np.zeros((1, n_samples), np.float32) if out is None else out
