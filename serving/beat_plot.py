"""Beats as a picture: the waveform, a line for each beat and downbeat, the sections behind it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stemline.arrays import Array
from stemline.atomic_files import replaced
from stemline.errors import MissingExtraError

from .beat_files import tempo_words
from .jobs import Beats

# A row is a minute: in longer ones the lines of neighbouring beats run together. Only a track that
# would need more than _MOST_ROWS has longer ones.
_ROW_S, _MOST_ROWS = 60.0, 24
_STRETCHES_PER_S = 50
_INCHES_WIDE, _INCHES_A_ROW, _DPI = 16.0, 1.7, 100
_WAVE, _BEAT, _DOWNBEAT = "#333333", "#2471a3", "#c0392b"
_SECTIONS = ("#f9e79f", "#aed6f1", "#a9dfbf", "#f5b7b1", "#d7bde2", "#edbb99", "#ccd1d1", "#a3e4d7")


@dataclass(frozen=True)
class Waveform:
    """A track's outline: the lowest and the highest sample of each stretch of about 20 ms."""

    low: Array
    high: Array
    """(n_stretches,) each."""
    stretch_s: float
    duration_s: float


def waveform_of(blocks: Iterable[Array], sample_rate_hz: int) -> Waveform:
    """Blocks (channels, n) → the outline of all channels together."""
    length = max(1, sample_rate_hz // _STRETCHES_PER_S)
    low: list[Array] = [np.empty(0, np.float32)]
    high: list[Array] = [np.empty(0, np.float32)]
    rest: Array | None = None
    n_samples = 0
    for block in blocks:
        n_samples += block.shape[1]
        held = block if rest is None else np.concatenate([rest, block], axis=1)
        n_whole = held.shape[1] // length
        stretches = held[:, : n_whole * length].reshape(held.shape[0], n_whole, length)
        low.append(stretches.min(axis=(0, 2), initial=np.inf))
        high.append(stretches.max(axis=(0, 2), initial=-np.inf))
        rest = held[:, n_whole * length :]
    if rest is not None and rest.shape[1]:
        low.append(rest.min(keepdims=True).ravel())
        high.append(rest.max(keepdims=True).ravel())
    return Waveform(
        np.concatenate(low),
        np.concatenate(high),
        length / sample_rate_hz,
        n_samples / sample_rate_hz,
    )


def check_can_plot() -> None:
    """Raise MissingExtraError without matplotlib, before what takes long."""
    _figure(1)


def plot_beats(path: Path, title: str, waveform: Waveform, beats: Beats) -> None:
    """Draw a PNG. Raises MissingExtraError, or OSError when the file cannot be written."""
    end_s = max(waveform.duration_s, beats.duration_s)
    row_s = min(end_s, max(_ROW_S, end_s / _MOST_ROWS))
    n_rows = max(1, int(np.ceil(end_s / row_s - 1e-9)))
    figure = _figure(n_rows)
    labels = list(dict.fromkeys(segment.label for segment in beats.segments))
    colours = {label: _SECTIONS[i % len(_SECTIONS)] for i, label in enumerate(labels)}
    rows = figure.subplots(n_rows, 1, squeeze=False)[:, 0]
    for index, axes in enumerate(rows):
        _draw_row(axes, waveform, beats, colours, index * row_s, row_s)
    counts = f"{len(beats.beats)} beats (blue), {len(beats.downbeats)} downbeats (red)"
    figure.suptitle(f"{title}: {tempo_words(beats)}, {counts}")
    rows[-1].set_xlabel("seconds")
    with replaced(path) as part:
        figure.savefig(part, dpi=_DPI, format="png")


def _draw_row(
    axes: Any,
    waveform: Waveform,
    beats: Beats,
    colours: dict[str, str],
    begin_s: float,
    row_s: float,
) -> None:
    end_s = begin_s + row_s
    peak = max(float(np.max(np.abs([waveform.low, waveform.high]), initial=0)), 1e-3)
    for segment in beats.segments:
        left, right = max(segment.start, begin_s), min(segment.end, end_s)
        if left < right:
            axes.axvspan(left, right, color=colours[segment.label], linewidth=0, alpha=0.7)
            if left == segment.start:  # neighbours may have one label, and so one colour
                axes.axvline(left, color=_WAVE, linewidth=1.2, linestyle="--")
            axes.text(left + row_s / 400, 1.06 * peak, segment.label, fontsize="small", va="bottom")
    times_s = np.arange(len(waveform.low)) * waveform.stretch_s
    shown = (times_s >= begin_s) & (times_s < end_s)
    axes.fill_between(
        times_s[shown], waveform.low[shown], waveform.high[shown], color=_WAVE, linewidth=0.3
    )
    for wanted, colour, width in ((False, _BEAT, 0.8), (True, _DOWNBEAT, 1.6)):
        lines = [
            beat.time_s
            for beat in beats.beats
            if (beat.position == 1) is wanted and begin_s <= beat.time_s < end_s
        ]
        axes.vlines(lines, -peak, peak, colors=colour, linewidth=width)
    axes.set_xlim(begin_s, end_s)
    axes.set_ylim(-1.02 * peak, 1.02 * peak)
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)


def _figure(n_rows: int) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plot") from error
    # Not by pyplot, which would open a display and keep every figure.
    return Figure(figsize=(_INCHES_WIDE, 0.9 + _INCHES_A_ROW * n_rows), layout="constrained")
