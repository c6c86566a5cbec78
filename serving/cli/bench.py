"""`stemline bench`: engines side by side on this machine. Needs the `bench` extra."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from stemline.engines.runtimes import DEFAULT_RUNTIME
from stemline.errors import FAILED, RequestError

from ..artifact_folders import artifact_folders
from . import bench_options as option
from .bench_tables import print_report
from .options import FindArtifacts, Json, split_names
from .report import print_json, say, warn

if TYPE_CHECKING:
    from stemline.bench.quality import QualityOptions
    from stemline.bench.results import Report

_Number = TypeVar("_Number", int, float)


def bench(
    models: option.Models = None,
    engines: option.Engines = f"torch,{DEFAULT_RUNTIME}",
    batches: option.Batches = "1,2,4",
    rounds: option.Rounds = 5,
    threads: option.Threads = 1,
    device: option.Device = "cpu",
    weights: option.Weights = None,
    overlaps: option.Overlaps = "",
    track_s: option.TrackS = 180.0,
    max_s: option.MaxS = 120.0,
    grpc: option.Grpc = False,
    clip_s: option.ClipS = 30.0,
    quality: option.Quality = False,
    quality_overlaps: option.QualityOverlaps = "2,4,6,8,16",
    songs: option.Songs = 24,
    song_s: option.SongS = 30.0,
    songs_dir: option.SongsDir = None,
    markdown: option.Markdown = None,
    plot: option.Plot = None,
    artifacts: FindArtifacts = None,
    as_json: Json = False,
) -> None:
    """Measure engines by turns: seconds per chunk, memory, fidelity to PyTorch, and quality.

    Each engine and batch size has a process of its own, kept to as many cores as threads. Random
    weights are measured too: speed does not depend on training.
    """
    from stemline.bench.run import BenchOptions, run_bench

    options = BenchOptions(
        models=tuple(models or ()),
        engines=split_names(engines),
        batches=_numbers("batches", batches, int),
        rounds=rounds,
        threads=threads,
        device=device,
        weights=weights,
        overlaps=_numbers("overlaps", overlaps, float),
        track_s=track_s,
        max_s=max_s,
        clip_s=clip_s if grpc else None,
        quality=_quality_options(
            quality, _numbers("quality-overlaps", quality_overlaps, float), songs, song_s, songs_dir
        ),
    )
    _check_outputs(markdown, plot, is_quality=quality)
    report = run_bench(artifact_folders(artifacts), options, say)
    _write_outputs(report, markdown, plot, as_json)


def _quality_options(
    quality: bool,
    overlaps: tuple[float, ...],
    n_songs: int,
    song_s: float,
    folder: Path | None,
) -> "QualityOptions | None":
    from stemline.bench.quality import QualityOptions

    if folder is not None and not quality:
        raise RequestError("songs-dir", "--songs-dir holds the songs of --quality")
    return QualityOptions(overlaps, n_songs, song_s, folder) if quality else None


def _numbers(name: str, values: str, number: Callable[[str], _Number]) -> tuple[_Number, ...]:
    try:
        return tuple(number(value) for value in split_names(values))
    except ValueError as error:
        raise RequestError(name, f"--{name} takes numbers by commas; got {values!r}") from error


def _check_outputs(markdown: Path | None, plot: Path | None, *, is_quality: bool) -> None:
    """Raise before any work where what is to be written cannot be."""
    from stemline.bench.markdown import QUALITY
    from stemline.bench.plot import check_can_plot

    if markdown is not None:
        if not is_quality:
            raise RequestError("markdown", "--markdown writes the tables of --quality")
        QUALITY.check(markdown)
    if plot is not None:
        check_can_plot(plot)


def _write_outputs(
    report: "Report", markdown: Path | None, plot: Path | None, as_json: bool
) -> None:
    """Write what was asked for, print the rest; raise typer.Exit where a measurement failed."""
    from stemline.bench.markdown import QUALITY, portable_command, quality_markdown
    from stemline.bench.plot import plot_report

    plots = [] if plot is None else plot_report(report, plot)
    if markdown is not None and report.quality:
        QUALITY.write(markdown, quality_markdown(report, portable_command(sys.argv[1:])))
    if as_json:
        print_json({**report.to_json(), "plots": [str(path) for path in plots]})
    else:
        print_report(report)
        for path in plots:
            print(path)
    for failure in report.failures:
        warn(f"{failure.model}, {failure.what}: {failure.error}")
    if report.failures:
        raise typer.Exit(FAILED)
