"""`stemline demo`: all of stemline once, on a song whose stems and beats are known, measured.

Export the small models, serve them, take a song of the synthetic band apart and find its beats and
sections over gRPC, compare all with the truth, and PyTorch with ONNX Runtime.
"""

import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from stemline.arrays import Array
from stemline.errors import MissingExtraError, RequestError
from stemline.postprocessing.encode import OutputFormat, StemWriter
from stemline.preprocessing.audio import AudioFormat

from ..beat_files import beats_text, write_text
from ..beat_plot import plot_beats, waveform_of
from ..click_track import write_click_track
from ..client.client import StemlineClient
from ..default_model import small_model
from ..library import EngineOptions, Library
from ..stem_files import FileBlocks
from .bench_tables import print_machine
from .demo_picture import draw_stems
from .demo_report import FILES, Found, print_demo, report_of
from .options import DEFAULT_ARTIFACTS, Artifacts, Json
from .report import print_json, say

if TYPE_CHECKING:
    from stemline.export.export import ExportResult

DEMO_SEED = 4_000_000
"""Far from training's songs, which begin at 1, and from those of cards, from a million on; the
first from here in whose middle all four stems sound, and not the one with the best figures."""
_SHORTEST_S, _LONGEST_S = 1.0, 60.0  # every song has a minute
_AUDIO = AudioFormat(44100, 2, None)  # what the band plays
_HOST = "127.0.0.1"
# Modules that are imported in the middle of a demo, each with the extra that brings it. Only looked
# for here: ONNX Runtime is imported by its engine, which sets what is read at the import.
_USED_LATE = {
    "matplotlib.figure": "bench",
    "psutil": "bench",
    "onnxruntime": "cpu",
    "onnxscript": "export",
}


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
        allowed = f"{_SHORTEST_S:g} to {_LONGEST_S:g} seconds"
        raise RequestError("duration-s", f"--duration-s is {allowed}; got {duration_s:g}")
    _check_extras()
    for folder in (out, out / "truth", out / "separated"):
        folder.mkdir(parents=True, exist_ok=True)
    path = out / "report.json"
    # A report is of the files beside it: none, until all of them are there.
    path.unlink(missing_ok=True)
    report = _run(out, seed, duration_s, artifacts)
    write_text(path, json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    if as_json:
        print_json({"out": str(out), **report})
    else:
        print_demo(report, out, artifacts)


def _check_extras() -> None:
    """Raise MissingExtraError for the first package that is missing, before anything is done."""
    for module, extra in _USED_LATE.items():
        try:
            is_missing = find_spec(module) is None
        except ImportError:
            is_missing = True
        if is_missing:
            raise MissingExtraError(module.partition(".")[0], extra)
    import stemline.export.export
    import stemline.serving.rpc.server  # noqa: F401


def _run(out: Path, seed: int, duration_s: float, artifacts: Path) -> dict[str, Any]:
    """Everything, in order; what report.json holds."""
    from stemline.band import compose, excerpt, perform
    from stemline.bench.machine import describe_machine
    from stemline.bench.run import BenchOptions, run_bench

    machine = describe_machine(1)
    print_machine(machine)
    exported = [_export(small_model(task), artifacts) for task in ("separate", "beats")]
    names = [one.artifact for one in exported]
    say(f"the band plays song {seed}")
    score = compose(seed)
    start_s = round((score.duration_s - duration_s) / 2, 6)
    song = perform(excerpt(score, start_s, duration_s))
    files = {name: out / file for name, file in FILES.items()}
    _write_sounds(out, {"mixture": song.mixture})
    _write_sounds(out / "truth", song.stems)
    # More digits than those of the beats found: these are no frames of 10 ms.
    lines = (f"{beat.time_s:.6f}\t{beat.position}\n" for beat in song.truth.beats)
    write_text(files["true_beats"], "".join(lines))
    mixture = FileBlocks(files["mixture"])
    with _serving(artifacts, names, files["server_log"]) as address:
        say(f"serving {' and '.join(names)} on {address}; separating over gRPC")
        found = analyze(mixture, address, *names)
    _write_sounds(out / "separated", found.stems)
    write_text(files["beats"], beats_text(found.beats))
    write_click_track(files["clicks"], mixture, _AUDIO, found.beats.beats)
    outline = waveform_of(mixture, _AUDIO.sample_rate_hz)
    plot_beats(files["beats_picture"], FILES["mixture"], outline, found.beats)
    say("the server has stopped; timing PyTorch and ONNX Runtime by turns")
    times = run_bench(artifacts, BenchOptions(models=(names[0],), batches=(1,))).rows
    report = report_of(song, start_s, exported, found, times, machine)
    sounds = {"mixture": song.mixture, **found.stems}
    title = f"A song of the synthetic band, separated by {small_model('separate')}"
    draw_stems(files["picture"], title, sounds, report["stems"], _AUDIO.sample_rate_hz)
    return report


def _export(name: str, artifacts: Path) -> "ExportResult":
    """One of the small models. Raises ExportError."""
    from stemline.export.export import export_model
    from stemline.export.models import find_model

    (result,) = export_model(find_model(name), root=artifacts, report=say)
    snr_db = result.card.snr_db
    say(f"{result.artifact}: {result.status}, agrees with PyTorch to {snr_db:.1f} dB")
    return result


def _write_sounds(folder: Path, sounds: Mapping[str, Array]) -> None:
    """WAV files of 32-bit floats: what is measured is what was played. Raises OSError."""
    for name, samples in sounds.items():
        path = folder / f"{name}.wav"
        with StemWriter(path, OutputFormat("wav", 32), _AUDIO.sample_rate_hz, 2) as writer:
            writer.write(samples)


@contextmanager
def _serving(artifacts: Path, models: Sequence[str], log: Path) -> Iterator[str]:
    """Serve models of a folder from this process, on a free port of this machine; the address.

    What is logged goes to the file `log`. Raises OSError, or whatever opening a model raises.
    """
    from ..rpc.server import StemlineServer
    from ..rpc.settings import ServerSettings

    line = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(filename=log, filemode="w", level=logging.INFO, format=line, force=True)
    # Nothing of the environment: a server that the user has configured is another one than this.
    settings = ServerSettings.model_construct(
        host=_HOST, port=0, artifacts=artifacts, models=tuple(models)
    )
    with closing(Library(artifacts, EngineOptions())) as library:
        server = StemlineServer(library, settings)
        try:
            yield f"{_HOST}:{server.start()}"
            server.drain()
        finally:
            server.stop()


def analyze(song: Iterable[Array], address: str, model: str, beats_model: str) -> Found:
    """The stems and beats of a song from a server. Raises AudioError or RemoteError."""

    def call() -> Found:
        started = time.perf_counter()
        with client.analyze(song, _AUDIO, model=model, beats_model=beats_model) as analysis:
            blocks = [block.stems for block in analysis]
        seconds = time.perf_counter() - started
        if analysis.beats is None:
            raise RuntimeError("a call that ends without beats is an error")
        stems = {stem: np.concatenate([one[stem] for one in blocks], 1) for stem in analysis.stems}
        return Found(stems, analysis.beats, analysis.accepted, seconds)

    # In a thread of its own: a signal is an exception in the main thread, and one that strikes in
    # gRPC, while it opens a call, leaves a connection whose closing never ends. The client is
    # closed first, which cancels the call and so ends the thread.
    with ThreadPoolExecutor(1) as pool, StemlineClient(address) as client:
        return pool.submit(call).result()
