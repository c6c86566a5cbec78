"""`stemline bench`: engines side by side on this machine. Needs the `bench` extra."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from stemline.engines import device_names
from stemline.errors import FAILED, RequestError

from .options import DEFAULT_ARTIFACTS, Artifacts, Json
from .report import fail, print_json, print_table, say, warn

if TYPE_CHECKING:
    from stemline.bench.quality import QualityOptions
    from stemline.bench.results import (
        BatchRow,
        EngineRow,
        Machine,
        OverlapRow,
        QualityRow,
        Report,
        RoundTripRow,
    )

_Number = TypeVar("_Number", int, float)


def bench(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL", help="Models or artifacts.")
    ] = None,
    engines: Annotated[str, typer.Option(help="By commas: torch, onnx.")] = "torch,onnx",
    batches: Annotated[str, typer.Option(help="Chunks run at once, by commas.")] = "1,2,4",
    rounds: Annotated[int, typer.Option(min=1, help="Runs counted of each.")] = 5,
    threads: Annotated[
        int, typer.Option(min=1, help="Threads; everything is kept to as many cores.")
    ] = 1,
    device: Annotated[str, typer.Option(help=f"{device_names()}.")] = "cpu",
    weights: Annotated[
        Path | None, typer.Option(help="The checkpoint, when torch's is not in the cache.")
    ] = None,
    overlaps: Annotated[
        str, typer.Option(help="Also time a whole track at each of these, by commas.")
    ] = "",
    track_s: Annotated[float, typer.Option(help="Seconds of that track.")] = 180.0,
    max_s: Annotated[
        float, typer.Option(help="Run no longer at an overlap; estimate the rest of the track.")
    ] = 120.0,
    grpc: Annotated[
        bool, typer.Option("--grpc", help="Also time a clip in process against over gRPC.")
    ] = False,
    clip_s: Annotated[float, typer.Option(help="Seconds of that clip.")] = 30.0,
    quality: Annotated[
        bool, typer.Option("--quality", help="Also separate songs whose stems are known.")
    ] = False,
    quality_overlaps: Annotated[
        str, typer.Option(help="At each of these, by commas.")
    ] = "2,4,6,8,16",
    songs: Annotated[int, typer.Option(help="How many, held out from training; 1 to 1000.")] = 24,
    song_s: Annotated[float, typer.Option(help="Seconds of each, 0.5 to 600.")] = 30.0,
    songs_dir: Annotated[
        Path | None,
        typer.Option(help="Songs of your own: folders with mixture.wav and a file a stem."),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Page that the tables of --quality are written into.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Folder for bar charts, PNG.")] = None,
    artifacts: Artifacts = DEFAULT_ARTIFACTS,
    as_json: Json = False,
) -> None:
    """Measure engines by turns: seconds per chunk, memory, fidelity to PyTorch, and quality.

    Each engine and batch size has a process of its own, kept to as many cores as threads. Random
    weights are measured too: speed does not depend on training.
    """
    from stemline.bench.markdown import QUALITY, portable_command, quality_markdown
    from stemline.bench.plot import check_can_plot, plot_report
    from stemline.bench.run import BenchOptions, run_bench
    from stemline.errors import BenchError

    options = BenchOptions(
        models=tuple(models or ()),
        engines=tuple(_split(engines)),
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
    if markdown is not None:
        if not quality:
            raise RequestError("markdown", "--markdown writes the tables of --quality")
        QUALITY.check(markdown)
    if plot is not None:
        check_can_plot(plot)
    try:
        report = run_bench(artifacts, options, say)
    except BenchError as error:
        fail(str(error))
        raise typer.Exit(error.exit_code) from error
    plots = [] if plot is None else plot_report(report, plot)
    if markdown is not None and report.quality:
        QUALITY.write(markdown, quality_markdown(report, portable_command(sys.argv[1:])))
    if as_json:
        print_json({**report.to_json(), "plots": [str(path) for path in plots]})
    else:
        _print(report)
        for path in plots:
            print(path)
    if report.failures:
        for failure in report.failures:
            warn(f"{failure.model}, {failure.what}: {failure.error}")
        raise typer.Exit(FAILED)


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


def _split(values: str) -> list[str]:
    return [value.strip() for value in values.split(",") if value.strip()]


def _numbers(name: str, values: str, number: Callable[[str], _Number]) -> tuple[_Number, ...]:
    try:
        return tuple(number(value) for value in _split(values))
    except ValueError as error:
        raise RequestError(name, f"--{name} takes numbers by commas; got {values!r}") from error


def _print(report: "Report") -> None:
    _print_machine(report.machine)
    print_table(
        "engines, by turns",
        (
            "model", "engine", "weights", "batch", "s/chunk", "min–max", "× real time",
            "at overlap", "s per s of audio", "peak RSS", "size", "SNR", "over torch", "by minima",
        ),
        [_engine_row(row) for row in report.rows],
    )  # fmt: skip
    if report.overlaps:
        print_table(
            f"a track of {report.overlaps[0].track_s:g} s through the pipeline",
            (
                "model", "engine", "overlap", "seconds", "chunks", "really run", "× real time",
                "in the engine", "peak RSS",
            ),
            [_overlap_row(row) for row in report.overlaps],
        )  # fmt: skip
    if report.grpc:
        print_table(
            "in process and over gRPC, by turns",
            (
                "model", "engine", "clip", "overlap", "chunks", "in process", "min–max", "gRPC",
                "min–max", "ratio", "by minima", "in the engine",
            ),
            [_round_trip_row(row) for row in report.grpc],
        )  # fmt: skip
    if report.quality:
        print_table(
            report.quality[0].songs,
            (
                "model", "engine", "overlap", "SI-SDR improvement", "SI-SDR", "by stem", "seconds",
                "× real time", "against torch",
            ),
            [_quality_row(row) for row in report.quality],
        )  # fmt: skip
    if report.batch_independence:
        print_table(
            "the same songs chunk by chunk, and with several chunks in a batch",
            ("model", "engine", "overlap", "songs", "batch", "SNR", "SI-SDR moves by", "seconds"),
            [_batch_row(row) for row in report.batch_independence],
        )


def _print_machine(machine: "Machine") -> None:
    cores = ", ".join(map(str, machine.pinned_to))
    pinned = f"pinned to core {cores}" if cores else "not pinned"
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    say(
        f"{machine.cpu}, {machine.cores} cores, {machine.memory_mb / 1e3:.0f} GB; "
        f"{machine.threads} thread(s), {pinned}; load {machine.load_average} at the start"
    )
    say(f"{machine.date}; {versions}")


def _engine_row(row: "EngineRow") -> tuple[str, ...]:
    return (
        row.model,
        f"{row.engine} {row.precision} {row.device}",
        "trained" if row.trained else "random",
        str(row.batch),
        _seconds(row.seconds_per_chunk),
        f"{_seconds(row.seconds_per_chunk_min)}–{_seconds(row.seconds_per_chunk_max)}",
        f"{row.realtime_factor:.3g}",
        f"{row.realtime_factor_at_overlap:.3g} ({row.default_overlap:g})",
        _seconds(row.seconds_per_audio_s),
        f"{row.peak_rss_mb:.0f} MB",
        f"{row.size_mb:.3g} MB",
        "" if row.snr_db is None else f"{row.snr_db:.1f} dB",
        "" if row.speedup_over_torch is None else f"{row.speedup_over_torch:.2f}×",
        "" if row.speedup_over_torch_min is None else f"{row.speedup_over_torch_min:.2f}×",
    )


def _overlap_row(row: "OverlapRow") -> tuple[str, ...]:
    return (
        row.model,
        row.engine,
        f"{row.overlap:g}",
        _seconds(row.seconds) + (" ESTIMATED" if row.estimated else ""),
        str(row.n_chunks),
        f"{row.n_chunks_run} in {_seconds(row.seconds_run)} s",
        f"{row.realtime_factor:.3g}",
        f"{row.engine_share:.1%}",
        f"{row.peak_rss_mb:.0f} MB",
    )


def _round_trip_row(row: "RoundTripRow") -> tuple[str, ...]:
    return (
        row.model,
        row.engine,
        f"{row.clip_s:g} s",
        f"{row.overlap:g}",
        str(row.n_chunks),
        f"{_seconds(row.in_process_s)} s",
        f"{_seconds(row.in_process_s_min)}–{_seconds(row.in_process_s_max)}",
        f"{_seconds(row.grpc_s)} s",
        f"{_seconds(row.grpc_s_min)}–{_seconds(row.grpc_s_max)}",
        f"{row.grpc_ratio:.3f}",
        f"{row.grpc_ratio_min:.3f}",
        f"{row.engine_share:.1%}",
    )


def _quality_row(row: "QualityRow") -> tuple[str, ...]:
    return (
        row.model,
        f"{row.engine} {row.precision} {row.device}",
        f"{row.overlap:g}",
        f"{row.mean_improvement_db:+.2f} dB",
        f"{row.mean_si_sdr_db:.2f} dB",
        ", ".join(f"{stem.stem} {stem.improvement_db:+.2f}" for stem in row.stems),
        _seconds(row.seconds),
        f"{row.realtime_factor:.3g}",
        "" if row.against_torch_db is None else f"{row.against_torch_db:+.4f} dB",
    )


def _batch_row(row: "BatchRow") -> tuple[str, ...]:
    return (
        row.model,
        f"{row.engine} {row.precision} {row.device}",
        f"{row.overlap:g}",
        str(row.n_songs),
        f"1 and {row.batch}",
        "the same" if row.snr_db is None else f"{row.snr_db:.1f} dB",
        f"{row.si_sdr_difference_db:.1e} dB",
        f"{_seconds(row.seconds_alone)} and {_seconds(row.seconds_together)}",
    )


def _seconds(seconds: float) -> str:
    """Three figures, and every whole second."""
    return f"{seconds:.0f}" if seconds >= 100 else f"{seconds:.3g}"
