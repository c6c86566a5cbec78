"""The drum kit: every song has its own, each piece with several takes of one stroke."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemline.arrays import Array

from ..dice import Dice
from ..score import Hit, Piece
from .envelope import decay, fall, rise, samples, seconds
from .modulation import pan_gains
from .noise import band_noise
from .partials import ringing

LAYERS = ("kick", "snare", "toms", "hats", "ride", "crash")

_LAYER_OF: dict[Piece, str] = {
    "kick": "kick",
    "snare": "snare",
    "tom_high": "toms",
    "tom_mid": "toms",
    "tom_low": "toms",
    "hat_closed": "hats",
    "hat_open": "hats",
    "ride": "ride",
    "crash": "crash",
}

# RMS over the loudest 50 ms of a stroke of full velocity, and how far a kit strays from it in dB.
_LOUDNESS: dict[str, tuple[float, float]] = {
    "kick": (0.25, 3.0),
    "snare": (0.2, 3.0),
    "toms": (0.19, 3.0),
    "hats": (0.06, 5.0),
    "ride": (0.055, 4.0),
    "crash": (0.115, 4.0),
}

_N_TAKES = 3
_N_SHADES = 4
"""Brightnesses from the softest to the hardest stroke."""

Stroke = Callable[[Dice, float], Array]
"""A take's dice and its brightness, 0 to 1: gives (1 or 2, n_samples)."""


def _n_until_silent(time_constant_s: float, longest_s: float) -> int:
    return samples(min(7 * time_constant_s, longest_s))


def _swept(start_hz: float, end_hz: float, sweep_s: float, n_samples: int) -> Array:
    """A sine that falls from one frequency to another; begun off zero, it knocks."""
    # f(t) = f₁ + (f₀ − f₁) exp(−t/τ)  ⇒  φ(t) = 2π (f₁ t + (f₀ − f₁) τ (1 − exp(−t/τ)))
    time = seconds(n_samples)
    fallen = 1 - decay(n_samples, sweep_s)
    turns = np.float32(end_hz) * time + np.float32((start_hz - end_hz) * sweep_s) * fallen
    wave: Array = np.sin(np.float32(2 * np.pi) * turns + np.float32(0.6))
    return wave


def _burst(
    dice: Dice, time_constant_s: float, low_hz: float, high_hz: float, tilt_db: float = 0.0
) -> Array:
    """Noise that dies away, (n_samples,)."""
    n_samples = max(_n_until_silent(time_constant_s, 4.0), 64)
    noise = band_noise(dice, n_samples, low_hz, high_hz, tilt_db=tilt_db)[0]
    burst: Array = noise * decay(n_samples, time_constant_s)
    return burst


def _sum(*layers: Array) -> Array:
    """Sounds that begin together, each (n_samples,), as (1, longest)."""
    out = np.zeros((1, max(len(layer) for layer in layers)), np.float32)
    for layer in layers:
        out[0, : len(layer)] += layer
    return out


def _peaked(sound: Array, level: float) -> Array:
    """A sound whose loudest sample is at a level."""
    return sound * np.float32(level / (float(np.abs(sound).max(initial=0.0)) + 1e-9))


def _around(dice: Dice, spread: float) -> float:
    """A factor near 1."""
    return 1 + dice.uniform(-spread, spread)


def _kick(dice: Dice, electronic: bool) -> Stroke:
    end_hz = dice.uniform(40, 75) if electronic else dice.uniform(48, 105)
    start_ratio = dice.uniform(2, 9) if electronic else dice.uniform(1.3, 4)
    sweep_s = dice.uniform(0.008, 0.06) if electronic else dice.uniform(0.005, 0.03)
    long = electronic and dice.chance(0.3)
    body_s = dice.uniform(0.25, 0.6) if long else dice.uniform(0.05, 0.2)
    drive = dice.choice((0.0, dice.uniform(1.2, 5.0)), (0.6, 0.4))
    click_level = dice.uniform(0.05, 0.5) * (0.6 if long else 1.0)
    click_hz = dice.uniform(1200, 5000)
    click_s = dice.uniform(0.001, 0.008)
    thump = 0.0 if electronic else dice.uniform(0.1, 0.6)
    thump_s = dice.uniform(0.02, 0.09)
    overtone = dice.uniform(0.0, 0.4)
    overtone_ratio = dice.uniform(1.4, 2.6)
    hold_s = dice.uniform(0.0, 0.05)

    def stroke(take: Dice, brightness: float) -> Array:
        detune = _around(take, 0.01)
        n_samples = samples(min(6 * body_s + hold_s, 2.2))
        level = decay(n_samples, body_s)
        if hold_s:
            level = np.minimum(level * np.float32(np.exp(hold_s / body_s)), 1)
        low = _swept(end_hz * start_ratio * detune, end_hz * detune, sweep_s, n_samples) * level
        if overtone:
            second = _swept(
                end_hz * overtone_ratio * 1.5, end_hz * overtone_ratio, sweep_s, n_samples
            )
            low += np.float32(overtone) * second * decay(n_samples, 0.4 * body_s)
        if drive:
            low = np.tanh(np.float32(drive) * low) / np.float32(np.tanh(drive))
        click = _burst(take, click_s, 0.4 * click_hz, 2 * click_hz * (0.4 + brightness))
        beater = click_level * (0.3 + brightness)
        parts = [low, _peaked(click, beater * _around(take, 0.15))]
        if thump:
            room = _burst(take, thump_s, 60, 400 + 900 * brightness)
            parts.append(_peaked(room, thump * (0.5 + 0.5 * brightness)))
        return _sum(*parts)

    return stroke


def _snare(dice: Dice, electronic: bool) -> Stroke:
    kind = dice.choice(("drum", "clap", "rim"), (0.82, 0.12 if electronic else 0.04, 0.06))
    tune_hz = dice.uniform(140, 330)
    ratios = np.array(
        [1.0, dice.uniform(1.4, 1.75), dice.uniform(1.9, 2.4), dice.uniform(2.5, 3.6)]
    )
    weights = np.array([1.0, dice.uniform(0.2, 0.9), dice.uniform(0, 0.6), dice.uniform(0, 0.4)])
    ring_s = dice.uniform(0.02, 0.14)
    wires_s = dice.uniform(0.035, 0.16)
    low_hz = dice.uniform(250, 2200)
    high_hz = dice.uniform(4500, 14000)
    tilt_db = dice.uniform(-3, 1)
    wires = dice.uniform(0.35, 1.3)
    snap = dice.uniform(0.0, 0.7)
    sweep = dice.uniform(0.0, 0.6)
    gap_s = dice.uniform(0.007, 0.013)
    rim_hz = dice.uniform(380, 1700)
    layered = dice.chance(0.15)

    def clap(take: Dice, brightness: float) -> Array:
        tail = _burst(take, wires_s, 0.5 * low_hz + 400, high_hz * (0.4 + 0.6 * brightness))
        out = np.zeros(len(tail) + samples(4 * gap_s), np.float32)
        for number in range(3):
            at = samples(number * gap_s * _around(take, 0.1)) if number else 0
            clip = _burst(take, 0.004, 0.5 * low_hz + 400, high_hz)
            out[at : at + len(clip)] += _peaked(clip, 0.8)
        at = samples(3 * gap_s)
        out[at : at + len(tail)] += _peaked(tail, 1.0)
        return out[None]

    def rim(take: Dice, brightness: float) -> Array:
        n_samples = samples(0.12)
        tone = ringing(
            rim_hz * np.array([1.0, 1.53, 2.31, 3.7]) * _around(take, 0.01),
            np.array([1.0, 0.8, 0.5, 0.4 * brightness]),
            np.array([0.016, 0.012, 0.008, 0.004]),
            np.array([1.2, 1.0, 1.4, 1.1]),
            n_samples,
        )
        return _sum(_peaked(tone, 0.8), _peaked(_burst(take, 0.004, 1500, 9000), 0.4))

    def drum(take: Dice, brightness: float) -> Array:
        n_samples = _n_until_silent(ring_s, 1.0)
        detune = _around(take, 0.015)
        tone = ringing(
            tune_hz * ratios * detune,
            weights * np.array([1.0, _around(take, 0.3), _around(take, 0.3), brightness]),
            ring_s / ratios**0.7,
            np.array([1.3, 1.2, 1.4, 1.1]),
            n_samples,
        )
        if sweep:
            drop = _swept(tune_hz * (1 + 2 * sweep), tune_hz * detune, 0.012, n_samples)
            tone = tone + np.float32(sweep) * drop * decay(n_samples, 0.6 * ring_s)
        top_hz = high_hz * (0.35 + 0.65 * brightness)
        rattle = _burst(take, wires_s * (0.75 + 0.25 * brightness), low_hz, top_hz, tilt_db)
        stick = _burst(take, 0.003, 1800, 5000 + 7000 * brightness)
        return _sum(
            _peaked(tone, 0.8),
            _peaked(rattle, wires * (0.6 + 0.4 * brightness)),
            _peaked(stick, snap * (0.3 + 0.7 * brightness)),
        )

    def both(take: Dice, brightness: float) -> Array:
        return _sum(drum(take, brightness)[0], 0.6 * clap(take, brightness)[0])

    if kind == "clap":
        return clap
    if kind == "rim":
        return rim
    return both if layered else drum


def _tom(dice: Dice, electronic: bool, height: float) -> Stroke:
    # The dice are the kit's: the three toms are alike but for their size.
    tune_hz = dice.uniform(62, 120) * dice.uniform(1.25, 1.6) ** height
    drop = dice.uniform(1.2, 2.5) if electronic else dice.uniform(1.03, 1.5)
    sweep_s = dice.uniform(0.02, 0.12)
    body_s = dice.uniform(0.06, 0.28)
    overtones = np.array([dice.uniform(1.45, 1.7), dice.uniform(1.9, 2.4), dice.uniform(2.6, 3.3)])
    weights = np.array([dice.uniform(0.0, 0.5), dice.uniform(0.0, 0.3), dice.uniform(0.0, 0.2)])
    skin = dice.uniform(0.05, 0.5)
    skin_hz = dice.uniform(900, 4500)
    skin_s = dice.uniform(0.004, 0.05)

    def stroke(take: Dice, brightness: float) -> Array:
        n_samples = _n_until_silent(body_s, 1.6)
        pitch_hz = tune_hz * _around(take, 0.008)
        bend = 1 + (drop - 1) * (0.4 + 0.6 * brightness)
        tone = _swept(pitch_hz * bend, pitch_hz, sweep_s, n_samples) * decay(n_samples, body_s)
        tone += ringing(
            pitch_hz * overtones,
            weights * (0.3 + 0.7 * brightness),
            body_s / overtones,
            np.array([1.2, 1.3, 1.1]),
            n_samples,
        )
        hit = _burst(take, skin_s, 120, skin_hz * (0.5 + brightness))
        return _sum(_peaked(tone, 1.0), _peaked(hit, skin * (0.4 + 0.6 * brightness)))

    return stroke


def _metal(
    dice: Dice, electronic: bool, lowest_hz: float, highest_hz: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies and amplitudes of a plate: six square waves, or a cloud of modes."""
    if electronic and dice.chance(0.7):
        roots = [dice.uniform(200, 900) for _ in range(6)]
        pairs = [
            (root * odd, 1 / odd)
            for root in roots
            for odd in range(1, 80, 2)
            if lowest_hz < root * odd < highest_hz
        ]
        kept = pairs[:: max(1, len(pairs) // 90)]
        frequencies = np.array([pair[0] for pair in kept])
        # What such a machine's high-pass leaves rises with frequency.
        return frequencies, np.array([pair[1] for pair in kept]) * frequencies / 3000
    count = dice.integer(24, 80)
    span = highest_hz / lowest_hz
    frequencies = np.array([lowest_hz * span ** dice.fraction() for _ in range(count)])
    amplitudes = np.array([dice.uniform(0.05, 1) ** 2 for _ in range(count)])
    return frequencies, amplitudes


def _modes(
    frequencies: NDArray[np.float64],
    amplitudes: NDArray[np.float64],
    time_constant_s: float,
    brightness: float,
    take: Dice,
    n_samples: int,
    high_dies: float = 0.3,
) -> Array:
    """The ringing of a plate struck somewhere, its loudest sample at 1."""
    wander = 0.5 + 0.5 * np.abs(take.noise(len(frequencies)).astype(np.float64))
    phases = take.noise(len(frequencies)).astype(np.float64) * np.pi
    # A soft stroke leaves the high modes asleep.
    tilt = (frequencies / 3000.0) ** (0.9 * (brightness - 0.8))
    times = time_constant_s * (frequencies / 4000.0) ** -high_dies
    return _peaked(
        ringing(
            frequencies,
            amplitudes * wander * tilt,
            times,
            phases,
            n_samples,
        ),
        1.0,
    )


def _hat(dice: Dice, electronic: bool, opened: bool) -> Stroke:
    # The dice are the kit's for both strokes: one pair of cymbals.
    lowest_hz = dice.uniform(1500, 6500)
    frequencies, amplitudes = _metal(dice, electronic, lowest_hz, 17000)
    closed_s, open_s = dice.uniform(0.009, 0.04), dice.uniform(0.08, 0.25)
    hiss = dice.uniform(0.2, 2.0)
    metal = dice.uniform(0.15, 1.0)
    low_hz = lowest_hz * dice.uniform(0.8, 1.8)
    tick = dice.uniform(0.0, 0.5)

    def stroke(take: Dice, brightness: float) -> Array:
        ring_s = (open_s if opened else closed_s) * (0.8 + 0.3 * brightness) * _around(take, 0.1)
        n_samples = _n_until_silent(ring_s, 1.3)
        level = decay(n_samples, ring_s)
        top_hz = 8000 + 9000 * brightness
        wash = band_noise(take, n_samples, low_hz, top_hz, 3.0)[0] * level
        parts = [_peaked(wash, hiss)]
        plate = _modes(frequencies, amplitudes, ring_s, brightness, take, n_samples, 0.1)
        parts.append(metal * plate)
        if tick:
            parts.append(_peaked(_burst(take, 0.002, 2500, 9000), tick * brightness))
        return _sum(*parts)

    return stroke


def _ride(dice: Dice, electronic: bool) -> Stroke:
    frequencies, amplitudes = _metal(dice, electronic, dice.uniform(280, 1200), 15000)
    bell_hz = dice.uniform(500, 1400)
    bell = dice.uniform(0.0, 0.5)
    bell_ratios = np.array([1.0, 1.48, 2.07, 2.74, 3.9]) * dice.uniform(0.97, 1.05)
    ring_s = dice.uniform(0.18, 0.8)
    wash = dice.uniform(0.05, 0.5)
    ping_hz = dice.uniform(2500, 6500)
    ping = dice.uniform(0.2, 0.9)
    width = dice.uniform(0.0, 0.4)

    def stroke(take: Dice, brightness: float) -> Array:
        n_samples = _n_until_silent(ring_s, 3.0)
        tone = _modes(frequencies, amplitudes, ring_s, brightness, take, n_samples)
        if bell:
            tone = tone + ringing(
                bell_hz * bell_ratios,
                bell * np.array([1.0, 0.8, 0.7, 0.5, 0.4]),
                ring_s / bell_ratios**0.5,
                np.ones(5),
                n_samples,
            )
        stick = _peaked(_burst(take, 0.006, 0.6 * ping_hz, 1.6 * ping_hz), ping * brightness)
        tone[: len(stick)] += stick[: len(tone)]
        air = band_noise(take, n_samples, 3000, 9000 + 6000 * brightness, channels=2)
        air *= decay(n_samples, 0.6 * ring_s) * np.float32(0.33 * wash)
        air = (1 - width) * air[:1] + width * air
        return tone + air

    return stroke


def _crash(dice: Dice, electronic: bool) -> Stroke:
    frequencies, amplitudes = _metal(dice, electronic, dice.uniform(300, 1500), 16000)
    ring_s = dice.uniform(0.25, 0.85)
    hiss, metal = dice.uniform(0.5, 1.5), dice.uniform(0.1, 0.9)
    low_hz = dice.uniform(500, 3000)
    bloom_s = dice.uniform(0.0, 0.012)
    width = dice.uniform(0.1, 0.7)

    def stroke(take: Dice, brightness: float) -> Array:
        n_samples = _n_until_silent(ring_s, 3.2)
        # The top of the noise dies before its middle.
        high = band_noise(take, n_samples // 2, 5000, 10000 + 7000 * brightness, channels=2)
        high *= decay(n_samples // 2, 0.35 * ring_s)
        wash = band_noise(take, n_samples, low_hz, 7000, channels=2) * decay(n_samples, ring_s)
        wash[:, : n_samples // 2] += np.float32(0.4 + 0.8 * brightness) * high
        wash = (1 - width) * wash[:1] + width * wash
        if bloom_s:
            n_bloom = samples(bloom_s)
            wash[:, :n_bloom] *= 0.35 + 0.65 * rise(n_bloom)
        plate = _modes(frequencies, amplitudes, ring_s, brightness, take, n_samples)
        return np.float32(0.3 * hiss) * wash + np.float32(metal) * plate

    return stroke


@dataclass
class _Kit:
    """One song's pieces, and the strokes already made."""

    strokes: dict[Piece, Stroke]
    places: dict[Piece, float]
    levels: dict[Piece, float]
    dice: Dice
    made: dict[tuple[Piece, int, int], Array]

    def sound(self, piece: Piece, take: int, shade: int) -> Array:
        """A stroke as (2, n_samples), its loudness that of full velocity."""
        key = (piece, take, shade)
        if key not in self.made:
            dice = self.dice.child(piece, str(take))
            raw = self.strokes[piece](dice, shade / (_N_SHADES - 1))
            # The loudest 50 ms lie at the start of every piece.
            head = raw[:, : samples(0.05)]
            loud = float(np.sqrt(np.square(head).sum() / (len(head) * samples(0.05))))
            raw = raw * np.float32(self.levels[piece] / (loud + 1e-9))
            n_fade = min(256, raw.shape[1])
            raw[:, raw.shape[1] - n_fade :] *= fall(n_fade)
            left, right = pan_gains(self.places[piece])
            stereo = np.stack([raw[0] * np.float32(left), raw[-1] * np.float32(right)])
            self.made[key] = np.ascontiguousarray(stereo, np.float32)
        return self.made[key]


def _kit(dice: Dice) -> _Kit:
    electronic = dice.chance(0.35)

    def mixed() -> bool:
        return electronic if dice.chance(0.85) else not electronic

    strokes: dict[Piece, Stroke] = {
        "kick": _kick(dice.child("kick"), mixed()),
        "snare": _snare(dice.child("snare"), mixed()),
        "ride": _ride(dice.child("ride"), mixed()),
        "crash": _crash(dice.child("crash"), mixed()),
    }
    toms_electronic, hats_electronic = mixed(), mixed()
    toms: tuple[Piece, ...] = ("tom_low", "tom_mid", "tom_high")
    for height, tom in enumerate(toms):
        strokes[tom] = _tom(dice.child("toms"), toms_electronic, height)
    strokes["hat_closed"] = _hat(dice.child("hats"), hats_electronic, False)
    strokes["hat_open"] = _hat(dice.child("hats"), hats_electronic, True)

    side = dice.choice((-1.0, 1.0))
    width = dice.uniform(0.0, 0.8)
    places: dict[Piece, float] = {
        "kick": 0.0,
        "snare": dice.uniform(-0.1, 0.1),
        "hat_closed": side * width * dice.uniform(0.3, 0.9),
        "ride": -side * width * dice.uniform(0.2, 0.9),
        "crash": side * width * dice.uniform(-0.9, 0.9),
        "tom_high": side * width * 0.6,
        "tom_mid": 0.0,
        "tom_low": -side * width * 0.7,
    }
    places["hat_open"] = places["hat_closed"]
    gains: dict[str, float] = {}
    for layer, (level, spread_db) in _LOUDNESS.items():
        gains[layer] = level * 10 ** (dice.uniform(-spread_db, spread_db) / 20)
    levels = {piece: gains[layer] for piece, layer in _LAYER_OF.items()}
    return _Kit(strokes, places, levels, dice.child("takes"), {})


def render_drums(hits: Sequence[Hit], n_samples: int, dice: Dice) -> dict[str, Array]:
    """The drums, layer by layer.

    A stroke's velocity sets its gain and its brightness; an open hat rings until the next stroke
    on the hats.

    Parameters
    ----------
    hits
        The strokes, in any order; what lies beyond the end is cut.
    n_samples
        Length.
    dice
        Make the kit.

    Returns
    -------
    dict[str, Array]
        For each of `LAYERS` (2, n_samples), dry.
    """
    layers = {layer: np.zeros((2, n_samples), np.float32) for layer in LAYERS}
    kit = _kit(dice.child("kit"))
    curve = dice.uniform(1.0, 1.7)
    choke_samples = samples(dice.uniform(0.006, 0.03))
    takes = dice.child("order")
    played = sorted(hits, key=lambda hit: (hit.start_s, hit.piece))
    hat_times = [samples(hit.start_s) for hit in played if _LAYER_OF[hit.piece] == "hats"]
    hats_seen = 0
    last_take: dict[Piece, int] = {}
    for hit in played:
        layer = _LAYER_OF[hit.piece]
        # Never the same take twice running.
        n_takes = 2 if hit.piece in ("crash", "ride") else _N_TAKES
        take = (last_take.get(hit.piece, 0) + takes.integer(1, n_takes - 1)) % n_takes
        last_take[hit.piece] = take
        shade = min(_N_SHADES - 1, max(0, round(hit.velocity * (_N_SHADES - 1))))
        sound = kit.sound(hit.piece, take, shade)
        start = samples(hit.start_s)
        if layer == "hats":
            hats_seen += 1
            after = hat_times[hats_seen] if hats_seen < len(hat_times) else n_samples
            if hit.piece == "hat_open" and start < after < start + sound.shape[1]:
                length = min(sound.shape[1], after - start + choke_samples)
                sound = sound[:, :length].copy()
                sound[:, after - start :] *= fall(length - (after - start))
        stop = min(start + sound.shape[1], n_samples)
        if start < 0 or stop <= start:
            continue
        gain = np.float32(max(hit.velocity, 0.0) ** curve)
        layers[layer][:, start:stop] += gain * sound[:, : stop - start]
    return layers
