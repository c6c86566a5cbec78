"""`stemline beats`: files to tempo, beats, downbeats and sections."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from stemline.preprocessing.audio import AudioFormat, open_audio

from ..beat_files import beats_json
from ..beat_models import BeatModel, find_beat_model, find_separator
from ..beat_plot import check_can_plot
from ..beats import Beats, BeatTracker, Progress
from ..errors import FAILED, RequestError, exit_code_of
from ..library import EngineOptions, Library
from ..stem_files import FileBlocks, StemFolder
from .beat_outputs import BeatOutputs, outputs_of, write_outputs
from .options import DEFAULT_ARTIFACTS, AllowUntrained, Artifacts, Device, Json, Threads
from .report import fail, print_json, print_table, progress_bar, say, warn

# Encoders add silence; more than so much and the stems are another track's.
_MOST_DIFFERENCE_S = 0.25


@dataclass(frozen=True)
class _Found:
    """What was found in one file, and written."""

    beats: Beats
    audio: AudioFormat
    duration_s: float
    seconds: dict[str, float]
    files: dict[str, Path]


@dataclass(frozen=True)
class _Opened:
    """What does the work."""

    tracker: BeatTracker
    model: BeatModel
    separator: str
    """The artifact's name, or where the stems lie."""


def beats(
    files: Annotated[list[Path], typer.Argument(help="Audio files of any kind libsndfile reads.")],
    model: Annotated[
        str, typer.Option("-m", "--model", help="A beat model, artifact or path to an .onnx file.")
    ] = "",
    separator: Annotated[
        str,
        typer.Option(help="The model that makes the stems; the one the beat model learned from."),
    ] = "",
    stems_from: Annotated[
        Path | None,
        typer.Option(
            help="Take stems that `separate -o DIR` wrote, in DIR/<input name>/; of one file also "
            "those in DIR itself."
        ),
    ] = None,
    as_json: Json = False,
    csv: Annotated[
        Path | None,
        typer.Option(help="A table of all events. Of several inputs this is a folder, as below."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="PNG: waveform, beats, downbeats, sections.")
    ] = None,
    click: Annotated[
        Path | None,
        typer.Option(help="The track with clicks, higher on downbeats; .wav, .flac or .mp3."),
    ] = None,
    beats_file: Annotated[
        Path | None, typer.Option("--beats", help="Text as mir_eval reads it: time, tab, position.")
    ] = None,
    activations: Annotated[
        Path | None, typer.Option(help="NPZ: the network's probabilities in every frame.")
    ] = None,
    artifacts: Artifacts = DEFAULT_ARTIFACTS,
    device: Device = "auto",
    threads: Threads = None,
    allow_untrained: AllowUntrained = False,
) -> None:
    """Find tempo, beats, downbeats and sections with labels."""
    if separator and stems_from is not None:
        raise RequestError("separator", "--separator and --stems-from exclude each other")
    wanted = BeatOutputs(csv, plot, click, beats_file, activations)
    targets = outputs_of(files, wanted)
    if plot is not None:
        check_can_plot()

    with ExitStack() as closing:
        options = EngineOptions(device, threads, None, allow_untrained)
        opened = _open(closing, artifacts, model, separator, stems_from, options)
        bar = closing.enter_context(progress_bar(quiet=as_json))
        results: dict[Path, _Found | Exception] = {}
        for path in files:
            task = bar.add_task(path.name, total=None)

            def advance(done: int, total: int | None, task: Any = task) -> None:
                bar.update(task, completed=done, total=total)

            stems = None if stems_from is None else _stem_folder(stems_from, path, len(files) == 1)
            results[path] = _try_file(path, opened.tracker, stems, targets[path], advance)
    _report(results, opened, as_json)


def _open(
    closing: ExitStack,
    artifacts: Path,
    model: str,
    separator: str,
    stems_from: Path | None,
    options: EngineOptions,
) -> _Opened:
    library = Library(artifacts, options)
    closing.callback(library.close)
    chosen = find_beat_model(library, model)
    if stems_from is not None:
        tracker = chosen.open(options)
        closing.callback(tracker.close)
        origin = str(stems_from)
    else:
        offer = find_separator(library, chosen.facts, separator)
        tracker = chosen.open(options, library.separator(separator or offer.name))
        closing.callback(tracker.close)
        origin = offer.name
        unheard = sorted(set(map(str.lower, offer.stems)) - set(map(str.lower, chosen.facts.stems)))
        if unheard:
            warn(f"{offer.name} also makes {', '.join(unheard)}, which {chosen.name} does not hear")
        if chosen.facts.separator not in ("", offer.info.model):
            say(f"{chosen.name} learned from the stems of {chosen.facts.separator}")
        if not offer.info.trained:
            warn(f"{offer.name} has random weights: its stems are noise, and so are the beats")
    if not chosen.artifact.info.trained:
        warn(f"{chosen.name} has random weights: what it finds means nothing")
    spec = tracker.engine.spec
    say(f"{chosen.name} on {spec.device} ({spec.provider}), stems from {origin}")
    return _Opened(tracker, chosen, origin)


def _try_file(
    path: Path,
    tracker: BeatTracker,
    stems: Path | None,
    wanted: BeatOutputs,
    advance: Progress,
) -> _Found | Exception:
    """One file, or why it could not be; a fault of ours is raised."""
    try:
        return _one_file(path, tracker, stems, wanted, advance)
    except OSError as error:
        return error
    except (ValueError, LookupError, RuntimeError) as error:
        if exit_code_of(error) is None:
            raise
        return error


def _one_file(
    path: Path, tracker: BeatTracker, stems: Path | None, wanted: BeatOutputs, advance: Progress
) -> _Found:
    started = time.perf_counter()
    with open_audio(path) as reader:
        audio = reader.format
    asks = wanted.activations is not None
    if stems is None:
        found = tracker.track_blocks(
            FileBlocks(path), audio, with_activations=asks, on_progress=advance
        )
    else:
        found = _of_stems(path, audio, tracker, stems, asks)
    analysed = time.perf_counter()
    write_outputs(path, audio, found, wanted)
    ended = time.perf_counter()
    # Where only reading to the end would tell: up to the last frame, 10 ms off at the most.
    duration_s = found.segments[-1].end
    if audio.n_samples is not None:
        duration_s = audio.n_samples / audio.sample_rate_hz
    seconds = {**found.seconds, "files": ended - analysed, "wall": ended - started}
    return _Found(replace(found, activations=None), audio, duration_s, seconds, wanted.items())


def _of_stems(
    path: Path, audio: AudioFormat, tracker: BeatTracker, folder: Path, with_activations: bool
) -> Beats:
    stems = StemFolder(folder, tracker.facts.stems)
    if audio.n_samples is not None and stems.format.n_samples is not None:
        track_s = audio.n_samples / audio.sample_rate_hz
        stems_s = stems.format.n_samples / stems.format.sample_rate_hz
        if abs(track_s - stems_s) > _MOST_DIFFERENCE_S:
            raise RequestError(
                "stems-from",
                f"the stems in {folder} are {stems_s:.2f} s long, {path} is {track_s:.2f} s: they "
                "are of another track",
            )
    mono = tracker.collect(stems.format.sample_rate_hz)
    for block in stems.blocks():
        mono.push(block)
    return tracker.find(mono, with_activations=with_activations)


def _stem_folder(stems_from: Path, path: Path, alone: bool) -> Path:
    own = stems_from / path.stem
    return stems_from if alone and not own.is_dir() else own


def _report(results: dict[Path, _Found | Exception], opened: _Opened, as_json: bool) -> None:
    failed: dict[Path, Exception] = {}
    for path, result in results.items():
        if isinstance(result, Exception):
            failed[path] = result
            if as_json:
                print_json({"input": str(path), "error": str(result)})
        elif as_json:
            print_json(_json_of(path, result, opened))
        else:
            _say_result(path, result)
    if failed and len(results) == 1:
        (error,) = failed.values()
        fail(str(error))
        raise typer.Exit(exit_code_of(error) or FAILED)
    if failed:
        print_table(
            f"{len(failed)} of {len(results)} failed",
            ("file", "why"),
            [(str(path), str(error)) for path, error in failed.items()],
        )
        raise typer.Exit(FAILED)


def _say_result(path: Path, result: _Found) -> None:
    found = result.beats
    tempo = "no tempo" if found.bpm is None else f"{found.bpm} bpm"
    print_table(
        f"{path}: {tempo}, {len(found.beats)} beats, {len(found.downbeats)} downbeats",
        ("start", "end", "section"),
        [(f"{one.start:.2f}", f"{one.end:.2f}", one.label) for one in found.segments],
    )
    wall = result.seconds["wall"]
    say(
        f"{path}: {tempo}, {len(found.beats)} beats, {len(found.downbeats)} downbeats, "
        f"{len(found.segments)} sections; {result.duration_s:.1f} s of audio in {wall:.1f} s, "
        f"{result.duration_s / wall:.2f}× real time"
    )
    for target in result.files.values():
        print(target)


def _json_of(path: Path, result: _Found, opened: _Opened) -> dict[str, Any]:
    spec = opened.tracker.engine.spec
    return {
        "input": str(path),
        "model": opened.model.artifact.info.model,
        "artifact": opened.model.name,
        "artifact_sha256": opened.model.artifact.sha256,
        "provider": spec.provider,
        "device": spec.device,
        "stems_from": opened.separator,
        **beats_json(result.beats),
        "files": {name: str(target) for name, target in result.files.items()},
        "seconds": {stage: round(value, 4) for stage, value in result.seconds.items()},
        "realtime_factor": round(result.duration_s / result.seconds["wall"], 4),
    }
