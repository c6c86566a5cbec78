"""The stems of `stemline demo` as a picture: a waveform and a spectrogram of each, in one PNG."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stemline.arrays import Array
from stemline.preprocessing.stft import Stft

from ..beat_plot import waveform_of
from .demo_report import figure as figure_of

_N_FFT = 4096  # 11 Hz a bin: the axis shows the bass as wide as the treble
_FRAMES = 900
_FLOOR_DB = -70.0
_LOWEST_HZ, _HIGHEST_HZ = 40.0, 16_000.0
_TICKS = {100: "100 Hz", 1000: "1 kHz", 10_000: "10 kHz"}
_INCHES_WIDE, _INCHES_A_ROW, _DPI = 12.0, 1.85, 100
_COLOURS = ("#444444", "#c0392b", "#2471a3", "#b7791f", "#1e8449", "#7d3c98", "#117a65")


def draw_stems(
    path: Path,
    title: str,
    sounds: Mapping[str, Array],
    scores: Sequence[Mapping[str, Any]],
    sample_rate_hz: int,
) -> None:
    """Draw a mixture and then its stems (channels, n_samples), all on the same scales.

    `scores` are the report's, a row a stem. Raises OSError when the file cannot be written.
    """
    from matplotlib.figure import Figure  # not pyplot, which would open a display

    remarks = [""]
    for score in scores:
        before, after = (figure_of(score[name]) for name in ("mixture_si_sdr_db", "si_sdr_db"))
        remarks.append(f"SI-SDR {after}, in the mixture {before}")
    size = _INCHES_WIDE, 1.0 + _INCHES_A_ROW * len(sounds)
    figure = Figure(figsize=size, layout="constrained")
    rows = figure.subplots(len(sounds), 2, sharex=True, width_ratios=(5, 6))
    spectra = {name: _power(samples) for name, samples in sounds.items()}
    full = float(max(np.max(power) for power in spectra.values())) or 1.0
    peak = float(max(np.max(np.abs(samples)) for samples in sounds.values())) or 1.0
    drawn = zip(sounds.items(), remarks, _COLOURS, rows, strict=False)
    for (name, samples), remark, colour, (left, right) in drawn:
        wave = waveform_of([samples], sample_rate_hz)
        times_s = (np.arange(len(wave.low)) + 0.5) * wave.stretch_s
        left.fill_between(times_s, wave.low, wave.high, color=colour, linewidth=0.4)
        left.grid(alpha=0.3)
        left.set_ylim(-1.05 * peak, 1.05 * peak)
        left.set_title(name, loc="left", fontweight="bold", fontsize="large")
        left.set_title(remark, loc="right", fontsize="medium")
        image = _draw_spectrogram(right, spectra[name] / full, wave.duration_s, sample_rate_hz)
    for column in rows[-1]:
        column.set_xlabel("seconds")
        column.set_xlim(0, wave.duration_s)
    figure.colorbar(image, ax=rows[:, 1], label="dB, 0 at the loudest", pad=0.01, aspect=60)
    figure.suptitle(title, fontsize="large")
    figure.savefig(path, dpi=_DPI)


def _draw_spectrogram(axes: Any, power: Array, seconds: float, sample_rate_hz: int) -> Any:
    """Power (n_bins, n_frames), 1 at the loudest → an image with a logarithmic frequency axis."""
    decibels = 10 * np.log10(np.maximum(power, 10 ** (_FLOOR_DB / 10)))
    bins_hz = np.arange(power.shape[0]) * sample_rate_hz / _N_FFT
    times_s = np.linspace(0, seconds, power.shape[1])
    image = axes.pcolormesh(
        times_s, bins_hz, decibels, cmap="magma", vmin=_FLOOR_DB, vmax=0, rasterized=True
    )
    axes.set_yscale("log")
    axes.set_ylim(_LOWEST_HZ, _HIGHEST_HZ)
    axes.set_yticks(list(_TICKS), list(_TICKS.values()))
    axes.minorticks_off()
    return image


def _power(samples: Array) -> Array:
    """(channels, n_samples) → (n_bins, n_frames), the mean over channels."""
    hop_samples = max(1, samples.shape[1] // _FRAMES)
    spectra = Stft(_N_FFT, hop_samples, _N_FFT // 2 + 1)(samples)
    power: Array = np.mean(np.abs(spectra) ** 2, axis=0)
    return power
