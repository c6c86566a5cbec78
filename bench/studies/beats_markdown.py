"""Tables of beats as Markdown, each between two marks of a page, so that words around them stay."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stemline.errors import RequestError

_AGREEING = ("beat", "downbeat")
_NEW_PAGE = "# Beats\n\n{begin}\n{end}\n"


def marks(program: str) -> tuple[str, str]:
    """The lines before and after what a program of bench/ writes."""
    told = f"<!-- written by `python -m stemline.bench.studies.{program} --markdown`"
    return f"{told}: begin -->", f"{told}: end -->"


def write_region(path: Path, program: str, region: str) -> None:
    """Replace what stands between a program's marks; a page that is not there is made.

    Raises RequestError for a page without them, and OSError.
    """
    begin, end = marks(program)
    if path.is_file():
        page = path.read_text(encoding="utf-8")
    else:
        page = _NEW_PAGE.format(begin=begin, end=end)
    before, begun, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise RequestError("markdown", f"{path} is there without the two marks: {begin} and {end}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{before}{begin}\n\n{region}\n{end}{after}", encoding="utf-8")


def machine_line(machine: Mapping[str, Any]) -> str:
    """What it was measured on."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['cpu']}, {machine['threads']} thread(s), load {machine['load_average']} before; "
        f"{versions}; {machine['date'][:10]}."
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A line for the header, one to rule it off, one a row."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def comparison_markdown(report: Mapping[str, Any]) -> str:
    """What beats_against_madmom.py measured, as it prints it."""
    parts = [machine_line(report["machine"]) + "\n"]
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
        machine_line(report["machine"]) + "\n",
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
        f"{_short(row['original_peak_growth_mb'])} → {_short(row['ours_peak_growth_mb'])} MB",
        _result(row),
    ]


def _result(row: Mapping[str, Any]) -> str:
    if row["largest_difference"] is None:
        return "DIFFER"
    if row["largest_difference"] == 0:
        return "the same"
    told = f"within {row['largest_difference']:.1e}"
    return told if row["same_result"] else f"DIFFER: {told}, not {row['tolerance']:.0e}"


def _alone(row: Mapping[str, Any]) -> list[str]:
    return [
        f"{row['length_s']} s",
        _ms(row["wall_ms"]),
        _ms(row["cpu_ms"]),
        *(_ms(row["stages_ms"][stage]) for stage in ("spectrogram", "decode")),
        f"{_short(row['peak_growth_mb'])} MB",
    ]


def _ms(value: float) -> str:
    return f"{_short(value)} ms"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
