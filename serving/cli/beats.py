"""`stemline beats`: files to tempo, beats, downbeats and sections."""

import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.progress import Progress as ProgressBar
from rich.progress import TaskID

from stemline.errors import OutputsError, RequestError
from stemline.preprocessing.audio import AudioFormat

from ..allocator import few_arenas
from ..beat_files import beats_json, tempo_words
from ..beat_plot import check_can_plot
from ..beat_tracker import Progress
from ..jobs import Beats
from ..library import EngineOptions
from ..stem_files import FileBlocks
from . import beats_options as option
from .batch import Batch, attempt
from .beat_outputs import BeatOutputs, check_not_read, outputs_of, write_outputs
from .beat_source import BeatRun, BeatSource, open_local, open_remote
from .inputs import as_file, found_files
from .options import (
    AllowUntrained,
    Device,
    Files,
    FindArtifacts,
    Json,
    Quiet,
    Server,
    Strict,
    Threads,
    TlsCa,
    TokenFile,
    Verbose,
)
from .progress import progress_bar
from .remote import ServerOptions
from .report import on_terminal, print_json, print_table, say, speaking, warn

_N_BEATS_SHOWN = 8


@dataclass(frozen=True)
class _Found:
    """What was found in one file, and written."""

    beats: Beats
    audio: AudioFormat
    duration_s: float
    seconds: dict[str, float]
    files: dict[str, Path]
    unwritten: OutputsError | None
    faults: tuple[str, ...]


def beats(
    files: Files,
    model: option.Model = "",
    separator: option.Separator = "",
    stems_from: option.StemsFrom = None,
    as_json: Json = False,
    csv: option.Csv = None,
    plot: option.Plot = None,
    click: option.Click = None,
    beats_file: option.BeatsFile = None,
    activations: option.Activations = None,
    artifacts: FindArtifacts = None,
    device: Device = "auto",
    threads: Threads = None,
    allow_untrained: AllowUntrained = False,
    strict: Strict = False,
    server: Server = "",
    tls_ca: TlsCa = None,
    token_file: TokenFile = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Find tempo, beats, downbeats and sections with labels."""
    few_arenas()
    remote = ServerOptions(server, tls_ca, token_file)
    engines = EngineOptions(device, threads, None, allow_untrained)
    remote.check_engines(engines, "--device, --threads and --allow-untrained")
    _check_stems(server, separator, stems_from)
    inputs = list(dict.fromkeys(found_files(files, [click])))
    targets = outputs_of(inputs, BeatOutputs(csv, plot, click, beats_file, activations))
    if plot is not None:
        check_can_plot()

    with ExitStack() as closing:
        closing.enter_context(speaking(quiet=quiet, verbose=verbose))
        if server:
            source = open_remote(closing, remote, model, separator)
        else:
            is_alone = len(inputs) == 1
            source = open_local(
                closing, artifacts, model, separator, stems_from, engines, is_alone=is_alone
            )
        check_not_read(targets, source.reads)
        bar = closing.enter_context(progress_bar(quiet=as_json or quiet))
        batch = Batch(bar, len(inputs), as_json=as_json)
        _each(targets, source, bar, batch, server, as_json, strict)
    batch.end()


def _check_stems(server: str, separator: str, stems_from: Path | None) -> None:
    """Raise RequestError where stems that lie here exclude another option."""
    if server and stems_from is not None:
        raise RequestError(
            "stems-from", "--stems-from takes stems that lie here; with --server none are taken"
        )
    if separator and stems_from is not None:
        raise RequestError("separator", "--separator and --stems-from exclude each other")


def _each(
    targets: dict[Path, BeatOutputs],
    source: BeatSource,
    bar: ProgressBar,
    batch: Batch,
    server: str,
    as_json: bool,
    strict: bool,
) -> None:
    """Find the beats of one file after another, and report each as it ends."""
    is_announced = not server  # a server says what it runs only with a result
    for path, wanted in targets.items():
        task = bar.add_task(path.name, total=None)

        def advance(done: int, total: int | None, task: TaskID = task) -> None:
            bar.update(task, completed=done, total=total)

        def found(
            path: Path = path, wanted: BeatOutputs = wanted, advance: Progress = advance
        ) -> _Found:
            with as_file(path) as file:
                return _one_file(file, source, wanted, advance, strict)

        result = attempt(found)
        bar.remove_task(task)
        with batch.aside():
            run = source.describe()
            if not is_announced and run.artifact:
                say(f"{run}, at {server}")
                is_announced = True
            _report(path, result, run, batch, as_json)


def _one_file(
    path: Path, source: BeatSource, wanted: BeatOutputs, advance: Progress, strict: bool
) -> _Found:
    started = time.perf_counter()
    blocks = FileBlocks(path, strict=strict, on_fault=warn)
    audio = blocks.format
    found = source.find(path, blocks, wanted.activations is not None, advance)
    analysed = time.perf_counter()
    files, unwritten = write_outputs(path, audio, found, wanted)
    ended = time.perf_counter()
    # Where only reading to the end would show it: up to the last frame, 10 ms off at the most.
    duration_s = found.duration_s
    if audio.n_samples is not None and not blocks.faults:
        duration_s = audio.n_samples / audio.sample_rate_hz
    seconds = {**found.seconds, "files": ended - analysed, "wall": ended - started}
    found = replace(found, activations=None)
    return _Found(found, audio, duration_s, seconds, files, unwritten, tuple(blocks.faults))


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
    counts = f"{tempo_words(found)}, {len(found.beats)} beats, {len(found.downbeats)} downbeats"
    if found.segments:
        counts = f"{counts}, {len(found.segments)} sections"
        print_table(
            f"{path}: {counts}",
            ("start", "end", "section"),
            [(f"{one.start:.2f}", f"{one.end:.2f}", one.label) for one in found.segments],
        )
    # Whoever reads a pipe wants all of them; on a terminal hundreds of lines would hide the rest.
    n_shown = _N_BEATS_SHOWN if on_terminal() else len(found.beats)
    shown = found.beats[:n_shown]
    if shown or not found.segments:
        print_table(
            f"{path}: beats" if found.segments else f"{path}: {counts}",
            ("beat", "position"),
            [(f"{one.time_s:.2f}", str(one.position)) for one in shown],
        )
    if len(found.beats) > _N_BEATS_SHOWN:
        also = "--json, --csv FILE and --beats FILE"
        if n_shown < len(found.beats):
            which = f"the first {n_shown} of {len(found.beats)} beats; all are in a pipe, {also}"
        else:
            which = f"{n_shown} beats; they are in {also}, too"
        say(f"{path}: {which}")
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
        "faults": list(result.faults),
        "realtime_factor": round(result.duration_s / result.seconds["wall"], 4),
    }
