"""The voice's source: one pulse of the vocal folds as band-limited wavetables, and its reading."""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from stemline.arrays import Array

SAMPLE_RATE_HZ = 44100
PHASE_BITS = 13
TABLE_POINTS = 1 << PHASE_BITS
"""One table holds two periods, so that a creaky voice can have every second pulse weaker."""
LOWEST_LEVEL_HZ = 40.0
LEVELS = 14
"""Half an octave each: 40 Hz up to 3.6 kHz."""
HIGHEST_HARMONIC_HZ = 19500.0


@dataclass(frozen=True, slots=True)
class Pulse:
    """The shape of one period of the flow's derivative, times as parts of the period."""

    open_quotient: float
    """Time of the strongest excitation, the closing of the folds."""
    skew: float
    """How much shorter the closing is than the opening: (te - tp) / tp."""
    return_part: float
    """The time constant of the return after closing; a longer one has less treble."""
    tilt: float
    """The harmonic h is multiplied by h**tilt; above 0 it buzzes."""
    second: float
    """Level of every second pulse; 1 in a plain voice."""
    second_shift: float
    """How much later every second pulse comes."""


def lf_period(pulse: Pulse, points: int) -> NDArray[np.float64]:
    """One period of the Liljencrants–Fant model of the flow's derivative, (points,).

    Until te:  e(t) = exp(a t) sin(pi t / tp);  after it, with r = 1 / ta:
    e(t) = -(exp(-r (t - te)) - exp(-r (1 - te))) / (1 - exp(-r (1 - te))), both scaled to meet
    in -1 at te. The growth `a` is found by halving so that the flow comes back to zero.

    Source: G. Fant, J. Liljencrants, Q. Lin, "A four-parameter model of glottal flow",
    STL-QPSR 4/1985; with r approximated as 1 / ta.
    """
    time = (np.arange(points) + 0.5) / points
    closing = pulse.open_quotient
    peak = closing / (1.0 + pulse.skew)
    opened = time < closing
    rate = 1.0 / pulse.return_part
    left = np.exp(-rate * (1.0 - closing))
    back = -(np.exp(-rate * np.maximum(time - closing, 0.0)) - left) / (1.0 - left)
    back_area = float(back[~opened].sum())
    wave = np.sin(np.pi * time / peak)
    depth = -np.sin(np.pi * closing / peak)
    low, high = -40.0, 200.0
    period: NDArray[np.float64] = back
    for _ in range(50):
        growth = 0.5 * (low + high)
        shape = np.exp(growth * (time - closing)) * wave / depth
        period = np.where(opened, shape, back)
        # Faster growth leaves less area before the closing.
        if float(shape[opened].sum()) + back_area > 0:
            low = growth
        else:
            high = growth
    period -= period.mean()
    return period


def pulse_tables(pulse: Pulse) -> Array:
    """Wavetables for rising pitch, (LEVELS, TABLE_POINTS), RMS of the first one 1.

    Level j is for pitches up to 40 · 2^(j/2) Hz and holds only harmonics that stay below
    19.5 kHz there.
    """
    half = TABLE_POINTS // 2
    period = lf_period(pulse, half)
    shift = round(pulse.second_shift * half)
    both = np.concatenate((period, pulse.second * np.roll(period, shift)))
    spectrum = scipy.fft.rfft(both)
    harmonic = np.arange(spectrum.size) / 2.0
    spectrum *= np.maximum(harmonic, 0.5) ** pulse.tilt
    spectrum[0] = 0
    tables = np.empty((LEVELS, TABLE_POINTS), np.float32)
    scale = 1.0
    for level in range(LEVELS):
        highest = HIGHEST_HARMONIC_HZ / (LOWEST_LEVEL_HZ * 2.0 ** (level / 2))
        table = scipy.fft.irfft(np.where(harmonic <= highest, spectrum, 0), TABLE_POINTS)
        if level == 0:
            scale = 1.0 / float(np.sqrt(np.mean(table**2)))
        tables[level] = table * scale
    return tables


def open_window(open_quotient: float) -> Array:
    """When the folds let air through, 0 to 1 over the two periods of a table, (TABLE_POINTS,)."""
    time = (np.arange(TABLE_POINTS) * (2.0 / TABLE_POINTS)) % 1.0
    inside = time < open_quotient
    window = np.where(inside, np.sin(np.pi * time / open_quotient) ** 2, 0.0)
    return window.astype(np.float32)


def table_levels(pitch_hz: Array) -> NDArray[np.int32]:
    """The table for each pitch; see `pulse_tables`."""
    levels = np.ceil(2.0 * np.log2(pitch_hz / LOWEST_LEVEL_HZ))
    result: NDArray[np.int32] = np.clip(levels, 0, LEVELS - 1).astype(np.int32)
    return result


def phase_of(pitch_hz: Array) -> NDArray[np.int32]:
    """Positions in the tables for a pitch at every sample, (n,) to (n,), 0 to TABLE_POINTS - 1.

    A table is two periods, so 32 bits of phase turn over once in two of them. Sums wrap around
    as the phase does.
    """
    steps = (pitch_hz * np.float32(2.0**31 / SAMPLE_RATE_HZ)).astype(np.int32)
    phase = np.cumsum(steps, dtype=np.int32).view(np.uint32)
    return (phase >> np.uint32(32 - PHASE_BITS)).view(np.int32)
