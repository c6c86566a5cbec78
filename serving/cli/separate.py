"""`stemline separate`: files to stems, here or through a server."""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import Progress, TaskID

from stemline.errors import RequestError
from stemline.postprocessing.encode import OutputFormat
from stemline.temporary_folders import temporary_folder

from ..allocator import few_arenas
from ..files import SeparatedFile, separate_file
from ..jobs import SeparateOptions
from ..library import EngineOptions
from ..output_names import FileNames
from ..stem_origin import mark
from ..stem_places import DEFAULT, file_names, n_stems
from . import separate_options as option
from .batch import Batch, attempt
from .inputs import as_file, found_files
from .options import (
    AllowUntrained,
    BatchSize,
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
    split_names,
)
from .progress import progress_bar
from .remote import ServerOptions
from .report import print_json, say, speaking, warn
from .separate_plan import Made, Plan, distinct_inputs, has_outputs, plan, say_replaced
from .separate_source import SeparateSource, SeparationRun, open_local, open_remote, path_name
from .small_model import tell_of_small_model


def separate(
    files: Files,
    model: option.Model = "",
    out: option.Out = Path("separated"),
    filename: option.Filename = DEFAULT,
    skip_existing: option.SkipExisting = False,
    stems: option.Stems = "",
    two_stems: option.TwoStems = "",
    text: option.Text = None,
    text_file: option.TextFile = None,
    residual: option.Residual = False,
    mono: option.Mono = False,
    overlap: option.Overlap = None,
    shifts: option.Shifts = 0,
    seed: option.Seed = 0,
    batch_size: BatchSize = None,
    device: Device = "auto",
    threads: Threads = None,
    container: option.Format = option.DEFAULT_CONTAINER,
    bits: option.Bits = option.DEFAULT_BITS,
    bitrate: option.Bitrate = option.DEFAULT_BITRATE_KBPS,
    mp3: option.Mp3 = False,
    flac: option.Flac = False,
    int24: option.Int24 = False,
    float32: option.Float32 = False,
    segment: option.Segment = None,
    jobs: option.Jobs = 1,
    no_tags: option.NoTags = False,
    strict: Strict = False,
    server: Server = "",
    tls_ca: TlsCa = None,
    token_file: TokenFile = None,
    allow_untrained: AllowUntrained = False,
    artifacts: FindArtifacts = None,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Separate audio files into stems with the input's sample rate and number of samples."""
    few_arenas()
    remote = ServerOptions(server, tls_ca, token_file)
    engines = EngineOptions(device, threads, batch_size, allow_untrained)
    remote.check_engines(engines, "--device, --threads, --batch-size and --allow-untrained")
    names, texts = _stem_names(stems, two_stems), option.texts_of(text, text_file)
    residual = residual or bool(two_stems)
    options = SeparateOptions(names, residual, overlap, shifts, seed, text=texts, mono=mono)
    short = {"mp3": mp3, "flac": flac, "int24": int24, "float32": float32}
    output = option.output_format(container.value, bits, bitrate, short)
    wanted = _Wanted(
        files, model, out, filename, skip_existing, options, output, strict, not no_tags
    )
    with speaking(quiet=quiet, verbose=verbose), ExitStack() as closing:
        _say_of_options(segment, output)
        opened = partial(open_local, closing, artifacts, model, engines, options)
        if server:
            opened = partial(open_remote, closing, remote, model, options)
        shown = _Shown(as_json, quiet, is_announced=not server)
        batch = _run(closing, wanted, opened, jobs, shown)
    batch.end()


@dataclass(frozen=True)
class _Wanted:
    """What is to be separated into what."""

    files: list[str]
    model: str
    out: Path
    filename: str
    skip_existing: bool
    options: SeparateOptions
    output: OutputFormat
    strict: bool
    with_tags: bool


@dataclass(frozen=True)
class _Shown:
    """How it is told."""

    as_json: bool
    quiet: bool
    is_announced: bool
    """Whether what runs was said already; a server says it with the first file."""


def _run(
    closing: ExitStack,
    wanted: _Wanted,
    opened: Callable[[], SeparateSource],
    jobs: int,
    shown: _Shown,
) -> Batch:
    """Separate every file by what `opened()` returns, with what is in the way said before."""
    out, options = wanted.out, wanted.options
    names = file_names(wanted.filename, wanted.output.container, options)
    inputs = distinct_inputs(found_files(wanted.files, [out]), names, out)
    if is_piped := str(out) == "-":
        out = _piped_folder(closing, inputs, options, shown.as_json)
    source = opened()
    made = _made(source, inputs, names, out, wanted.skip_existing, is_remote=not shown.is_announced)
    planned = plan(inputs, names, out, made, skip_existing=wanted.skip_existing)
    work = _Work(
        wanted.model, options, wanted.output, planned, is_piped, wanted.strict, wanted.with_tags
    )
    bar = closing.enter_context(progress_bar(quiet=shown.as_json or shown.quiet))
    batch = Batch(bar, len(inputs), as_json=shown.as_json)
    separation = _Separation(
        work, source, bar, batch, shown.as_json, is_announced=shown.is_announced
    )
    _say_skipped(planned.done, shown.as_json)
    _each(list(planned.places), separation.run, separation.report, jobs, closing.close)
    return batch


def _say_of_options(segment_s: float | None, output: OutputFormat) -> None:
    """Say which of the options were taken and change nothing."""
    if segment_s is not None:
        say("--segment is not needed: an exported network has the segment it was made for")
    if words := option.unused(output):
        warn(words)


def _piped_folder(
    closing: ExitStack, inputs: list[Path], options: SeparateOptions, as_json: bool
) -> Path:
    """Where the one stem is written that then goes to standard output.

    Raises RequestError where standard output cannot be one file.
    """
    if len(inputs) != 1 or n_stems(options) != 1:
        raise RequestError(
            "out",
            "-o - writes one stem of one input to standard output; choose it with --stems, or by "
            "one --text",
        )
    if as_json:
        raise RequestError("out", "-o - and --json both write to standard output")
    if sys.stdout.isatty():
        raise RequestError("out", "-o - writes audio, and standard output is a terminal; pipe it")
    return closing.enter_context(temporary_folder())


def _made(
    source: SeparateSource,
    files: list[Path],
    names: FileNames,
    out: Path,
    skip_existing: bool,
    *,
    is_remote: bool,
) -> Made | None:
    """What is made of every file, where that must be known before the first; a server is asked.

    Raises RequestError where a server has to choose the model, RemoteError.
    """
    is_needed = skip_existing or names.has("model")
    if is_remote and not is_needed and not has_outputs(files, names, out):
        return None
    made = source.made()
    if made is None and is_needed:
        raise RequestError(
            "model",
            "--skip-existing and {model} in --filename need to know the model before the server "
            "chooses one; name it with -m",
        )
    return made


@dataclass(frozen=True)
class _Work:
    """What is done with every file."""

    model: str
    """The model as it was named; empty where none was."""
    options: SeparateOptions
    output: OutputFormat
    plan: Plan
    is_piped: bool
    """Whether the one stem goes to standard output."""
    strict: bool
    tags: bool


class _Separation:
    """The separation of several files, each with its bar, and what is reported of each."""

    def __init__(
        self,
        work: _Work,
        source: SeparateSource,
        bar: Progress,
        batch: Batch,
        as_json: bool,
        *,
        is_announced: bool,
    ) -> None:
        """`is_announced`: it was said what the model is; a server names it only with a result."""
        self._work = work
        self._source = source
        self._bar = bar
        self._batch = batch
        self._as_json = as_json
        self._is_announced = is_announced
        self._tasks: dict[Path, TaskID] = {}

    def run(self, path: Path) -> SeparatedFile | Exception:
        """Separate one file; called from several threads where files are under way at once."""
        task = self._tasks[path] = self._bar.add_task(path.name, total=None)

        def advance(done: int, total: int | None) -> None:
            self._bar.update(task, completed=done, total=total)

        work = self._work

        def paths_of(stems: Sequence[str]) -> dict[str, Path]:
            paths = work.plan.places[path].paths(stems)
            if not work.plan.is_checked:
                say_replaced(paths.values())
            return paths

        def separated() -> SeparatedFile:
            with as_file(path) as file:
                source = self._source.source
                return separate_file(
                    file,
                    source,
                    paths_of,
                    work.output,
                    work.options,
                    advance,
                    strict=work.strict,
                    on_fault=warn,
                    tags=work.tags,
                    made_by=lambda: path_name(self._source.describe()),
                )

        result = attempt(separated)
        if isinstance(result, SeparatedFile):
            mark(result.stems.values(), path_name(self._source.describe()))
        return result

    def report(self, path: Path, result: SeparatedFile | Exception) -> None:
        """Print what came of one file."""
        self._bar.remove_task(self._tasks[path])
        with self._batch.aside():
            run = self._source.describe()
            if not self._is_announced and run.artifact:
                tell_of_small_model(self._work.model, run.model)
                self._is_announced = True
            if isinstance(result, Exception):
                self._batch.failed(path, result)
            elif self._as_json:
                print_json(_json_of(path, result, run))
            else:
                _write_result(result, self._work.is_piped)
                _say_result(path, result, run)


def _each(
    files: list[Path],
    one: Callable[[Path], SeparatedFile | Exception],
    ended: Callable[[Path, SeparatedFile | Exception], None],
    jobs: int,
    on_interrupt: Callable[[], None],
) -> None:
    """Call `ended` for every file, in the order given, as soon as it and those before it have.

    `on_interrupt` ends those under way.
    """
    if jobs == 1:
        for path in files:
            ended(path, one(path))
        return
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        try:
            for path, result in zip(files, pool.map(one, files), strict=True):
                ended(path, result)
        except BaseException:
            on_interrupt()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _stem_names(stems: str, two_stems: str) -> tuple[str, ...]:
    """The stems that were asked for, all where none is named. Raises RequestError."""
    if stems and two_stems:
        raise RequestError("stems", "--stems and --two-stems exclude each other")
    names = split_names(two_stems or stems)
    if two_stems and len(names) != 1:
        raise RequestError("two-stems", f"--two-stems takes one stem, got {two_stems!r}")
    return names


def _say_skipped(done: dict[Path, dict[str, Path]], as_json: bool) -> None:
    for path, stems in done.items():
        if as_json:
            found = {stem: str(target) for stem, target in stems.items()}
            print_json({"input": str(path), "skipped": True, "stems": found})
        else:
            say(f"{path}: skipped, its stems are there: {next(iter(stems.values())).parent}")


def _write_result(result: SeparatedFile, is_piped: bool) -> None:
    """The stems' paths, or the one stem itself, on standard output."""
    for target in result.stems.values():
        if is_piped:
            sys.stdout.buffer.write(target.read_bytes())
            sys.stdout.buffer.flush()
        else:
            print(target)


def _say_result(path: Path, result: SeparatedFile, run: SeparationRun) -> None:
    engine_share = result.seconds["engine"] / result.seconds["wall"]
    say(
        f"{path}: {result.audio_s:.1f} s of audio in {result.seconds['wall']:.1f} s, "
        f"{result.realtime_factor:.2f}× real time, {engine_share:.1%} of it in "
        f"{'the engine' if len(run.networks) == 1 else f'{len(run.networks)} engines'} "
        f"({', '.join(run.networks)})"
    )
    for stem, n_clipped in result.clipped_samples.items():
        warn(
            f"{path}: {n_clipped} samples of {stem} went beyond full scale and were clipped; "
            "--format wav --bits 32 keeps them"
        )


def _json_of(path: Path, result: SeparatedFile, run: SeparationRun) -> dict[str, Any]:
    return {
        "input": str(path),
        **asdict(run),
        "stems": {stem: str(target) for stem, target in result.stems.items()},
        "n_samples": result.n_samples,
        "sample_rate_hz": result.sample_rate_hz,
        "seconds": {stage: round(value, 4) for stage, value in result.seconds.items()},
        "realtime_factor": round(result.realtime_factor, 4),
        "clipped_samples": result.clipped_samples,
        "faults": list(result.faults),
        "cached": False,
    }
