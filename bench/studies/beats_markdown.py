"""The tables of docs/beats.md."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..pages import machine_line, short, table

_AGREEING = ("beat", "downbeat")


def comparison_markdown(report: Mapping[str, Any]) -> str:
    """What beats_against_madmom.py measured, as it prints it."""
    parts = [machine_line(report["machine"], with_load=True) + "\n"]
    if report["rows"]:
        parts.append(
            table(
                ["row", "length", "original", "ours", "ratio", "by minima", "peak", "results"],
                [_compared(row) for row in report["rows"]],
            )
        )
    if report["after_separation"]:
        parts.append(
            "All that is left after separation when the network costs nothing, from four stereo "
            "stems in memory:\n"
        )
        parts.append(
            table(
                ["length", "wall", "CPU", "spectrogram", "decode", "peak"],
                [_alone(row) for row in report["after_separation"]],
            )
        )
    return "\n".join(parts)


def quality_markdown(report: Mapping[str, Any]) -> str:
    """What beats_quality.py measured, as it prints it."""
    songs, rows = report["songs"], report["rows"]
    first, last = songs["seeds"]
    each = "60 to 200 s" if songs["seconds_each"] is None else f"{songs['seconds_each']:g} s"
    parts = [
        machine_line(report["machine"], with_load=True) + "\n",
        f"{last - first + 1} songs of the synthetic band, {each} each, seeds {first} to {last}, "
        f"from the mixture through {report['separator']} and {report['beats']}; means over songs, "
        "F-measures with nothing trimmed.\n",
        table(
            [
                *("engine", "beats", "downbeats", "tempo", "boundaries, 0.5 s / 3 s"),
                *("without the ends", "labels", "beats ≥ 0.9 in", "seconds a song"),
            ],
            [
                _quality(engine, means, [row for row in rows if row["engine"] == engine])
                for engine, means in report["means"].items()
            ],
        ),
    ]
    if rows[0]["beat_agreement"] is not None:
        beat, downbeat = (min(row[f"{what}_agreement"] for row in rows) for what in _AGREEING)
        parts.append(
            "ONNX Runtime's beats against PyTorch's, F-measure in the song where they agree least: "
            f"{beat:.4f} beats, {downbeat:.4f} downbeats.\n"
        )
    return "\n".join(parts)


def _quality(engine: str, means: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    found = sum(row["score"]["beat"] >= 0.9 for row in rows)
    return [
        engine,
        *(f"{means[name]:.3f}" for name in ("beat", "downbeat")),
        f"{means['tempo']:.2f}",
        *(
            f"{_share(means[f'{which}_half'])} / {_share(means[f'{which}_three'])}"
            for which in ("boundary", "inner")
        ),
        f"{means['label']:.2f}",
        f"{found} of {len(rows)}",
        f"{sum(row['seconds'] for row in rows) / len(rows):.2f}",
    ]


def _share(value: float | None) -> str:
    """None where no song has it: all of them are one section."""
    return "–" if value is None else f"{value:.2f}"


def _compared(row: Mapping[str, Any]) -> list[str]:
    return [
        row["row"],
        f"{row['length_s']} s",
        _ms(row["original_cpu_ms"]),
        _ms(row["ours_cpu_ms"]),
        f"{row['times_faster']:.1f}×",
        f"{row['times_faster_min']:.1f}×",
        f"{short(row['original_peak_growth_mb'])} → {short(row['ours_peak_growth_mb'])} MB",
        _result(row),
    ]


def _result(row: Mapping[str, Any]) -> str:
    if row["largest_difference"] is None:
        return "DIFFER"
    if row["largest_difference"] == 0:
        return "the same"
    how_near = f"within {row['largest_difference']:.1e}"
    return how_near if row["same_result"] else f"DIFFER: {how_near}, not {row['tolerance']:.0e}"


def _alone(row: Mapping[str, Any]) -> list[str]:
    return [
        f"{row['length_s']} s",
        _ms(row["wall_ms"]),
        _ms(row["cpu_ms"]),
        *(_ms(row["stages_ms"][stage]) for stage in ("spectrogram", "decode")),
        f"{short(row['peak_growth_mb'])} MB",
    ]


def _ms(value: float) -> str:
    return f"{short(value)} ms"
