"""A report as bar charts, PNG files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stemline.errors import MissingExtraError

from .results import EngineRow, OverlapRow, Report

_WIDTH = 0.8
"""What a group of bars takes; groups are 1 apart."""


def check_can_plot(folder: Path) -> None:
    """Make the folder and see that plots can be drawn, before what takes long.

    Raises MissingExtraError without matplotlib, OSError when the folder cannot be made.
    """
    _figure()
    folder.mkdir(parents=True, exist_ok=True)


def plot_report(report: Report, folder: Path) -> list[Path]:
    """Seconds and memory of each engine, and what overlaps cost where measured; the files.

    Raises MissingExtraError or OSError.
    """
    paths = []
    machine = report.machine
    footer = f"{machine.cpu}, {machine.threads} thread(s), {machine.date[:10]}"
    for name, label, of, error in (
        ("seconds_per_chunk.png", "seconds per chunk (median, range)", _seconds, _range),
        ("peak_rss.png", "peak memory of the process, MB", _memory, None),
    ):
        groups = list(dict.fromkeys((row.model, row.batch) for row in report.rows))
        figure = _bars(
            [f"{model}\nbatch {batch}" for model, batch in groups],
            {
                engine: {
                    groups.index((row.model, row.batch)): row
                    for row in report.rows
                    if row.engine == engine
                }
                for engine in dict.fromkeys(row.engine for row in report.rows)
            },
            of,
            error,
        )
        paths.append(_saved(figure, folder / name, label, footer))
    if report.overlaps:
        paths.append(_plot_overlaps(report.overlaps, folder / "overlaps.png", footer))
    return paths


def _plot_overlaps(rows: Sequence[OverlapRow], path: Path, footer: str) -> Path:
    figure = _figure()
    axes = figure.add_subplot()
    labels = [
        f"{row.model}\n{row.engine}\n{row.overlap:g}{' (est.)' if row.estimated else ''}"
        for row in rows
    ]
    bars = axes.bar(range(len(rows)), [row.seconds for row in rows], width=_WIDTH)
    axes.bar_label(bars, fmt="%.3g")
    axes.set_xticks(range(len(rows)), labels)
    return _saved(figure, path, f"seconds for a track of {rows[0].track_s:g} s, by overlap", footer)


def _bars(
    groups: Sequence[str],
    series: dict[str, dict[int, EngineRow]],
    of: Callable[[EngineRow], float],
    error: Callable[[EngineRow], tuple[float, float]] | None,
) -> Any:
    """A figure with a bar for each engine in each group."""
    figure = _figure()
    axes = figure.add_subplot()
    width = _WIDTH / len(series)
    for index, (engine, rows) in enumerate(series.items()):
        places = [group + (index - (len(series) - 1) / 2) * width for group in rows]
        ranges = None
        if error is not None:
            below_above = [error(row) for row in rows.values()]
            ranges = [[pair[side] for pair in below_above] for side in (0, 1)]
        bars = axes.bar(
            places, [of(row) for row in rows.values()], width, label=engine, yerr=ranges, capsize=3
        )
        axes.bar_label(bars, fmt="%.3g", padding=2)
    axes.set_xticks(range(len(groups)), groups)
    axes.legend()
    return figure


def _seconds(row: EngineRow) -> float:
    return row.seconds_per_chunk


def _range(row: EngineRow) -> tuple[float, float]:
    """How far the fastest and the slowest lie from the median."""
    return (
        row.seconds_per_chunk - row.seconds_per_chunk_min,
        row.seconds_per_chunk_max - row.seconds_per_chunk,
    )


def _memory(row: EngineRow) -> float:
    return row.peak_rss_mb


def _saved(figure: Any, path: Path, label: str, footer: str) -> Path:
    (axes,) = figure.axes
    axes.set_ylabel(label)
    axes.margins(y=0.15)  # room for the figures above the bars
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(footer, fontsize="small", loc="left")
    figure.savefig(path, dpi=120)
    return path


def _figure() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "bench") from error
    # Not by pyplot, which would open a display and keep every figure.
    return Figure(figsize=(8, 4.5), layout="constrained")
