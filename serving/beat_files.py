"""Beats and sections as files that other tools read: `.beats` text, CSV, JSON, activations."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from stemline.atomic_files import replaced
from stemline.families.beats import BeatActivations

from .jobs import Beats

CSV_COLUMNS = ("event", "start", "end", "value")

# Frames are 10 ms apart: this keeps every digit of a beat's time.
_TIME = "{:.3f}"
# Decimals of the seconds in JSON: more are rounding errors of i · 441 / 44100.
_DIGITS = 6


def beats_json(beats: Beats) -> dict[str, Any]:
    """What `stemline beats --json` says of the music.

    `bpm` is null for fewer than two beats; there is a `bpm_range` only where the tempo drifts.
    """
    return {
        "bpm": beats.bpm,
        **({"bpm_range": list(beats.bpm_range)} if beats.bpm_range else {}),
        "beats": [
            {"time": round(beat.time_s, _DIGITS), "position": beat.position} for beat in beats.beats
        ],
        "downbeats": [round(time_s, _DIGITS) for time_s in beats.downbeats],
        "segments": [
            {
                "start": round(segment.start, _DIGITS),
                "end": round(segment.end, _DIGITS),
                "label": segment.label,
            }
            for segment in beats.segments
        ],
    }


def tempo_words(beats: Beats) -> str:
    """The tempo in words, with its range where it drifts."""
    if beats.bpm is None:
        return "no tempo"
    drift = beats.bpm_range
    return f"{beats.bpm} bpm" + (f" ({drift[0]} to {drift[1]})" if drift else "")


def beats_text(beats: Beats) -> str:
    """A line a beat: seconds, a tab, the position in the bar.

    `mir_eval.io.load_labeled_events` reads it, and madmom's and Sonic Visualiser's tools do.
    """
    return "".join(f"{_TIME.format(beat.time_s)}\t{beat.position}\n" for beat in beats.beats)


def beats_csv(beats: Beats) -> str:
    """A table of events by their start: `tempo`, `section` and `beat`.

    The value is beats a minute, the label, or the position in the bar. A beat has no end. Without
    a tempo there is no row of it.
    """
    # Sorted by what is written, so that a section comes before the beat it begins with.
    rows: list[tuple[float, int, str, float | None, str]] = [
        (round(segment.start, 3), 1, "section", segment.end, segment.label)
        for segment in beats.segments
    ]
    rows += [(round(one.time_s, 3), 2, "beat", None, str(one.position)) for one in beats.beats]
    if beats.bpm is not None:
        rows.append((0.0, 0, "tempo", beats.duration_s, str(beats.bpm)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for start, _, event, end, value in sorted(rows, key=lambda row: row[:2]):
        end_text = "" if end is None else _TIME.format(end)
        writer.writerow((event, _TIME.format(start), end_text, value))
    return text.getvalue()


def write_text(path: Path, text: str) -> None:
    """A whole file or none. Raises OSError."""
    with replaced(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_activations(path: Path, activations: BeatActivations) -> None:
    """Write a compressed `.npz` for `numpy.load`, an array for each field of `activations`.

    They stay float32, as float16 would lose peaks. Raises OSError.
    """
    with replaced(path) as part, part.open("wb") as file:
        np.savez_compressed(
            file,
            beat=activations.beat,
            downbeat=activations.downbeat,
            section=activations.section,
            function=activations.function,
            labels=np.array(activations.labels),
            frame_rate_hz=np.array(activations.frame_rate_hz),
        )
