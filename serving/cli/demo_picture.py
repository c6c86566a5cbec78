"""The stems of `stemline demo` as a picture: a waveform and a spectrogram of each, in one PNG."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stemline.arrays import Array

from ..beat_plot import waveform_of
from .demo_report import figure as figure_of

_N_FFT = 4096  # 11 Hz a bin: the axis shows the bass as wide as the treble
_FRAMES, _FLOOR_DB = 900, -70.0
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
    from matplotlib.mlab import specgram

    remarks = [""]
    for score in scores:
        before, after = (figure_of(score[name]) for name in ("mixture_si_sdr_db", "si_sdr_db"))
        remarks.append(f"SI-SDR {after}, in the mixture {before}")
    figure = Figure((_INCHES_WIDE, 1.0 + _INCHES_A_ROW * len(sounds)), layout="constrained")
    rows = figure.subplots(len(sounds), 2, sharex=True, width_ratios=(5, 6))
    peak = float(max(np.max(np.abs(samples)) for samples in sounds.values())) or 1.0
    loudest = None
    for (name, samples), remark, colour, (left, right) in zip(
        sounds.items(), remarks, _COLOURS, rows, strict=False
    ):
        wave = waveform_of([samples], sample_rate_hz)
        times_s = (np.arange(len(wave.low)) + 0.5) * wave.stretch_s
        left.fill_between(times_s, wave.low, wave.high, color=colour, linewidth=0.4)
        left.grid(alpha=0.3)
        left.set_ylim(-1.05 * peak, 1.05 * peak)
        left.set_title(name, loc="left", fontweight="bold", fontsize="large")
        left.set_title(remark, loc="right", fontsize="medium")
        hop_samples = samples.shape[1] // _FRAMES
        spectrum, bins_hz, frames_s = specgram(
            samples.mean(axis=0), _N_FFT, sample_rate_hz, noverlap=max(0, _N_FFT - hop_samples)
        )
        power: Array = np.asarray(spectrum, np.float32)  # (n_bins, n_frames)
        loudest = loudest or float(np.max(power)) or 1.0
        decibels = 10 * np.log10(np.maximum(power / loudest, 10 ** (_FLOOR_DB / 10)))
        limits = {"vmin": _FLOOR_DB, "vmax": 0, "cmap": "magma"}
        image = right.pcolormesh(frames_s, bins_hz, decibels, **limits, rasterized=True)
        right.set_yscale("log")
        right.set_ylim(_LOWEST_HZ, _HIGHEST_HZ)
        right.set_yticks(list(_TICKS), list(_TICKS.values()))
        right.minorticks_off()
    for column in rows[-1]:
        column.set_xlabel("seconds")
        column.set_xlim(0, wave.duration_s)
    figure.colorbar(image, ax=rows[:, 1], label="dB, 0 at the loudest", pad=0.01, aspect=60)
    figure.suptitle(title, fontsize="large")
    figure.savefig(path, dpi=_DPI)
