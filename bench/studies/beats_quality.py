"""How well beats and sections are found in songs that nobody trained on, from their mixtures.

    stemline export mini mini-beats
    python -m stemline.bench.studies.beats_quality

Songs of the synthetic band go through the pipeline that `stemline beats` runs: the separator's
artifact, the spectrograms, the beat network's artifact, the decoder. Then the same with both
networks in PyTorch, unless `--without-torch`.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stemline.band import play
from stemline.engines import Artifact, Engine, open_engine, read_artifact
from stemline.errors import ArtifactError
from stemline.evaluation.beat_scores import f_measure
from stemline.evaluation.held_out import FIRST_SEED
from stemline.evaluation.song_score import BeatScore, beat_rows, mean_score, score_of
from stemline.serving.beat_tracker import BeatTracker
from stemline.serving.jobs import Beats
from stemline.serving.separator import Separator

from .beats_markdown import quality_markdown
from .common import add_outputs, one_core, write_outputs

RATE_HZ = 44100

Open = Callable[[Artifact], Engine]


@dataclass(frozen=True)
class SongRow:
    """One song by one pair of engines."""

    engine: str
    """`onnx` or `torch`."""
    seed: int
    seconds: float
    """The whole call's, wall time."""
    score: BeatScore
    beat_agreement: float | None
    """F-measure of ONNX Runtime's beats, PyTorch's taken for the truth; None without PyTorch."""
    downbeat_agreement: float | None


@contextmanager
def tracker_of(beats: Artifact, separator: Artifact, opened: Open) -> Iterator[BeatTracker]:
    """Both networks, ready to run. Raises ArtifactError for one that finds no beats."""
    if beats.info.beats is None:
        raise ArtifactError(f"{beats.name} separates, and finds no beats")
    with ExitStack() as stack:
        own = Separator(opened(separator), separator.info)
        stack.callback(own.close)
        tracker = BeatTracker(opened(beats), beats.info.beats, own, name=beats.name)
        stack.callback(tracker.close)
        yield tracker


def measure(
    beats: Artifact,
    separator: Artifact,
    seeds: Sequence[int],
    song_s: float | None,
    *,
    with_torch: bool,
) -> Iterator[SongRow]:
    """Rows of ONNX Runtime and, behind each, of PyTorch; one thread each.

    `song_s` None leaves the length to the seed: 60 to 200 s, a song's whole form. Raises
    ArtifactError, EngineError and, with PyTorch, WeightsError.
    """
    with ExitStack() as stack:
        engines: dict[str, Open] = {"onnx": _onnx, **({"torch": _torch} if with_torch else {})}
        trackers = {
            name: stack.enter_context(tracker_of(beats, separator, opened))
            for name, opened in engines.items()
        }
        for seed in seeds:
            song = play(seed, song_s)
            found, seconds = {}, {}
            for name, tracker in trackers.items():
                started = time.perf_counter()
                found[name] = tracker.track(song.mixture, RATE_HZ)
                seconds[name] = time.perf_counter() - started
            duration_s = song.mixture.shape[1] / RATE_HZ
            for name, one in found.items():
                yield SongRow(
                    name,
                    seed,
                    seconds[name],
                    score_of(song.truth, one, duration_s),
                    *_agreement(found),
                )


def _agreement(found: dict[str, Beats]) -> tuple[float, float] | tuple[None, None]:
    if "torch" not in found:
        return None, None
    reference, ours = (beat_rows(found[engine].beats) for engine in ("torch", "onnx"))
    beat, downbeat = (
        # Where neither found any, they agree.
        f_measure(one, other) if len(one) or len(other) else 1.0
        for one, other in (
            (reference[:, 0], ours[:, 0]),
            (reference[reference[:, 1] == 1, 0], ours[ours[:, 1] == 1, 0]),
        )
    )
    return beat, downbeat


def _onnx(artifact: Artifact) -> Engine:
    return open_engine(artifact.engine_path, "cpu", threads=1)


def _torch(artifact: Artifact) -> Engine:
    from stemline.export.reference import reference_engine

    return reference_engine(artifact.engine_path.parent.parent, threads=1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--beats", type=Path, default=Path("artifacts/mini-beats.fp32"))
    parser.add_argument("--separator", type=Path, default=Path("artifacts/mini.fp32"))
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--songs", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each song")
    parser.add_argument("--whole", action="store_true", help="songs of 60 to 200 s, by the seed")
    parser.add_argument("--without-torch", action="store_true")
    add_outputs(parser)
    options = parser.parse_args(arguments)
    beats, separator = read_artifact(options.beats), read_artifact(options.separator)
    song_s = None if options.whole else options.seconds
    seeds = range(options.first_seed, options.first_seed + options.songs)
    rows = []
    with one_core() as machine:
        for row in measure(beats, separator, seeds, song_s, with_torch=not options.without_torch):
            print(json.dumps(_plain(row)), file=sys.stderr, flush=True)
            rows.append(row)
    report = {
        "machine": machine,
        "beats": beats.name,
        "separator": separator.name,
        "songs": {"seeds": [seeds[0], seeds[-1]], "seconds_each": song_s},
        "means": {
            engine: _rounded(mean_score([row.score for row in rows if row.engine == engine]))
            for engine in dict.fromkeys(row.engine for row in rows)
        },
        "rows": [_plain(row) for row in rows],
    }
    write_outputs(report, options, "beats_quality", quality_markdown(report))


def _plain(row: SongRow) -> dict[str, Any]:
    return {**asdict(row), "seconds": round(row.seconds, 3), "score": _rounded(row.score)}


def _rounded(score: BeatScore) -> dict[str, float | None]:
    return {
        name: None if value is None else round(value, 4) for name, value in score.to_json().items()
    }


if __name__ == "__main__":
    main()
