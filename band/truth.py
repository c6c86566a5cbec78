"""The truth of a song as annotations that other tools read, and its digest.

The layout follows JAMS (Humphrey et al., "JAMS: a JSON annotated music specification for
reproducible MIR research", ISMIR 2014): one annotation for each namespace, times in seconds.
"""

import hashlib
import json
from typing import Any, Protocol

from .score import Score


class HasScore(Protocol):
    """A song: whatever has the score it was played from."""

    @property
    def score(self) -> Score:
        """What was played."""


def truth_json(song: Score | HasScore) -> dict[str, Any]:
    """What is true of a song, as a JAMS-like dictionary that `json` can write.

    Namespaces: `beat` (a value of 1 is the downbeat), `segment_open` (labels of the sections),
    `tempo` (mean, beats a minute), `key_mode` (as in `F#:minor`). What JAMS has no namespace for,
    the meter and the swing, is in `sandbox`.
    """
    score = song if isinstance(song, Score) else song.score
    truth, whole = score.truth, round(score.duration_s, 6)
    return {
        "file_metadata": {"title": f"Synthetic band, seed {score.seed}", "duration": whole},
        "annotations": [
            _annotation("beat", [(b.time_s, 0.0, b.position) for b in truth.beats]),
            _annotation(
                "segment_open",
                [(s.start_s, s.end_s - s.start_s, s.label) for s in truth.sections],
            ),
            _annotation("tempo", [(0.0, whole, round(truth.tempo_bpm, 6))]),
            _annotation("key_mode", [(0.0, whole, truth.key.replace(" ", ":"))]),
        ],
        "sandbox": {
            "seed": score.seed,
            "beats_per_bar": truth.beats_per_bar,
            "swing": round(truth.swing, 6),
        },
    }


def truth_digest(song: Score | HasScore) -> str:
    """SHA-256 of `truth_json` in one way of writing it: sorted keys, no spaces, microseconds."""
    text = json.dumps(truth_json(song), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _annotation(
    namespace: str, data: list[tuple[float, float, int | float | str]]
) -> dict[str, Any]:
    return {
        "namespace": namespace,
        "annotation_metadata": {"data_source": "synthesis", "version": "1"},
        "data": [
            {
                "time": round(time, 6),
                "duration": round(duration, 6),
                "value": value,
                "confidence": 1.0,
            }
            for time, duration, value in data
        ],
    }
