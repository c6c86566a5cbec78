"""`stemline beats`: files to tempo, beats, downbeats and sections."""

import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import TaskID

from stemline.errors import OutputsError, RequestError
from stemline.preprocessing.audio import AudioFormat, open_audio

from ..beat_files import beats_json
from ..beat_plot import check_can_plot
from ..beat_tracker import Progress
from ..jobs import Beats
from ..library import EngineOptions
from .batch import Batch, attempt
from .beat_outputs import BeatOutputs, check_not_read, outputs_of, write_outputs
from .beat_source import BeatRun, BeatSource, open_local, open_remote
from .options import DEFAULT_ARTIFACTS, AllowUntrained, Artifacts, Device, Json, Threads
from .report import print_json, print_table, progress_bar, say


@dataclass(frozen=True)
class _Found:
    """What was found in one file, and written."""

    beats: Beats
    audio: AudioFormat
    duration_s: float
    seconds: dict[str, float]
    files: dict[str, Path]
    unwritten: OutputsError | None


def beats(
    files: Annotated[list[Path], typer.Argument(help="Audio files of any kind libsndfile reads.")],
    model: Annotated[
        str, typer.Option("-m", "--model", help="A beat model, artifact or path to an .onnx file.")
    ] = "",
    separator: Annotated[
        str,
        typer.Option(
            help="The model that makes the stems to hear; the one the beat model learned from."
        ),
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
    server: Annotated[str, typer.Option(help="HOST:PORT of a stemline server to do it.")] = "",
    tls_ca: Annotated[
        Path | None, typer.Option(help="With --server: PEM file of the authority to trust.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="With --server: file holding the bearer token.")
    ] = None,
) -> None:
    """Find tempo, beats, downbeats and sections with labels."""
    if server and (device != "auto" or threads or allow_untrained):
        raise RequestError(
            "server",
            "--device, --threads and --allow-untrained are the server's to choose; give them to "
            "stemline serve",
        )
    if server and stems_from is not None:
        raise RequestError(
            "stems-from", "--stems-from takes stems that lie here; with --server none are taken"
        )
    if separator and stems_from is not None:
        raise RequestError("separator", "--separator and --stems-from exclude each other")
    files = list(dict.fromkeys(files))
    wanted = BeatOutputs(csv, plot, click, beats_file, activations)
    targets = outputs_of(files, wanted)
    if plot is not None:
        check_can_plot()

    with ExitStack() as closing:
        if server:
            source = open_remote(closing, server, model, separator, tls_ca, token_file)
        else:
            options = EngineOptions(device, threads, None, allow_untrained)
            is_alone = len(files) == 1
            source = open_local(
                closing, artifacts, model, separator, stems_from, options, is_alone=is_alone
            )
        check_not_read(targets, source.reads)
        bar = closing.enter_context(progress_bar(quiet=as_json))
        batch = Batch(bar, len(files), as_json=as_json)
        is_server_told = not server
        for path in files:
            task = bar.add_task(path.name, total=None)

            def advance(done: int, total: int | None, task: TaskID = task) -> None:
                bar.update(task, completed=done, total=total)

            result = attempt(partial(_one_file, path, source, targets[path], advance))
            bar.remove_task(task)
            with batch.aside():
                run = source.describe()
                if not is_server_told and run.artifact:
                    say(f"{run}, at {server}")
                    is_server_told = True
                _report(path, result, run, batch, as_json)
    batch.end()


def _one_file(path: Path, source: BeatSource, wanted: BeatOutputs, advance: Progress) -> _Found:
    started = time.perf_counter()
    with open_audio(path) as reader:
        audio = reader.format
    found = source.find(path, audio, wanted.activations is not None, advance)
    analysed = time.perf_counter()
    files, unwritten = write_outputs(path, audio, found, wanted)
    ended = time.perf_counter()
    # Where only reading to the end would tell: up to the last frame, 10 ms off at the most.
    duration_s = found.duration_s
    if audio.n_samples is not None:
        duration_s = audio.n_samples / audio.sample_rate_hz
    seconds = {**found.seconds, "files": ended - analysed, "wall": ended - started}
    found = replace(found, activations=None)
    return _Found(found, audio, duration_s, seconds, files, unwritten)


def _report(
    path: Path, result: _Found | Exception, run: BeatRun, batch: Batch, as_json: bool
) -> None:
    if isinstance(result, Exception):
        batch.failed(path, result)
        return
    if as_json:
        print_json(_json_of(path, result, run))
    else:
        _say_result(path, result)
    if result.unwritten is not None:
        batch.incomplete(path, result.unwritten)


def _say_result(path: Path, result: _Found) -> None:
    found = result.beats
    tempo = "no tempo" if found.bpm is None else f"{found.bpm} bpm"
    counts = f"{tempo}, {len(found.beats)} beats, {len(found.downbeats)} downbeats"
    if found.segments:
        print_table(
            f"{path}: {counts}",
            ("start", "end", "section"),
            [(f"{one.start:.2f}", f"{one.end:.2f}", one.label) for one in found.segments],
        )
        counts = f"{counts}, {len(found.segments)} sections"
    else:  # of a network that tells none
        print_table(
            f"{path}: {counts}",
            ("beat", "position"),
            [(f"{one.time_s:.2f}", str(one.position)) for one in found.beats],
        )
    wall = result.seconds["wall"]
    say(
        f"{path}: {counts}; {result.duration_s:.1f} s of audio in {wall:.1f} s, "
        f"{result.duration_s / wall:.2f}× real time"
    )
    for target in result.files.values():
        print(target)


def _json_of(path: Path, result: _Found, run: BeatRun) -> dict[str, Any]:
    error = {} if result.unwritten is None else {"error": str(result.unwritten)}
    return {
        "input": str(path),
        **error,
        **asdict(run),
        **beats_json(result.beats),
        "files": {name: str(target) for name, target in result.files.items()},
        "seconds": {stage: round(value, 4) for stage, value in result.seconds.items()},
        "realtime_factor": round(result.duration_s / result.seconds["wall"], 4),
    }
