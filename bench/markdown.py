"""The quality tables as Markdown."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from .pages import Region, machine_line, short, table
from .results import BatchRow, QualityRow, Report

QUALITY = Region("stemline bench --quality --markdown", "Quality")


def quality_markdown(report: Report, command: str) -> str:
    """The tables, and what they were measured on.

    `command` is what measured, as `portable_command` has it.
    """
    parts = [f"    {command}\n\n{machine_line(asdict(report.machine))}\n"]
    for model in dict.fromkeys(row.model for row in report.quality):
        rows = [row for row in report.quality if row.model == model]
        parts.append(f"## {model}\n\n{_songs(rows)}\n\n{_quality_table(rows)}")
    if report.batch_independence:
        parts.append(
            f"## One by one and in batches\n\n{_batched(report.batch_independence)}: the stem that "
            "differs most.\n\n" + _batch_table(report.batch_independence)
        )
    return "\n".join(parts)


def portable_command(arguments: Sequence[str]) -> str:
    """A call of `stemline` without the places on this machine: of a path, the name alone."""
    return shlex.join(["stemline", *map(_without_place, arguments)])


def _without_place(argument: str) -> str:
    option, equals, value = (
        argument.partition("=") if argument.startswith("--") else ("", "", argument)
    )
    return f"{option}{equals}{Path(value).name or '.'}" if "/" in value else argument


def _songs(rows: Sequence[QualityRow]) -> str:
    (songs,) = {row.songs for row in rows}
    stems = {stem.stem: stem.n_songs for stem in rows[0].stems}
    counts = ", ".join(f"{stem} in {n}" for stem, n in stems.items())
    return (
        f"{songs}. SI-SDR improvement in dB over the mixture, in brackets SI-SDR itself: means "
        f"over the songs in which a stem sounds, and not alone ({counts})."
    )


def _batched(rows: Sequence[BatchRow]) -> str:
    most = max(row.n_songs for row in rows)
    if most == 1:
        return "One song with its chunks one by one, and with several of them in each batch"
    return (
        f"The same {most} songs with their chunks one by one, and with chunks of all {most} by "
        "turns in the batches"
    )


def _quality_table(rows: Sequence[QualityRow]) -> str:
    stems = [stem.stem for stem in rows[0].stems]
    return table(
        ["engine", "overlap", *stems, "mean", "seconds", "× real time", "against PyTorch"],
        [
            [
                f"{row.engine} {row.precision}",
                f"{row.overlap:g}",
                *(_figures(stem.improvement_db, stem.si_sdr_db) for stem in row.stems),
                _figures(row.mean_improvement_db, row.mean_si_sdr_db),
                short(row.seconds),
                f"{row.realtime_factor:.3g}",
                "" if row.against_torch_db is None else f"{row.against_torch_db:+.4f} dB",
            ]
            for row in rows
        ],
    )


def _batch_table(rows: Sequence[BatchRow]) -> str:
    return table(
        ["model", "engine", "overlap", "songs", "batch", "SNR", "SI-SDR moves by", "seconds"],
        [
            [
                row.model,
                f"{row.engine} {row.precision}",
                f"{row.overlap:g}",
                str(row.n_songs),
                f"1 and {row.batch}",
                "the same" if row.snr_db is None else f"{row.snr_db:.1f} dB",
                f"{row.si_sdr_difference_db:.1e} dB",
                f"{row.seconds_alone:.3g} and {row.seconds_together:.3g}",
            ]
            for row in rows
        ],
    )


def _figures(improvement_db: float, si_sdr_db: float) -> str:
    return f"{improvement_db:+.2f} ({si_sdr_db:.2f})"
