"""Sounds as a picture: a waveform and a spectrogram of each, one below the other, in one PNG."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemline.arrays import Array
from stemline.errors import MissingExtraError
from stemline.preprocessing.stft import Stft

_N_FFT = 4096  # 11 Hz a bin: the axis shows the bass as wide as the treble
_WAVE_COLUMNS = 600  # what the left half has in pixels
_FRAMES = 900
_FLOOR_DB = -70.0
_LOWEST_HZ, _HIGHEST_HZ = 40.0, 16_000.0
_TICKS_HZ = (100, 1000, 10_000)
_INCHES_WIDE, _INCHES_A_ROW, _DPI = 12.0, 1.85, 100
_COLOURS = ("#444444", "#c0392b", "#2471a3", "#b7791f", "#1e8449", "#7d3c98", "#117a65")


@dataclass(frozen=True)
class Sound:
    """One row of the picture."""

    name: str
    samples: Array
    """(channels, n_samples)."""
    remark: str = ""


def check_can_draw() -> None:
    """Raise MissingExtraError without matplotlib, before what takes long."""
    _figure(1)


def draw_sounds(path: Path, title: str, sounds: Sequence[Sound], sample_rate_hz: int) -> None:
    """Draw sounds of one length, all on the same scales.

    Raises MissingExtraError, or OSError when the file cannot be written.
    """
    figure = _figure(len(sounds))
    rows = figure.subplots(len(sounds), 2, sharex=True, squeeze=False, width_ratios=(5, 6))
    spectra = [_power(sound.samples) for sound in sounds]
    full = float(max(np.max(power) for power in spectra)) or 1.0
    peak = float(max(np.max(np.abs(sound.samples)) for sound in sounds)) or 1.0
    seconds = sounds[0].samples.shape[1] / sample_rate_hz
    image = None
    for index, (sound, power, (left, right)) in enumerate(zip(sounds, spectra, rows, strict=True)):
        _draw_wave(left, sound.samples, seconds, _COLOURS[index % len(_COLOURS)])
        left.set_ylim(-1.05 * peak, 1.05 * peak)
        left.set_title(sound.name, loc="left", fontweight="bold", fontsize="large")
        left.set_title(sound.remark, loc="right", fontsize="medium")
        image = _draw_spectrogram(right, power / full, seconds, sample_rate_hz)
    for column in rows[-1]:
        column.set_xlabel("seconds")
        column.set_xlim(0, seconds)
    figure.colorbar(image, ax=rows[:, 1], label="dB, 0 at the loudest", pad=0.01, aspect=60)
    figure.suptitle(title, fontsize="large")
    figure.savefig(path, dpi=_DPI)


def _draw_wave(axes: Any, samples: Array, seconds: float, colour: str) -> None:
    """The lowest and the highest sample of each stretch: no peak is lost at any width."""
    n_stretches = min(_WAVE_COLUMNS, samples.shape[1])
    edges = np.linspace(0, samples.shape[1], n_stretches, endpoint=False).astype(np.int64)
    low = np.minimum.reduceat(samples.min(axis=0), edges)
    high = np.maximum.reduceat(samples.max(axis=0), edges)
    axes.fill_between(
        (edges + 0.5) / samples.shape[1] * seconds, low, high, color=colour, linewidth=0.4
    )
    axes.grid(alpha=0.3)


def _draw_spectrogram(
    axes: Any, power: NDArray[np.float32], seconds: float, sample_rate_hz: int
) -> Any:
    """Power (n_bins, n_frames), 1 at the loudest → an image with a logarithmic frequency axis."""
    decibels = 10 * np.log10(np.maximum(power, 10 ** (_FLOOR_DB / 10)))
    bins_hz = np.arange(power.shape[0]) * sample_rate_hz / _N_FFT
    times_s = np.linspace(0, seconds, power.shape[1])
    image = axes.pcolormesh(
        times_s, bins_hz, decibels, cmap="magma", vmin=_FLOOR_DB, vmax=0, rasterized=True
    )
    axes.set_yscale("log")
    axes.set_ylim(_LOWEST_HZ, min(_HIGHEST_HZ, sample_rate_hz / 2))
    axes.set_yticks(_TICKS_HZ, [f"{hz / 1000:g} kHz" if hz >= 1000 else f"{hz} Hz"
                                for hz in _TICKS_HZ])  # fmt: skip
    axes.minorticks_off()
    return image


def _power(samples: Array) -> NDArray[np.float32]:
    """(channels, n_samples) → (n_bins, n_frames), the mean over channels."""
    n_samples = max(samples.shape[1], _N_FFT)  # a shorter sound is followed by silence
    padded = np.pad(samples, ((0, 0), (0, n_samples - samples.shape[1])))
    hop_samples = max(1, n_samples // _FRAMES)
    spectra = Stft(_N_FFT, hop_samples, _N_FFT // 2 + 1)(padded)
    power: NDArray[np.float32] = np.mean(np.abs(spectra) ** 2, axis=0)
    return power


def _figure(n_rows: int) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "bench") from error
    # Not by pyplot, which would open a display and keep every figure.
    return Figure(figsize=(_INCHES_WIDE, 1.0 + _INCHES_A_ROW * n_rows), layout="constrained")
