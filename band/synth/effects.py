"""Tone and room: one linear filter a stem, and saturation, which is not linear."""

from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.signal
from numpy.typing import NDArray

from stemline.arrays import Array

from ..dice import Dice

Response = NDArray[np.complex64]

SAMPLE_RATE_HZ = 44100
LEAST_BLOCK, GREATEST_BLOCK = 1 << 15, 1 << 18
FRAME_SAMPLES = 2048
RINGING_SAMPLES = 4096
"""Room for what an equaliser rings on; its poles are short beside it."""


@dataclass(frozen=True, slots=True)
class Filter:
    """An equaliser and a room in one: two channels' responses for blocks of one length."""

    responses: Response
    """(2, block // 2 + 1)."""
    block: int
    ringing: int
    """Samples the filter goes on sounding after its input."""

    def apply(self, stereo: Array) -> Array:
        """The filtered sound, (2, n) to (2, n), by overlap-add; what rings past the end is lost."""
        n_samples = stereo.shape[1]
        hop = self.block - self.ringing
        result = np.zeros_like(stereo)
        for start in range(0, n_samples, hop):
            piece = stereo[:, start : start + hop]
            if not piece.any():
                continue
            spectrum = scipy.fft.rfft(piece, self.block, axis=1)
            spectrum *= self.responses
            sound = scipy.fft.irfft(spectrum, self.block, axis=1, overwrite_x=True)
            end = min(start + self.block, n_samples)
            result[:, start:end] += sound[:, : end - start]
        return result


def room(dice: Dice, *, wet_db: float, decay_s: float) -> Array:
    """An impulse response, (2, n): the sound itself, then reflections, then a tail.

    Tail: two bands of noise, n(t) · 10^(-3 t / T60); the upper one dies away sooner, as in a
    room whose walls take the treble.

    Parameters
    ----------
    dice
        The room's chance.
    wet_db
        Energy of everything that comes back, beside the sound itself.
    decay_s
        T60 of the lower band.
    """
    length = int((0.06 + 0.7 * decay_s) * SAMPLE_RATE_HZ)
    time_s = np.arange(length, dtype=np.float32) / np.float32(SAMPLE_RATE_HZ)
    dark_hz = dice.uniform(1500.0, 7000.0)
    keep = float(np.exp(-2 * np.pi * dark_hz / SAMPLE_RATE_HZ))
    sooner = dice.uniform(0.15, 0.6)
    slow = np.exp(np.float32(-6.908 / decay_s) * time_s)
    fast = np.exp(np.float32(-6.908 / (decay_s * sooner)) * time_s)
    begin = int(dice.uniform(0.005, 0.05) * SAMPLE_RATE_HZ)
    tail = np.zeros((2, length), np.float32)
    coefficients = np.array([1 - keep], np.float32), np.array([1, -keep], np.float32)
    for channel in tail:
        white = dice.noise(length)
        low: Array = scipy.signal.lfilter(*coefficients, white).astype(np.float32)
        channel[begin:] = (low * slow + (white - low) * fast)[: length - begin]
    narrow = dice.uniform(0.0, 0.5)
    tail = (1 - narrow) * tail + narrow * tail[::-1]
    tail /= np.sqrt(np.sum(tail**2, axis=1).mean())
    early = np.zeros((2, length), np.float32)
    for _ in range(dice.integer(4, 12)):
        late_s = dice.uniform(0.004, 0.055)
        level = dice.choice((-1, 1)) * np.exp(-30 * late_s) * dice.uniform(0.4, 1.0)
        side = dice.uniform(0.0, 1.0)
        at = int(late_s * SAMPLE_RATE_HZ)
        early[0, at] += level * np.sqrt(1 - side)
        early[1, at] += level * np.sqrt(side)
    early /= np.sqrt(np.sum(early**2, axis=1).mean())
    share = dice.uniform(0.15, 0.7)
    wet = np.sqrt(share) * early + np.sqrt(1 - share) * tail
    wet *= np.float32(10.0 ** (wet_db / 20.0))
    wet[:, 0] += 1.0
    result: Array = wet.astype(np.float32)
    return result


def equaliser(dice: Dice, frequencies_hz: NDArray[np.float64], *, reach_db: float) -> Response:
    """A smooth random tone: two shelves and one to three bells, (bins,).

    Each is a second-order section, H(z) = (b0 + b1 z^-1 + b2 z^-2) / (a0 + a1 z^-1 + a2 z^-2).

    Source: R. Bristow-Johnson, "Audio EQ Cookbook", W3C Note, 2021.
    """
    delay = np.exp(-2j * np.pi * frequencies_hz / SAMPLE_RATE_HZ)
    response = np.ones(frequencies_hz.size, np.complex128)
    response *= _shelf(delay, dice.uniform(80.0, 400.0), reach_db * dice.uniform(-1, 1), -1)
    response *= _shelf(delay, 1500.0 * 5.0 ** dice.fraction(), reach_db * dice.uniform(-1, 1), 1)
    for _ in range(dice.integer(1, 3)):
        middle_hz = 150.0 * 60.0 ** dice.fraction()
        response *= _bell(delay, middle_hz, reach_db * dice.uniform(-1, 1), dice.uniform(0.4, 2.0))
    return response.astype(np.complex64)


def _bell(
    delay: NDArray[np.complex128], middle_hz: float, gain_db: float, quality: float
) -> NDArray[np.complex128]:
    turn = 2 * np.pi * middle_hz / SAMPLE_RATE_HZ
    amplitude, alpha = 10.0 ** (gain_db / 40.0), np.sin(turn) / (2 * quality)
    middle = -2 * np.cos(turn) * delay
    above = (1 + alpha * amplitude) + middle + (1 - alpha * amplitude) * delay**2
    below = (1 + alpha / amplitude) + middle + (1 - alpha / amplitude) * delay**2
    result: NDArray[np.complex128] = above / below
    return result


def _shelf(
    delay: NDArray[np.complex128], corner_hz: float, gain_db: float, side: int
) -> NDArray[np.complex128]:
    """A shelf of slope 1; side +1 lifts what is above the corner, -1 what is below."""
    turn = 2 * np.pi * corner_hz / SAMPLE_RATE_HZ
    # The low shelf is the high one's formula with the sign of every cosine turned.
    a, cosine = 10.0 ** (gain_db / 40.0), side * np.cos(turn)
    root = np.sqrt(a) * np.sin(turn) * np.sqrt(2.0)
    more, less = (a + 1) + (a - 1) * cosine, (a + 1) - (a - 1) * cosine
    above = a * (
        (more + root) - 2 * side * ((a - 1) + (a + 1) * cosine) * delay + (more - root) * delay**2
    )
    below = (
        (less + root) + 2 * side * ((a - 1) - (a + 1) * cosine) * delay + (less - root) * delay**2
    )
    result: NDArray[np.complex128] = above / below
    return result


def channel(
    dice: Dice, *, reach_db: float, wet_db: tuple[float, float], dry_chance: float
) -> Filter:
    """A stem's tone and room, drawn.

    Parameters
    ----------
    dice
        The stem's chance.
    reach_db
        Of the equaliser's shelves and bells.
    wet_db
        Range of the room's level.
    dry_chance
        How often there is no room.
    """
    if dice.chance(dry_chance):
        impulse = np.zeros((2, 1), np.float32)
        impulse[:, 0] = 1.0
    else:
        decay_s = 0.3 * (2.5 / 0.3) ** (dice.fraction() ** 1.3)
        impulse = room(dice.child("room"), wet_db=dice.uniform(*wet_db), decay_s=decay_s)
    ringing = impulse.shape[1] + RINGING_SAMPLES
    block = LEAST_BLOCK
    while block < 3 * ringing and block < GREATEST_BLOCK:
        block *= 2
    frequencies_hz = scipy.fft.rfftfreq(block, 1 / SAMPLE_RATE_HZ)
    responses = scipy.fft.rfft(impulse, block, axis=1)
    responses *= equaliser(dice.child("tone"), frequencies_hz, reach_db=reach_db)
    return Filter(responses.astype(np.complex64), block, ringing)


def compress(stereo: Array, amount: float) -> Array:
    """Even out loudness, as a singer's channel on a desk does, (2, n) to (2, n).

    gain = (e + e0)^(-amount / 2), e the power about each moment (mean over about 60 ms), e0 a
    hundredth of the mean of the louder moments, which keeps rests from being lifted.
    """
    step = 512
    n_samples = stereo.shape[1]
    frames = n_samples // step + 1
    squares = np.zeros(frames * step, np.float32)
    np.einsum("cn,cn->n", stereo, stereo, out=squares[:n_samples])
    power = squares.reshape(frames, step).mean(axis=1, dtype=np.float64)
    total = float(power.sum())
    if total == 0:
        return stereo
    loud = float(np.square(power).sum()) / total
    smooth = np.convolve(np.pad(power, 3, mode="edge"), np.full(5, 0.2), "valid")
    gain = ((smooth / loud + 0.01) ** (-0.5 * amount)).astype(np.float32)
    # Frame k's gain holds in its middle: corners lie half a frame to either side of its edges.
    corners = 0.5 * (gain[1:] + gain[:-1])
    ramp = np.arange(step, dtype=np.float32) / np.float32(step)
    lines = (corners[1:] - corners[:-1])[:, None] * ramp + corners[:-1, None]
    result: Array = stereo * lines.reshape(-1)[:n_samples]
    return result


def saturate(stereo: Array, ceiling: float) -> Array:
    """A soft ceiling, c · tanh(x / c): well below it nothing changes."""
    if ceiling <= 0:
        return stereo
    result = stereo * np.float32(1 / ceiling)
    np.tanh(result, out=result)
    result *= np.float32(ceiling)
    return result


def loudness(stereo: Array) -> float:
    """RMS over the time in which something sounds.

    level² = sum_k e_k^(3/2) / sum_k e_k^(1/2) with the mean power e_k of frame k: frames count
    by their own amplitude, so rests do not, and there is no threshold to fall on either side of.
    """
    frames = stereo.shape[1] // FRAME_SAMPLES
    cut = stereo[:, : frames * FRAME_SAMPLES].reshape(2, frames, FRAME_SAMPLES)
    power = np.einsum("ckn,ckn->k", cut, cut, optimize=False).astype(np.float64)
    power /= 2 * FRAME_SAMPLES
    amplitude = np.sqrt(power)
    total = float(amplitude.sum())
    return float(np.sqrt((power * amplitude).sum() / total)) if total > 0 else 0.0
