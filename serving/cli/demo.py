"""`stemline demo`: all of stemline once, on a song whose stems and beats are known, measured.

Export `mini` and `mini-beats`, serve them, take a song of the synthetic band apart and find its
beats and sections over gRPC, compare all with the truth, and PyTorch with ONNX Runtime.
"""

import json
import math
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from stemline.engines import read_artifact
from stemline.errors import MissingExtraError, RequestError
from stemline.postprocessing.encode import StemWriter
from stemline.preprocessing.audio import open_audio

from ..beat_models import SMALL_BEATS
from ..library import SMALL_MODEL
from .demo_beats import FILES as BEAT_FILES
from .demo_beats import beats_report, write_beats
from .demo_call import FORMAT, analyze
from .demo_report import db, print_demo, say_machine
from .options import DEFAULT_ARTIFACTS, Artifacts, Json
from .report import fail, print_json, say
from .server_process import running_server

if TYPE_CHECKING:
    from stemline.arrays import Array
    from stemline.band import Song
    from stemline.export.export import ExportResult

DEMO_SEED = 4_000_000
"""Far from training's songs, which begin at 1, and from those of cards, from a million on; the
first from here in whose middle all four stems sound, and not the one with the best figures."""
_SHORTEST_S, _LONGEST_S = 1.0, 60.0  # every song has a minute
_MIXTURE = "mixture.wav"
# Packages that are imported in the middle of a demo, each with the extra that brings it.
_USED_LATE = (("psutil", "bench"), ("onnxruntime", "cpu"), ("onnxscript", "export"))


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="Where everything goes.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Of the song.")] = DEMO_SEED,
    duration_s: Annotated[
        float, typer.Option(help="Seconds from the middle of the song, 1 to 60.")
    ] = 30.0,
    artifacts: Artifacts = DEFAULT_ARTIFACTS,
    as_json: Json = False,
) -> None:
    """Stems, beats and sections of a synthetic song over gRPC, by the small models, measured."""
    if not _SHORTEST_S <= duration_s <= _LONGEST_S:
        raise RequestError(
            "duration-s",
            f"--duration-s is {_SHORTEST_S:g} to {_LONGEST_S:g} seconds; got {duration_s:g}",
        )
    _check_extras()
    from stemline.errors import BenchError

    out.mkdir(parents=True, exist_ok=True)
    report_path = out / "report.json"
    # A report is of the files beside it: none, until all of them are there.
    report_path.unlink(missing_ok=True)
    try:
        report = _finite(_run(out, seed, duration_s, artifacts))
    except BenchError as error:
        fail(str(error))
        raise typer.Exit(error.exit_code) from error
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    report_path.write_text(text + "\n", encoding="utf-8")
    if as_json:
        print_json({"out": str(out), **report})
    else:
        print_demo(report, out, artifacts)


def _run(out: Path, seed: int, duration_s: float, artifacts: Path) -> dict[str, Any]:
    """Everything, in order; what report.json holds."""
    from stemline.bench.latency import THREADS, measure_latency
    from stemline.bench.machine import describe_machine
    from stemline.evaluation.held_out import FIRST_SEED

    machine = describe_machine(THREADS)
    say_machine(machine)
    exported, beats_exported = (_export(name, artifacts) for name in (SMALL_MODEL, SMALL_BEATS))
    artifact, beats_artifact = (read_artifact(one.folder) for one in (exported, beats_exported))
    info = artifact.info
    say(f"the band plays song {seed}")
    song, start_s = _excerpt(seed, duration_s)
    _write_song(song, out)
    names = artifact.name, beats_artifact.name
    with running_server(artifacts, ",".join(names), out / "server.log") as address:
        say(f"serving {' and '.join(names)} on {address}; separating over gRPC")
        analyzed = analyze(out / _MIXTURE, out / "separated", address, *names)
    separated = analyzed.file
    write_beats(out, _MIXTURE, song.truth, analyzed.beats)
    say("the server has stopped; timing PyTorch and ONNX Runtime by turns")
    latency = measure_latency(artifact, song.mixture)
    scores = _scores(out, info.stems)
    _draw(out / "stems.png", song, out / "separated", scores)
    return {
        "song": {
            "seed": seed,
            "held_out": seed >= FIRST_SEED,
            "start_s": start_s,
            "duration_s": song.score.duration_s,
            "tempo_bpm": song.truth.tempo_bpm,
            "beats_per_bar": song.truth.beats_per_bar,
            "key": song.truth.key,
        },
        "model": _model_report(exported),
        "stems": scores,
        "mean_improvement_db": _mean([score["improvement_db"] for score in scores]),
        "beats_model": _model_report(beats_exported),
        "beats": beats_report(song.truth, analyzed.beats, song.score.duration_s),
        "grpc": {
            "audio_s": separated.audio_s,
            "seconds": separated.seconds["wall"],
            "realtime_factor": separated.realtime_factor,
            "provider": analyzed.accepted.provider,
            "device": analyzed.accepted.device,
        },
        "latency": {**asdict(latency), "ratio": latency.ratio},
        "files": {
            "mixture": _MIXTURE,
            "truth": {stem: f"truth/{stem}.wav" for stem in info.stems},
            "separated": {
                stem: path.relative_to(out).as_posix() for stem, path in separated.stems.items()
            },
            **BEAT_FILES,
            "picture": "stems.png",
            "server_log": "server.log",
        },
        "machine": asdict(machine),
    }


def _check_extras() -> None:
    """Raise MissingExtraError for the first package that is missing, before anything is done."""
    from stemline.bench.picture import check_can_draw

    check_can_draw()
    for package, extra in _USED_LATE:
        try:
            import_module(package)
        except ImportError as error:
            raise MissingExtraError(package, extra) from error
    import stemline.bench.latency
    import stemline.export.export
    import stemline.serving.rpc.server  # noqa: F401


def _export(name: str, artifacts: Path) -> "ExportResult":
    """One of the small models in fp32. Raises ExportError."""
    from stemline.export.export import export_model
    from stemline.export.models import find_model

    (result,) = export_model(find_model(name), root=artifacts, report=say)
    snr_db = result.card.snr_db
    say(f"{result.artifact}: {result.status}, agrees with PyTorch to {snr_db:.1f} dB")
    return result


def _model_report(exported: "ExportResult") -> dict[str, Any]:
    return {
        "artifact": exported.artifact,
        "artifact_sha256": read_artifact(exported.folder).sha256,
        "export": exported.status,
        "parity_db": exported.card.snr_db,
        "budget_db": exported.card.budget_db,
    }


def _excerpt(seed: int, duration_s: float) -> "tuple[Song, float]":
    """The middle of a song, and where it begins in seconds."""
    from stemline.band import compose, excerpt, perform

    score = compose(seed)
    start_s = round((score.duration_s - duration_s) / 2, 6)
    return perform(excerpt(score, start_s, duration_s)), start_s


def _write_song(song: "Song", out: Path) -> None:
    """The mixture and the true stems, as 32-bit floats: what is measured is what was played."""
    from stemline.band import SAMPLE_RATE_HZ

    (out / "truth").mkdir(exist_ok=True)
    sounds = {f"truth/{stem}": samples for stem, samples in song.stems.items()}
    for name, samples in {"mixture": song.mixture, **sounds}.items():
        with StemWriter(out / f"{name}.wav", FORMAT, SAMPLE_RATE_HZ, 2) as writer:
            writer.write(samples)


def _read(path: Path) -> "Array":
    """A WAV file as (channels, n_samples)."""
    with open_audio(path) as reader:
        return np.concatenate(list(reader.blocks()), axis=1)


def _scores(out: Path, stems: tuple[str, ...]) -> list[dict[str, Any]]:
    """SI-SDR of the files written, each stem against its truth.

    None where the true stem rests or sounds alone, and there is nothing to measure; a stem that is
    missing from what was separated has the worst figure there is, and counts in the mean.
    """
    from stemline.evaluation.quality import scores_of

    truth, separated = (
        {stem: _read(out / kind / f"{stem}.wav") for stem in stems}
        for kind in ("truth", "separated")
    )
    measured = {
        score.stem: {
            "mixture_si_sdr_db": score.si_sdr_db - score.improvement_db,
            "si_sdr_db": score.si_sdr_db,
            "improvement_db": score.improvement_db,
        }
        for score in scores_of(separated, _read(out / _MIXTURE), truth)
    }
    nothing = dict.fromkeys(("mixture_si_sdr_db", "si_sdr_db", "improvement_db"))
    return [{"stem": stem, **measured.get(stem, nothing)} for stem in stems]


def _draw(path: Path, song: "Song", separated: Path, scores: list[dict[str, Any]]) -> None:
    from stemline.band import SAMPLE_RATE_HZ
    from stemline.bench.picture import Sound, draw_sounds

    sounds = [Sound("mixture", song.mixture)]
    for score in scores:
        remark = f"SI-SDR {db(score['si_sdr_db'])}, in the mixture {db(score['mixture_si_sdr_db'])}"
        sounds.append(Sound(score["stem"], _read(separated / f"{score['stem']}.wav"), remark))
    title = f"A song of the synthetic band, separated by {SMALL_MODEL}"
    draw_sounds(path, title, sounds, SAMPLE_RATE_HZ)


def _mean(values: list[float | None]) -> float | None:
    """Of those that are numbers."""
    numbers = [value for value in values if value is not None]
    return mean(numbers) if numbers else None


def _finite(value: Any) -> Any:
    """The same, with null for what is no finite number: JSON has none of those."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
