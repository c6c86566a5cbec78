"""Beats and sections of `stemline demo`: the files it leaves of them, and how near the truth."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemline.preprocessing.audio import open_audio

from ..beat_files import beats_json, beats_text, write_text
from ..beat_plot import plot_beats, waveform_of
from ..click_track import write_click_track
from ..jobs import Beats
from ..stem_files import FileBlocks

if TYPE_CHECKING:
    from stemline.band import Truth

FILES = {
    "beats": "song.beats",
    "true_beats": "truth/song.beats",
    "clicks": "clicks.wav",
    "beats_picture": "beats.png",
}
"""Below the demo's folder."""


def write_beats(out: Path, mixture: str, truth: "Truth", found: Beats) -> None:
    """Both beats as text, the song with clicks, and the picture. Raises OSError."""
    write_text(out / FILES["beats"], beats_text(found))
    # More digits than `beats_text` has: these are no frames of 10 ms.
    true_lines = (f"{beat.time_s:.6f}\t{beat.position}\n" for beat in truth.beats)
    write_text(out / FILES["true_beats"], "".join(true_lines))
    song = out / mixture
    with open_audio(song) as reader:
        audio = reader.format
    write_click_track(out / FILES["clicks"], FileBlocks(song), audio, found.beats)
    waveform = waveform_of(FileBlocks(song), audio.sample_rate_hz)
    plot_beats(out / FILES["beats_picture"], song.name, waveform, found)


def beats_report(truth: "Truth", found: Beats, duration_s: float) -> dict[str, Any]:
    """What report.json holds of them."""
    from stemline.evaluation.song_score import score_of

    said = beats_json(found)
    return {
        "bpm": found.bpm,
        "true_bpm": truth.tempo_bpm,
        "n_beats": len(found.beats),
        "n_true_beats": len(truth.beats),
        "n_downbeats": len(found.downbeats),
        "n_true_downbeats": sum(beat.position == 1 for beat in truth.beats),
        "scores": asdict(score_of(truth, found, duration_s)),
        "segments": said["segments"],
        "true_segments": [
            {"start": section.start_s, "end": section.end_s, "label": section.label}
            for section in truth.sections
        ],
        "seconds": found.seconds,
    }
