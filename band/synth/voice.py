"""A voice without words' sense: pulses and breath through a tract that moves, and consonants."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from stemline.arrays import Array

from ..dice import Dice
from ..score import Syllable
from .character import FRICATIVES, Character, draw_character
from .formants import (
    FORMANTS_HZ,
    FRAME_SAMPLES,
    frame_times_s,
    through_tract,
    tract_response,
    upper_tract,
)
from .glottis import TABLE_POINTS, open_window, phase_of, pulse_tables, table_levels
from .prosody import Curve, Curves, Noise, draw_curves, phrases, spoken

SAMPLE_RATE_HZ = 44100
STEP_SAMPLES = 64
"""Pitch and loudness are drawn at every 64th sample, 1.5 ms, with straight lines between."""
POOL_SAMPLES = 1 << 14
"""Length of the hissing that the noises of one consonant are cut from."""
LEAD_S = 0.05
"""Before a phrase's first sound and after its last."""

_BREATH_POINTS = 1 << 17


def render_voice(syllables: Sequence[Syllable], n_samples: int, dice: Dice) -> Array:
    """A voice that sings the syllables, or speaks them as another draw has it.

    Parameters
    ----------
    syllables
        One melody; where two overlap, the first one ends.
    n_samples
        At 44.1 kHz.
    dice
        Who sings, and every small irregularity.

    Returns
    -------
    Array
        (2, n_samples); zero where nobody sings. Loudness is not levelled.
    """
    stereo = np.zeros((2, n_samples), np.float32)
    character = draw_character(dice.child("character"))
    words: Sequence[Syllable] = syllables
    if character.speech:
        words = spoken(syllables, character, dice.child("speech"))
    doubled = dice.choice(("no", "double", "harmony"), (8, 1, 1))
    pan, beside = dice.uniform(-0.12, 0.12), dice.uniform(-0.7, 0.7)
    drive = dice.uniform(1.0, 4.0) if dice.chance(0.12) else 0.0
    second_level = dice.uniform(0.3, 0.9)
    interval = dice.choice((3.0, 4.0, -5.0, 7.0, -12.0, 12.0))
    voices = [(_sing(words, n_samples, character, dice.child("first")), pan)]
    if doubled != "no":
        late_s = dice.uniform(0.005, 0.03)
        up = interval if doubled == "harmony" else dice.uniform(-0.25, 0.25)
        others = [
            replace(word, start_s=word.start_s + late_s, pitch=word.pitch + up) for word in words
        ]
        second = _sing(others, n_samples, character, dice.child("second"))
        second *= np.float32(second_level)
        voices.append((second, beside))
    for mono, place in voices:
        if drive:
            mono *= np.float32(drive)
            np.tanh(mono, out=mono)
        # Constant power: the two gains are cosine and sine of one angle.
        angle = np.pi / 4 * (1.0 + place)
        stereo[0] += mono * np.float32(np.cos(angle))
        stereo[1] += mono * np.float32(np.sin(angle))
    return stereo


def _sing(syllables: Sequence[Syllable], n_samples: int, character: Character, dice: Dice) -> Array:
    """One voice, (n_samples,); a sung /a/ has an RMS of about 0.25 at full velocity."""
    singer = _Singer(character, dice)
    mono = np.zeros(n_samples, np.float32)
    for phrase in phrases(syllables):
        curves = draw_curves(phrase, character, dice)
        sound = singer.sing(curves)
        first = round((curves.start_s - singer.lead_s) * SAMPLE_RATE_HZ)
        begin, end = max(first, 0), min(first + sound.size, n_samples)
        if begin < end:
            mono[begin:end] += sound[begin - first : end - first]
    return mono


class _Singer:
    """One voice's tables, made once a song."""

    def __init__(self, character: Character, dice: Dice) -> None:
        self._character, self._dice = character, dice
        self._tables = pulse_tables(character.pulse)
        window = open_window(character.pulse.open_quotient)
        self._blown = character.whisper + (1 - character.whisper) * window
        self._white = dice.child("breath").noise(_BREATH_POINTS)
        self._upper = self._standing()
        self._hisses = self._pools(dice.child("hiss"))
        self.lead_s = LEAD_S + (0.6 if character.intake else 0.0)

    def _standing(self) -> NDArray[np.complex64]:
        """The part of the tract's response that never moves, levelled on an /a/ at 160 Hz."""
        character = self._character
        upper: NDArray[np.complex64] = upper_tract(character.tract_scale)
        if character.lowpass_hz:
            bins_hz = np.arange(upper.size) * (SAMPLE_RATE_HZ / FRAME_SAMPLES)
            upper /= (1 + (bins_hz / character.lowpass_hz) ** 16).astype(np.float32)
        formants = np.array([FORMANTS_HZ["a"]]) * character.tract_scale
        response = tract_response(formants, np.array([character.width_scale]), upper)[0]
        harmonics = np.abs(scipy.fft.rfft(self._tables[4])[2::2]) / (TABLE_POINTS / 2)
        at = np.arange(1, harmonics.size + 1) * (160.0 * FRAME_SAMPLES / SAMPLE_RATE_HZ)
        gains = np.interp(at, np.arange(upper.size), np.abs(response))
        level = float(np.sqrt(0.5 * np.sum((harmonics * gains) ** 2)))
        return (upper * (0.25 / level)).astype(np.complex64)

    def _pools(self, dice: Dice) -> dict[str, Array]:
        """Hissing for each consonant, RMS 1: noise in a band that is a bell over log frequency."""
        character = self._character
        log2_hz = np.log2(np.maximum(scipy.fft.rfftfreq(POOL_SAMPLES, 1 / SAMPLE_RATE_HZ), 20.0))
        pools = {}
        for name, middle_hz, octaves in zip(
            FRICATIVES, character.fricative_hz, character.fricative_octaves, strict=True
        ):
            gain = np.exp(-0.5 * ((log2_hz - np.log2(middle_hz)) / octaves) ** 2)
            if character.lowpass_hz:
                gain /= 1 + (2.0**log2_hz / character.lowpass_hz) ** 16
            spectrum = scipy.fft.rfft(dice.noise(POOL_SAMPLES)) * gain
            pool = scipy.fft.irfft(spectrum, POOL_SAMPLES).astype(np.float32)
            pools[name] = pool / np.sqrt(np.mean(pool**2))
        return pools

    def sing(self, curves: Curves) -> Array:
        """One phrase, (n,), from `lead_s` before its start."""
        character, dice = self._character, self._dice
        from_s = curves.start_s - self.lead_s
        steps = int((curves.end_s + LEAD_S - from_s) * SAMPLE_RATE_HZ / STEP_SAMPLES) + 1
        step_s = STEP_SAMPLES / SAMPLE_RATE_HZ
        times_s: Curve = from_s + step_s * np.arange(steps + 1, dtype=np.float64)

        pitch = curves.pitch.at(times_s)
        turn = 2 * np.pi * (character.vibrato_hz * (times_s - from_s) + dice.fraction())
        pitch += curves.vibrato.at(times_s) * np.sin(turn)
        if character.jitter_semitones:
            pitch += character.jitter_semitones * (
                _wander(steps + 1, 4, dice) + 1.5 * _wander(steps + 1, 60, dice)
            )
        wanted_hz = np.clip(440.0 * 2.0 ** ((pitch - 69.0) / 12.0), 30.0, 3000.0)
        pitch_hz: Array = wanted_hz.astype(np.float32)
        loud = curves.voicing.at(times_s)
        if character.shimmer:
            loud *= 1.0 + character.shimmer * _wander(steps + 1, 5, dice)
        breath = curves.breath.at(times_s) + character.breath * loud
        if character.intake:
            breath += self._intake(times_s, curves.start_s)

        phase = phase_of(_lines(pitch_hz))
        offsets = table_levels(pitch_hz[:-1]) * np.int32(TABLE_POINTS)
        indices = phase.reshape(steps, STEP_SAMPLES) + offsets[:, None]
        source = self._tables.reshape(-1).take(indices.reshape(-1), mode="clip")
        source *= _lines((character.voicing * loud).astype(np.float32))
        air = self._blown.take(phase, mode="clip")
        air *= _lines(breath.astype(np.float32))
        air *= self._air(air.size)
        source += air

        frames_s = from_s + frame_times_s(source.size)
        table = np.array(curves.places)
        tracks = np.empty((frames_s.size, table.shape[1]))
        for k in range(table.shape[1]):
            tracks[:, k] = np.interp(frames_s, curves.place_times_s, table[:, k])
        widths = tracks[:, 5] * character.width_scale
        sound = through_tract(source, tract_response(tracks[:, :5], widths, self._upper))
        for noise in curves.noises:
            self._add_noise(sound, noise, from_s)
        return sound

    def _air(self, n_samples: int) -> Array:
        """White noise, (n,): pieces of one long draw, each from another place."""
        pieces = []
        while n_samples > 0:
            start = self._dice.integer(0, _BREATH_POINTS // 2)
            pieces.append(self._white[start : start + n_samples])
            n_samples -= pieces[-1].size
        return np.concatenate(pieces)

    def _intake(self, times_s: Curve, start_s: float) -> Curve:
        """Breath taken just before a phrase."""
        length_s = self._dice.uniform(0.2, 0.5)
        place = (times_s - (start_s - length_s - 0.04)) / length_s
        level = self._character.intake * self._dice.uniform(0.3, 1.0)
        return level * np.where((place > 0) & (place < 1), np.sin(np.pi * place) ** 2, 0.0)

    def _add_noise(self, sound: Array, noise: Noise, from_s: float) -> None:
        """Lay one consonant's noise over the phrase."""
        first = round((noise.start_s - from_s) * SAMPLE_RATE_HZ)
        length = min(round(noise.duration_s * SAMPLE_RATE_HZ), POOL_SAMPLES, sound.size - first)
        if length < 8:
            return
        start = self._dice.integer(0, POOL_SAMPLES - length)
        place = (np.arange(length, dtype=np.float32) + 0.5) / np.float32(length)
        if noise.sharp:
            shape = np.exp(-5 * place) * (1 - place)
        else:
            shape = np.minimum(1.0, np.minimum(4 * place, 5 * (1 - place)))
        pool = self._hisses[noise.consonant][start : start + length]
        sound[first : first + length] += pool * shape * np.float32(noise.level * 0.5)


def _wander(points: int, every: int, dice: Dice) -> NDArray[np.float64]:
    """Slow chance: uniform draws `every` so many points, straight lines between, (points,)."""
    corners = dice.noise(points // every + 2).astype(np.float64)
    return np.interp(np.arange(points), np.arange(corners.size) * every, corners)


def _lines(corners: Array) -> Array:
    """Straight lines through values at every 64th sample, (k + 1,) to (64 k,)."""
    ramp = np.arange(STEP_SAMPLES, dtype=np.float32) / np.float32(STEP_SAMPLES)
    lines = (corners[1:] - corners[:-1])[:, None] * ramp
    lines += corners[:-1, None]
    result: Array = lines.reshape(-1)
    return result
