"""What separating by texts costs: seconds and megabytes by length, texts, and beside the original.

    stemline export audiosep --weights random --artifacts DIR
    python -m stemline.bench.studies.audiosep --artifacts DIR --markdown docs/audiosep.md

The command itself is run, from its start to its last file, on one core and one channel. With
`--original` the class that AudioSep's network is a copy of (`pip install --no-deps uss
torchlibrosa`) runs beside it, chunk by chunk as AudioSep's own `chunk_inference` does: every chunk
in the interior twice. Random weights cost what trained ones do.
"""

import argparse
import json
import sys
import tempfile
import time
import types
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import soundfile
from scipy.signal import get_window

from stemline.arrays import Array, Arrays
from stemline.engines import open_engine, read_artifact
from stemline.errors import MissingExtraError
from stemline.evaluation.parity import snr_db
from stemline.evaluation.signal import music_like
from stemline.families import separator_family
from stemline.families.audiosep.processing import Ends, QueriedProcessing
from stemline.families.separation import ProcessingOptions
from stemline.serving.pipeline import run_pieces

from ..pages import machine_line, short, table
from .common import add_outputs, one_core, run_measured, write_outputs

RATE_HZ = 32_000
TEXTS = ("a dog barking", "footsteps", "a passing car", "people talking")
WINDOW, HOP = 160_000, 96_000  # of the original, in samples
ROUNDS = 3


@dataclass(frozen=True)
class Run:
    """One run of the command."""

    seconds_of_audio: float
    n_texts: int
    wall_s: float
    peak_mb: float
    """Of resident memory, in units of 10⁶ bytes."""


@dataclass(frozen=True)
class Beside:
    """One chunk, and a file, in both; medians of seconds on one core."""

    chunk_s: float
    original_chunk_s: float
    file_s: float
    original_file_s: float
    length_s: float
    """Of the file."""


def write_track(path: Path, seconds: float) -> None:
    """A mono file at the network's rate."""
    samples = music_like(round(min(seconds, 60) * RATE_HZ), RATE_HZ, 1, 3)
    whole = np.resize(samples[0], round(seconds * RATE_HZ))
    soundfile.write(path, whole, RATE_HZ, subtype="PCM_16")


def command(track: Path, artifacts: Path, out: Path, n_texts: int) -> list[str]:
    """`stemline separate` of a file, by so many texts."""
    stemline = str(Path(sys.executable).with_name("stemline"))
    texts = [part for text in TEXTS[:n_texts] for part in ("--text", text)]
    where = ["--artifacts", str(artifacts), "--allow-untrained", "--threads", "1"]
    return [stemline, "separate", str(track), *texts, *where, "-o", str(out), "-q"]


def timed(artifacts: Path, folder: Path, seconds: float, n_texts: int, core: int) -> Run:
    """Run the command on a file of that length. Raises CalledProcessError."""
    track = folder / f"{seconds:g}.wav"
    if not track.is_file():
        write_track(track, seconds)
    wall_s, peak_mb = run_measured(command(track, artifacts, folder / "out", n_texts), core)
    return Run(seconds, n_texts, round(wall_s, 2), round(peak_mb))


def original_network() -> Any:
    """The class that AudioSep's is a copy of, with random weights. Raises MissingExtraError."""
    # torchlibrosa needs three functions of librosa, and no more.
    librosa = types.ModuleType("librosa")
    librosa.filters = types.SimpleNamespace(get_window=get_window)  # type: ignore[attr-defined]
    librosa.util = types.SimpleNamespace(  # type: ignore[attr-defined]
        pad_center=lambda data, size: data, normalize=lambda data, norm: data
    )
    sys.modules["librosa"] = librosa
    try:
        from uss.models.resunet import ResUNet30
    except ImportError as error:
        raise MissingExtraError("uss", "oracles") from error
    finally:
        del sys.modules["librosa"]  # it is no librosa for anybody else
    return ResUNet30(input_channels=1, output_channels=1, condition_size=512).eval()


def original_windows(n_samples: int) -> list[tuple[int, int]]:
    """Beginning and end of every window that AudioSep's `chunk_inference` runs, in order.

    While a whole window fits, it is run, and so is what begins a hop further on, which is the next
    to be run again.
    """
    windows, at = [], 0
    while at + WINDOW < n_samples:
        windows += [(at, at + WINDOW), (at + HOP, min(at + HOP + WINDOW, n_samples))]
        at += HOP
    return windows


def beside(artifacts: Path, folder: Path, length_s: float, core: int) -> Beside:
    """Both by turns on one core: a chunk three times, and a file once."""
    import torch

    torch.set_num_threads(1)
    network, condition = original_network(), torch.randn(1, 512) / 22
    artifact = read_artifact(artifacts / "audiosep.fp32")
    engine = open_engine(artifact.engine_path, "cpu", 1)
    family = separator_family(artifact.info.family, artifact.info.model)
    track = music_like(round(length_s * RATE_HZ), RATE_HZ, 1, 3)

    def ran(samples: Array) -> float:
        mixture = torch.from_numpy(samples)[None]
        started = time.perf_counter()
        with torch.no_grad():
            network({"mixture": mixture, "condition": condition})
        return time.perf_counter() - started

    ours, theirs = [], []
    for _ in range(ROUNDS + 1):  # the first warms both up
        chunk = track[:, :WINDOW]
        started = time.perf_counter()
        engine.run(family.encode(artifact.info, chunk[np.newaxis]))
        ours.append(time.perf_counter() - started)
        theirs.append(ran(chunk))
    engine.close()
    run = timed(artifacts, folder, length_s, 1, core)
    file_s = sum(ran(track[:, first:last]) for first, last in original_windows(track.shape[1]))
    return Beside(median(ours[1:]), median(theirs[1:]), run.wall_s, round(file_s, 2), length_s)


def seams(overlaps: Sequence[float] = (0.424, 0.4)) -> dict[str, float]:
    """Overlap → dB between chunks and one pass over 31 s, 2 s from its ends; random weights.

    Both in torch, whose network takes any length, all at full size.
    """
    import torch

    from stemline.export.model_info import model_info
    from stemline.export.weights import random_network

    (spec,) = (row for row in separator_family("audiosep", "").models())
    network, info = random_network(spec.config, seed=0), model_info(spec, "fp32", "random:0")
    n_samples = 320 * 3092
    track = music_like(n_samples, RATE_HZ, 1, 5)
    embedding = np.random.default_rng(0).standard_normal(512).astype(np.float32)
    embedding /= np.linalg.norm(embedding)

    class InTorch:
        def run(self, inputs: Arrays) -> dict[str, Array]:
            with torch.no_grad():
                mask = network(*(torch.from_numpy(inputs[n]) for n in ("magnitude", "embedding")))
            return {"mask": mask.numpy()}

    ends = Ends(info)
    spectra = ends.spectra(track)
    asked = {"magnitude": ends.magnitudes(spectra), "embedding": embedding[np.newaxis]}
    whole = ends.signals(spectra, InTorch().run(asked)["mask"])
    interior = slice(2 * RATE_HZ, n_samples - 2 * RATE_HZ)
    found = {}
    for overlap in overlaps:
        options = ProcessingOptions(overlap=overlap, embeddings=(embedding,))
        one = QueriedProcessing(info).track((), options)
        parts = [one.add(*ran) for ran in run_pieces(one.pieces(iter([track])), {0: InTorch()})]  # type: ignore[dict-item]
        chunked = np.concatenate([part[0] for part in parts], axis=1)
        found[f"{overlap:g}"] = round(snr_db(whole[:, interior], chunked[:, interior]), 1)
    return found


def markdown(runs: Sequence[Run], others: Beside | None, machine: dict[str, Any]) -> str:
    """The tables of the page."""
    rows = [
        (f"{run.seconds_of_audio:g} s", str(run.n_texts), short(run.wall_s), short(run.peak_mb))
        for run in runs
    ]
    text = table(("clip", "texts", "seconds", "peak MB"), rows)
    if others is not None:
        text += "\n" + table(
            ("one core", "stemline, s", "original, s", "ratio"),
            [
                (name, short(ours), short(theirs), f"{theirs / ours:.2f}")
                for name, ours, theirs in (
                    ("a chunk of 5 s", others.chunk_s, others.original_chunk_s),
                    (f"a file of {others.length_s:g} s", others.file_s, others.original_file_s),
                )
            ],
        )
    return f"{text}\n{machine_line(machine, with_load=True)}\n"


def main() -> None:
    """Measure, and write what was measured."""
    parser = argparse.ArgumentParser(description="What separating by texts costs.")
    parser.add_argument("--artifacts", type=Path, help="where audiosep is")
    parser.add_argument("--lengths-s", type=float, nargs="+", default=[4, 43, 160, 1800])
    parser.add_argument("--texts-length-s", type=float, default=43, help="for one text and four")
    parser.add_argument("--original", action="store_true", help="run the original, too")
    parser.add_argument("--original-length-s", type=float, default=60)
    parser.add_argument("--seams", action="store_true", help="chunks beside one pass, alone")
    add_outputs(parser)
    given = parser.parse_args()
    if given.seams:
        print(json.dumps(seams()))
        return
    if given.artifacts is None:
        parser.error("--artifacts DIR says where audiosep was exported to")
    with one_core() as machine, tempfile.TemporaryDirectory() as name:
        core, folder = machine["pinned_to"][0], Path(name)
        runs = [
            timed(given.artifacts, folder, seconds, n_texts, core)
            for seconds in given.lengths_s
            for n_texts in ((1, 4) if seconds == given.texts_length_s else (1,))
        ]
        others = None
        if given.original:
            others = beside(given.artifacts, folder, given.original_length_s, core)
    report = {
        "machine": machine,
        "runs": [asdict(run) for run in runs],
        "beside": others and asdict(others),
    }
    write_outputs(report, given, "audiosep", markdown(runs, others, machine))


if __name__ == "__main__":
    main()
