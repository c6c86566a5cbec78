"""What `stemline demo` reports: every figure beside the truth, in report.json and in tables."""

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from stemline.arrays import Array
from stemline.engines import read_artifact

from ..artifact_folders import artifact_folders
from ..beat_files import beats_json
from ..default_model import small_model
from ..jobs import Beats
from ..library import Library
from .options import DEFAULT_ARTIFACTS
from .report import print_table, say
from .small_model import tell_of_small_model

if TYPE_CHECKING:
    from stemline.band import Song
    from stemline.bench.results import EngineRow, Machine
    from stemline.export.export import ExportResult
    from stemline.v1.stemline_pb2 import Accepted

FILES = {
    "mixture": "mixture.wav",
    "beats": "song.beats",
    "true_beats": "truth/song.beats",
    "clicks": "clicks.wav",
    "beats_picture": "beats.png",
    "picture": "stems.png",
    "server_log": "server.log",
}
"""Below the demo's folder; stems are in `truth` and `separated`."""


@dataclass(frozen=True)
class Found:
    """What came back of a call."""

    stems: dict[str, Array]
    beats: Beats
    accepted: "Accepted"
    seconds: float
    """What the call took, wall time."""


def report_of(
    song: "Song",
    start_s: float,
    exported: "Sequence[ExportResult]",
    found: Found,
    times: "Sequence[EngineRow]",
    machine: "Machine",
) -> dict[str, Any]:
    """What report.json holds; `times` are PyTorch's and ONNX Runtime's."""
    from stemline.evaluation.held_out import FIRST_SEED

    seed, audio_s = song.score.seed, song.score.duration_s
    scores = stem_scores(found.stems, song)
    improvements = [row["improvement_db"] for row in scores if row["improvement_db"] is not None]
    torch_ms, onnx_ms = (1e3 * row.seconds_per_chunk for row in times)
    return {
        "song": {
            "seed": seed,
            "held_out": seed >= FIRST_SEED,
            "start_s": start_s,
            "duration_s": audio_s,
            **{name: getattr(song.truth, name) for name in ("tempo_bpm", "beats_per_bar", "key")},
        },
        "model": _model(exported[0]),
        "stems": scores,
        "mean_improvement_db": mean(improvements) if improvements else None,
        "beats_model": _model(exported[1]),
        "beats": _beats(song, found.beats),
        "grpc": {
            "audio_s": audio_s,
            "seconds": found.seconds,
            "realtime_factor": audio_s / found.seconds,
            "provider": found.accepted.provider,
            "device": found.accepted.device,
        },
        "latency": {
            "chunk_s": times[0].chunk_s,
            "threads": times[0].threads,
            "rounds": times[0].rounds,
            "torch_ms": torch_ms,
            "onnx_ms": onnx_ms,
            "ratio": torch_ms / onnx_ms,
        },
        "files": {
            "mixture": FILES["mixture"],
            "truth": {stem: f"truth/{stem}.wav" for stem in song.stems},
            "separated": {stem: f"separated/{stem}.wav" for stem in found.stems},
            **FILES,
        },
        "machine": asdict(machine),
    }


def stem_scores(separated: Mapping[str, Array], song: "Song") -> list[dict[str, Any]]:
    """SI-SDR of each stem against its truth.

    None where the true stem rests or sounds alone, and there is nothing to measure; a stem that is
    missing from what was separated has the worst figure there is, and counts in the mean.
    """
    from stemline.evaluation.quality import scores_of

    found = {score.stem: score for score in scores_of(separated, song.mixture, song.stems)}
    return [
        {
            "stem": stem,
            "mixture_si_sdr_db": score and score.si_sdr_db - score.improvement_db,
            "si_sdr_db": score and score.si_sdr_db,
            "improvement_db": score and score.improvement_db,
        }
        for stem, score in ((stem, found.get(stem)) for stem in separated)
    ]


def _model(exported: "ExportResult") -> dict[str, Any]:
    return {
        "artifact": exported.artifact,
        "artifact_sha256": read_artifact(exported.folder).sha256,
        "export": exported.status,
        "parity_db": exported.card.snr_db,
        "budget_db": exported.card.budget_db,
    }


def _beats(song: "Song", found: Beats) -> dict[str, Any]:
    from stemline.evaluation.song_score import score_of

    truth = song.truth
    return {
        "bpm": found.bpm,
        "true_bpm": truth.tempo_bpm,
        "n_beats": len(found.beats),
        "n_true_beats": len(truth.beats),
        "n_downbeats": len(found.downbeats),
        "n_true_downbeats": sum(beat.position == 1 for beat in truth.beats),
        "scores": score_of(truth, found, song.score.duration_s).to_json(),
        "segments": beats_json(found)["segments"],
        "true_segments": [
            {"start": one.start_s, "end": one.end_s, "label": one.label} for one in truth.sections
        ],
        "seconds": found.seconds,
    }


def print_demo(report: dict[str, Any], out: Path, artifacts: Path) -> None:
    """Tables of what was found, then what to do next; `out` is the report's folder."""
    song, files = report["song"], report["files"]
    known = "training never heard it" if song["held_out"] else "training may have heard it"
    say(
        f"song {song['seed']} of the synthetic band, {song['duration_s']:g} s of it; {known}; "
        "SI-SDR against its true stems, higher is better:"
    )
    forms = {"mixture_si_sdr_db": ".2f", "si_sdr_db": ".2f", "improvement_db": "+.2f"}
    scores = [
        (row["stem"], *(figure(row[name], form) for name, form in forms.items()))
        for row in report["stems"]
    ]
    print_table(
        f"stems by {report['model']['artifact']}",
        ("stem", "SI-SDR in the mixture", "SI-SDR separated", "improvement"),
        [*scores, ("mean", "", "", figure(report["mean_improvement_db"], "+.2f"))],
    )
    _print_beats(report["beats"], report["beats_model"]["artifact"])
    _print_speed(report["grpc"], report["latency"], report["model"])
    written = {
        "the song": files["mixture"],
        "its true stems": "truth",
        **files["separated"],
        "picture": files["picture"],
        "its beats, with their place in the bar": files["beats"],
        "the song with a click on each": files["clicks"],
        "beats and sections, a picture": files["beats_picture"],
        "every figure": "report.json",
    }
    rows = [(what, str(out / path)) for what, path in written.items()]
    print_table("written", ("what", "where"), rows)
    _print_next(artifacts)


def _print_beats(beats: dict[str, Any], artifact: str) -> None:
    """What was found beside what is true."""
    scores, found, true = beats["scores"], beats["segments"], beats["true_segments"]
    tempi = (
        figure(beats[name], form, "bpm") for name, form in (("bpm", ".1f"), ("true_bpm", ".4g"))
    )
    rows = [("tempo", *tempi, "")]
    for what in ("beat", "downbeat"):
        numbers = str(beats[f"n_{what}s"]), str(beats[f"n_true_{what}s"])
        rows.append((f"{what}s", *numbers, f"{scores[what]:.3f}, within 70 ms"))
    half, three = scores["boundary_half"], scores["boundary_three"]
    boundaries = f"{half:.2f}, boundaries within 0.5 s; {three:.2f} within 3 s"
    rows.append(("sections", str(len(found)), str(len(true)), boundaries))
    title = f"beats by {artifact}, in the stems that came out"
    print_table(title, ("what", "found", "true", "F-measure"), rows)
    print_table(
        f"sections; {scores['label']:.0%} of the time has its right name",
        ("found", "true"),
        [(_segment(one), _segment(other)) for one, other in zip_longest(found, true)],
    )


def _print_speed(grpc: dict[str, Any], latency: dict[str, Any], model: dict[str, Any]) -> None:
    audio = f"{grpc['audio_s']:.1f} s of audio to stems and beats over gRPC"
    call = f"{audio} in {grpc['seconds']:.1f} s, {grpc['provider']}"
    threads = "1 thread" if latency["threads"] == 1 else f"{latency['threads']} threads"
    chunk = f"a chunk of {latency['chunk_s']:.2f} s on the CPU, {threads}"
    median = f"{chunk}; median of {latency['rounds']}, by turns"
    faster = f"the same; {latency['ratio']:.2f}× as fast as PyTorch"
    asked = f"SNR of the worst stem, measured at export; {model['budget_db']:.0f} dB is asked"
    rows = [
        ("real-time factor", f"{grpc['realtime_factor']:.2f}×", call),
        ("PyTorch", f"{latency['torch_ms']:.1f} ms", median),
        ("ONNX Runtime", f"{latency['onnx_ms']:.1f} ms", faster),
        ("agreement with PyTorch", figure(model["parity_db"]), asked),
    ]
    print_table("speed and fidelity", ("what", "figure", "how"), rows)


def _print_next(artifacts: Path) -> None:
    """The command for a song of the user's own, and how to separate it better."""
    command = stemline_command()
    where = "" if artifacts == DEFAULT_ARTIFACTS else f" --artifacts {shlex.quote(str(artifacts))}"
    chosen = None if artifacts == DEFAULT_ARTIFACTS else artifacts
    used = Library(artifact_folders(chosen)).find().info.model
    say(f"the models are in {artifacts.absolute()}")
    with_it = "" if used == small_model("separate") else f" with {used}"
    say(f"separate a song of your own{with_it}: {command} separate song.wav{where}")
    say(f"find its beats: {command} beats song.wav{where}")
    tell_of_small_model("", used, command=command, options=where)


def stemline_command() -> str:
    """What to type in a shell for this very stemline."""
    script = Path(sys.argv[0])
    if script.name != "stemline" or not script.is_file():
        return f"{shlex.quote(sys.executable)} -m stemline"
    found = shutil.which("stemline")
    # Not by its bare name in a virtual environment that is not activated.
    return "stemline" if found and script.samefile(found) else shlex.quote(str(script))


def figure(value: float | None, form: str = ".2f", unit: str = "dB") -> str:
    """As `-1.25 dB`; `none` where there is no figure, as for a stem that rests."""
    return "none" if value is None else f"{value:{form}} {unit}"


def _segment(one: dict[str, Any] | None) -> str:
    return f"{one['start']:.2f} to {one['end']:.2f} s {one['label']}" if one else ""
