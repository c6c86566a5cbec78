"""The tables of docs/containers.md."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..pages import machine_line, table

_WORDS: Final = {"length": "as long", "wrong": "**wrong**"}
_MOST_DB: Final = 150
"""Beyond float32's own, the same numbers."""


def containers_markdown(report: Mapping[str, Any]) -> str:
    """What containers.py found, as it prints it."""
    rows = report["rows"]
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    parts = [machine_line(report["machine"]) + "\n", _matrix(rows, kinds), "## By fault\n"]
    parts += [
        f"### {kind}\n\n{_details([row for row in rows if row['kind'] == kind])}" for kind in kinds
    ]
    if report["layouts"]:
        parts.append(
            "## Layouts of channels\n\nMixed to left and right: the error in dB below FFmpeg's "
            "channels mixed by FFmpeg's names of them, left, right; what an encoder does not write "
            f"is left out.\n\n{_layouts(report['layouts'])}"
        )
    return "\n".join(parts)


def _matrix(rows: Sequence[Mapping[str, Any]], kinds: Sequence[str]) -> str:
    faults = list(dict.fromkeys(row["fault"] for row in rows))
    found = {(row["kind"], row["fault"]): row["verdict"] for row in rows}
    return table(
        ["", *faults],
        [[kind, *(_cell(found.get((kind, fault))) for fault in faults)] for kind in kinds],
    )


def _cell(verdict: str | None) -> str:
    return "" if verdict is None else _WORDS.get(verdict, verdict)


def _details(rows: Sequence[Mapping[str, Any]]) -> str:
    return table(
        [
            "fault",
            "is",
            "samples",
            "against PyAV",
            "against `ffmpeg`",
            "without the fault",
            "words",
        ],
        [
            [
                row["fault"],
                _cell(row["verdict"]),
                str(row["n_samples"]) if row["verdict"] != "refused" else "",
                *(_difference(row[f"against_{what}"]) for what in ("pyav", "command", "good")),
                row["words"].replace("|", "\\|"),
            ]
            for row in rows
        ],
    )


def _difference(difference: Mapping[str, Any] | None) -> str:
    if difference is None:
        return ""
    channels = ", ".join(_decibels(one) for one in difference["error_db"])
    return f"{difference['n_more']:+d}, {difference['lag']:+d}, {channels} dB"


def _decibels(error_db: float) -> str:
    return "same" if error_db > _MOST_DB else f"{error_db:.0f}"


def _layouts(rows: Sequence[Mapping[str, Any]]) -> str:
    layouts = list(dict.fromkeys(row["layout"] for row in rows))
    found = {
        (row["container"], row["layout"]): ", ".join(_decibels(one) for one in row["error_db"])
        for row in rows
    }
    return table(
        ["", *layouts],
        [
            [container, *(found.get((container, layout), "") for layout in layouts)]
            for container in dict.fromkeys(row["container"] for row in rows)
        ],
    )
