"""Beats as a picture: the waveform, a line for each beat and downbeat, the sections above it."""

from collections.abc import Iterable, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stemline.arrays import Array
from stemline.atomic_files import replaced
from stemline.errors import MissingExtraError

from .beat_files import tempo_words
from .jobs import Beats
from .section_colours import section_colour

# A row is a minute: in longer ones the lines of neighbouring beats run together. Only a track that
# would need more than _MOST_ROWS has longer ones.
_ROW_S, _MOST_ROWS = 60.0, 24
_STRETCHES_PER_S = 50
_INCHES_WIDE, _INCHES_A_ROW, _DPI = 16.0, 1.9, 100
# Beats are dark and the waveform is not: they are seen where it is loud as well.
WAVE, BEAT, DOWNBEAT = "#9aa3ab", "#0b2f66", "#8f0010"
_INK = "#222222"
_BEAT_POINTS, _DOWNBEAT_POINTS = 1.2, 2.4
# In peaks of the waveform: how far beats reach, and where the names of the sections stand.
_BEAT_HEIGHT, _STRIP_LOW, _STRIP_HIGH = 0.75, 1.08, 1.5


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
    figure = draw_beats(title, waveform, beats)
    with replaced(path) as part:
        figure.savefig(part, dpi=_DPI, format="png")


def draw_beats(title: str, waveform: Waveform, beats: Beats) -> Any:
    """The matplotlib Figure that `plot_beats` saves, laid out. Raises MissingExtraError."""
    end_s = max(waveform.duration_s, beats.duration_s)
    row_s = min(end_s, max(_ROW_S, end_s / _MOST_ROWS))
    n_rows = max(1, int(np.ceil(end_s / row_s - 1e-9)))
    figure = _figure(n_rows)
    rows = figure.subplots(n_rows, 1, squeeze=False)[:, 0]
    names = []
    for index, axes in enumerate(rows):
        begin_s = index * row_s
        peak = _draw_row(axes, waveform, beats, begin_s, begin_s + row_s)
        names += _draw_sections(axes, beats, peak, begin_s, begin_s + row_s)
    rows[-1].set_xlabel("seconds")
    _draw_legend(figure, rows[0], beats)
    counts = f"{_counted(beats.beats, 'beat')}, {_counted(beats.downbeats, 'downbeat')}"
    heading = figure.suptitle("")
    _set_title(figure, heading, title, f": {tempo_words(beats)}, {counts}")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it is laid out: what is removed now moves nothing
    for name, width_s in names:
        if not _fits(figure, name, width_s):
            name.remove()
    return figure


def _draw_row(axes: Any, waveform: Waveform, beats: Beats, begin_s: float, end_s: float) -> float:
    """The waveform and the beats of a stretch; the height of the waveform in all rows."""
    peak = max(float(np.max(np.abs([waveform.low, waveform.high]), initial=0)), 1e-3)
    times_s = np.arange(len(waveform.low)) * waveform.stretch_s
    shown = (times_s >= begin_s) & (times_s < end_s)
    axes.fill_between(
        times_s[shown], waveform.low[shown], waveform.high[shown], color=WAVE, linewidth=0.3
    )
    for is_downbeat, colour, points, height in (
        (False, BEAT, _BEAT_POINTS, _BEAT_HEIGHT * peak),
        (True, DOWNBEAT, _DOWNBEAT_POINTS, peak),
    ):
        lines = [
            beat.time_s
            for beat in beats.beats
            if (beat.position == 1) is is_downbeat and begin_s <= beat.time_s < end_s
        ]
        axes.vlines(lines, -height, height, colors=colour, linewidth=points, zorder=3)
    axes.set_xlim(begin_s, end_s)
    axes.set_ylim(-1.02 * peak, (_STRIP_HIGH if beats.segments else 1.02) * peak)
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)
    return peak


def _draw_sections(
    axes: Any, beats: Beats, peak: float, begin_s: float, end_s: float
) -> list[tuple[Any, float]]:
    """The sections of a stretch as a strip over its row; their names, each with its room in s."""
    names = []
    for segment in beats.segments:
        left, right = max(segment.start, begin_s), min(segment.end, end_s)
        if left >= right:
            continue
        colour = section_colour(segment.label)
        axes.axvspan(left, right, color=colour, linewidth=0, alpha=0.45, zorder=0)
        axes.fill_between(
            [left, right], _STRIP_LOW * peak, _STRIP_HIGH * peak, color=colour, linewidth=0
        )
        if left == segment.start:  # neighbours may have one label, and so one colour
            axes.vlines(left, _STRIP_LOW * peak, _STRIP_HIGH * peak, colors=_INK, linewidth=1.0)
        middle = (_STRIP_LOW + _STRIP_HIGH) / 2 * peak
        name = axes.text(
            (left + right) / 2, middle, segment.label, ha="center", va="center",
            fontsize="small", color=_INK, parse_math=False,
        )  # fmt: skip
        names.append((name, right - left))
    return names


def _draw_legend(figure: Any, axes: Any, beats: Beats) -> None:
    """What lines and colours mean: names that have no room in their section are read here."""
    from matplotlib.patches import Patch

    handles = [
        axes.vlines([], 0, 0, colors=colour, linewidth=points, label=name)
        for name, colour, points in (
            ("beat", BEAT, _BEAT_POINTS),
            ("downbeat", DOWNBEAT, _DOWNBEAT_POINTS),
        )
    ]
    labels = dict.fromkeys(segment.label for segment in beats.segments)
    handles += [Patch(color=section_colour(label), label=label) for label in labels]
    widest = max(len(handle.get_label()) for handle in handles)
    n_columns = max(1, min(len(handles), int(_INCHES_WIDE * 10 / (widest + 6))))
    legend = figure.legend(
        handles=handles, loc="outside lower center", ncols=n_columns, frameon=False,
        fontsize="small",
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)


def _counted(things: Sized, name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def _set_title(figure: Any, heading: Any, name: str, rest: str) -> None:
    """A title of one line as wide as the picture at most, with less of a name that is too long."""
    heading.set_parse_math(False)  # of a name: in `$A$.wav` is no formula
    name = " ".join(name.split())
    for length in range(len(name), 0, -1):
        shown = name if length == len(name) else f"{name[:length]}…"
        heading.set_text(shown + rest)
        if heading.get_window_extent().width <= 0.98 * figure.bbox.width:
            return


def _fits(figure: Any, name: Any, width_s: float) -> bool:
    """Whether a section's name is narrower than its section."""
    to_pixels = name.axes.transData.transform
    room = to_pixels((width_s, 0))[0] - to_pixels((0, 0))[0]
    return bool(name.get_window_extent(figure.canvas.get_renderer()).width + 4 <= room)


def _figure(n_rows: int) -> Any:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plot") from error
    # Not by pyplot, which would open a display and keep every figure.
    size = (_INCHES_WIDE, 1.3 + _INCHES_A_ROW * n_rows)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure
