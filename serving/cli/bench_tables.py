"""The tables that `stemline bench` prints of what it measured."""

from typing import TYPE_CHECKING

from .report import print_table, say

if TYPE_CHECKING:
    from stemline.bench.results import (
        BatchRow,
        EngineRow,
        Machine,
        OverlapRow,
        QualityRow,
        Report,
        RoundTripRow,
    )


def print_report(report: "Report") -> None:
    """The machine, and a table for each kind of measurement that was made."""
    print_machine(report.machine)
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


def print_machine(machine: "Machine") -> None:
    """Where figures come from, on standard error; other work there makes them worse."""
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
        _engine(row),
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
        _engine(row),
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
        _engine(row),
        f"{row.overlap:g}",
        str(row.n_songs),
        f"1 and {row.batch}",
        "the same" if row.snr_db is None else f"{row.snr_db:.1f} dB",
        f"{row.si_sdr_difference_db:.1e} dB",
        f"{_seconds(row.seconds_alone)} and {_seconds(row.seconds_together)}",
    )


def _engine(row: "EngineRow | QualityRow | BatchRow") -> str:
    return f"{row.engine} {row.precision} {row.device}"


def _seconds(seconds: float) -> str:
    """Three figures, and every whole second."""
    return f"{seconds:.0f}" if seconds >= 100 else f"{seconds:.3g}"
