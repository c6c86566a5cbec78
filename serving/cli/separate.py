"""`stemline separate`: files to stems, here or through a server."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import TaskID

from stemline.errors import RequestError
from stemline.postprocessing.encode import OutputFormat

from ..client.client import StemlineClient
from ..files import SeparatedFile, Source, separate_file
from ..jobs import SeparateOptions
from ..library import EngineOptions, Library
from .batch import Batch, attempt
from .options import DEFAULT_ARTIFACTS, AllowUntrained, Artifacts, BatchSize, Device, Json, Threads
from .report import print_json, progress_bar, say, warn
from .small_model import tell_of_small_model


class Container(StrEnum):
    """What stems are written as."""

    wav = "wav"
    flac = "flac"
    mp3 = "mp3"


@dataclass(frozen=True)
class _Run:
    """What did the work, for the summary."""

    model: str
    artifact: str
    artifact_sha256: str
    provider: str
    device: str
    networks: tuple[str, ...]
    """The artifacts that ran: of a bag those that count for the stems."""


@dataclass(frozen=True)
class _Opened:
    """What does the work."""

    source: Source
    describe: Callable[[], _Run]
    """A server says what it runs only once it has accepted a call."""


def separate(
    files: Annotated[list[Path], typer.Argument(help="Audio files of any kind libsndfile reads.")],
    model: Annotated[
        str, typer.Option("-m", "--model", help="A model, an artifact or a path to an .onnx file.")
    ] = "",
    out: Annotated[Path, typer.Option("-o", "--out", help="Stems go to OUT/<input name>/.")] = Path(
        "separated"
    ),
    stems: Annotated[str, typer.Option(help="Only these, separated by commas.")] = "",
    two_stems: Annotated[
        str, typer.Option(help="One stem and its complement, the mixture minus the stem.")
    ] = "",
    overlap: Annotated[
        float | None,
        typer.Option(help="N of 2 or more: hop = chunk/N. Below 1: the share that overlaps."),
    ] = None,
    shifts: Annotated[
        int,
        typer.Option(
            min=0, help="Demucs: the mean of N separations, each begun elsewhere; 0: none."
        ),
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of the shifts: same seed, same stems.")] = 0,
    batch_size: BatchSize = None,
    device: Device = "auto",
    threads: Threads = None,
    container: Annotated[
        Container, typer.Option("--format", help="Container of the stems.")
    ] = Container.wav,
    bits: Annotated[int, typer.Option(help="16, 24, or 32 for float (WAV).")] = 16,
    bitrate: Annotated[int, typer.Option(help="Of MP3, kbit/s.")] = 192,
    jobs: Annotated[int, typer.Option(min=1, help="Files under way at once.")] = 1,
    server: Annotated[str, typer.Option(help="HOST:PORT of a stemline server to do it.")] = "",
    tls_ca: Annotated[
        Path | None, typer.Option(help="With --server: PEM file of the authority to trust.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="With --server: file holding the bearer token.")
    ] = None,
    allow_untrained: AllowUntrained = False,
    artifacts: Artifacts = DEFAULT_ARTIFACTS,
    as_json: Json = False,
) -> None:
    """Separate audio files into stems with the input's sample rate and number of samples."""
    if server and (device != "auto" or threads or batch_size or allow_untrained):
        raise RequestError(
            "server",
            "--device, --threads, --batch-size and --allow-untrained are the server's to choose; "
            "give them to stemline serve",
        )
    if stems and two_stems:
        raise RequestError("stems", "--stems and --two-stems exclude each other")
    names = tuple(name.strip() for name in (two_stems or stems).split(",") if name.strip())
    if two_stems and len(names) != 1:
        raise RequestError("two-stems", f"--two-stems takes one stem, got {two_stems!r}")
    options = SeparateOptions(names, bool(two_stems), overlap, shifts, seed)
    output = OutputFormat(container=container.value, bits=bits, bitrate_kbps=bitrate)
    folders = _folders(files, out)

    with ExitStack() as closing:
        opened = (
            _open_remote(closing, server, model, tls_ca, token_file)
            if server
            else _open_local(
                closing,
                artifacts,
                model,
                EngineOptions(device, threads, batch_size, allow_untrained),
                options,
            )
        )
        bar = closing.enter_context(progress_bar(quiet=as_json))
        batch = Batch(bar, len(files), as_json=as_json)
        tasks: dict[Path, TaskID] = {}

        def one(path: Path) -> SeparatedFile | Exception:
            task = tasks[path] = bar.add_task(path.name, total=None)

            def advance(done: int, total: int | None) -> None:
                bar.update(task, completed=done, total=total)

            return attempt(
                lambda: separate_file(path, opened.source, folders[path], output, options, advance)
            )

        is_server_told = not server

        def ended(path: Path, result: SeparatedFile | Exception) -> None:
            nonlocal is_server_told
            bar.remove_task(tasks[path])
            with batch.aside():
                run = opened.describe()
                if not is_server_told and run.artifact:
                    tell_of_small_model(model, run.model)
                    is_server_told = True
                if isinstance(result, Exception):
                    batch.failed(path, result)
                elif as_json:
                    print_json(_json_of(path, result, run))
                else:
                    _say_result(path, result, run)

        _each(files, one, ended, jobs, on_interrupt=closing.close)
    batch.end()


def _each(
    files: list[Path],
    one: Callable[[Path], SeparatedFile | Exception],
    ended: Callable[[Path, SeparatedFile | Exception], None],
    jobs: int,
    on_interrupt: Callable[[], None],
) -> None:
    """Tell `ended` of every file, in the order given, as soon as it and those before it have.

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


def _folders(files: list[Path], out: Path) -> dict[Path, Path]:
    """Where each input's stems go. Raises RequestError when two inputs would share a folder."""
    folders: dict[Path, Path] = {}
    taken: dict[Path, Path] = {}
    for path in files:
        folder = out / path.stem
        if folder in taken:
            raise RequestError(
                "files",
                f"{taken[folder]} and {path} would both write to {folder}; "
                "separate them into different --out folders",
            )
        taken[folder] = path
        folders[path] = folder
    return folders


def _open_local(
    closing: ExitStack,
    artifacts: Path,
    model: str,
    engines: EngineOptions,
    options: SeparateOptions,
) -> _Opened:
    library = Library(artifacts, engines)
    closing.callback(library.close)
    found = library.find(model)
    separator = library.separator(model)
    networks = separator.check(options)
    spec = separator.engine_spec
    if not found.info.trained:
        warn(f"{found.name} has random weights: what it writes is noise, not stems")
    of_them = ""
    if len(found.networks) > 1:
        of_them = f", {len(networks)} of {len(found.networks)} networks: {', '.join(networks)}"
    say(f"{found.name} on {spec.device} ({spec.provider}){of_them}")
    tell_of_small_model(model, found.info.model)
    run = _Run(found.info.model, found.name, found.sha256, spec.provider, spec.device, networks)
    return _Opened(separator, lambda: run)


def _open_remote(
    closing: ExitStack, server: str, model: str, tls_ca: Path | None, token_file: Path | None
) -> _Opened:
    client = closing.enter_context(
        StemlineClient(
            server,
            tls_ca=None if tls_ca is None else tls_ca.read_bytes(),
            token=None if token_file is None else token_file.read_text().strip(),
        )
    )
    remote = client.model(model)

    def describe() -> _Run:
        accepted = remote.accepted
        if accepted is None:
            return _Run(model, "", "", "", "", ())
        return _Run(
            accepted.model,
            accepted.artifact,
            accepted.artifact_sha256,
            accepted.provider,
            accepted.device,
            tuple(accepted.networks),
        )

    return _Opened(remote, describe)


def _say_result(path: Path, result: SeparatedFile, run: _Run) -> None:
    for target in result.stems.values():
        print(target)
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


def _json_of(path: Path, result: SeparatedFile, run: _Run) -> dict[str, Any]:
    return {
        "input": str(path),
        "model": run.model,
        "artifact": run.artifact,
        "artifact_sha256": run.artifact_sha256,
        "provider": run.provider,
        "device": run.device,
        "networks": list(run.networks),
        "stems": {stem: str(target) for stem, target in result.stems.items()},
        "n_samples": result.n_samples,
        "sample_rate_hz": result.sample_rate_hz,
        "seconds": {stage: round(value, 4) for stage, value in result.seconds.items()},
        "realtime_factor": round(result.realtime_factor, 4),
        "clipped_samples": result.clipped_samples,
        "cached": False,
    }
