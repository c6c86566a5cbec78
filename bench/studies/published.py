"""The published figures of the models whose weights ship, into the files beside these weights.

    stemline export mini mini-beats
    python -m stemline.bench.studies.published

A separator is run at its own overlap, a beat network through the artifact of the separator that it
was trained on, as `stemline beats` runs it.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from stemline.atomic_files import replaced
from stemline.engines import Artifact, open_engine, read_artifact
from stemline.engines.artifact import DEFAULT_PRECISION
from stemline.errors import ArtifactError
from stemline.evaluation.beat_quality import BeatQuality
from stemline.evaluation.published import Published, published_path, sentence
from stemline.evaluation.quality import BENCH_SONGS, HeldOut, Quality, measure_quality
from stemline.evaluation.song_score import mean_score, score_of
from stemline.export.models import MODELS
from stemline.families.model_spec import ModelSpec

from .beats_quality import RATE_HZ, tracker_of


def measured(spec: ModelSpec, folder: Path, songs: HeldOut = BENCH_SONGS) -> Published:
    """The figures of a model whose weights ship, from its artifact in a folder.

    Raises ArtifactError or EngineError.
    """
    artifact = _artifact(spec.name, folder)
    if artifact.info.beats is None:
        quality: Quality | BeatQuality = _of_separator(artifact, songs)
    else:
        quality = _of_beats(artifact, _artifact(spec.trained_on_stems_of, folder), songs)
    return Published(artifact.info.weights_sha256, quality)


def _artifact(model: str, folder: Path) -> Artifact:
    return read_artifact(folder / f"{model}.{DEFAULT_PRECISION}")


def _of_separator(artifact: Artifact, songs: HeldOut) -> Quality:
    engine = open_engine(artifact.engine_path, "cpu", threads=1)
    try:
        quality = measure_quality(engine, artifact.info, songs)
    finally:
        engine.close()
    if quality is None:
        raise ArtifactError(f"{artifact.name} has stems that the band knows nothing of")
    return quality


def _of_beats(artifact: Artifact, separator: Artifact, songs: HeldOut) -> BeatQuality:
    scores, n_beats = [], 0
    with tracker_of(artifact, separator, lambda one: open_engine(one.engine_path, "cpu", 1)) as own:
        for song in songs.play():
            found = own.track(song.mixture, RATE_HZ)
            scores.append(score_of(song.truth, found, song.mixture.shape[1] / RATE_HZ))
            n_beats += len(song.truth.beats)
    mean = mean_score(scores)
    return BeatQuality(
        seeds=songs.seeds,
        seconds_each=songs.seconds_each,
        inputs=f"stems of {separator.info.model}",
        n_beats=n_beats,
        beat=mean.beat,
        downbeat=mean.downbeat,
        boundary=mean.boundary_three,
        label=mean.label,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write the files, and print what pages say of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("models", nargs="*", help="all whose weights ship, if none is named")
    options = parser.parse_args(arguments)
    for spec in MODELS.values():
        if spec.bundled is None or (options.models and spec.name not in options.models):
            continue
        found = measured(spec, options.artifacts)
        with replaced(published_path(spec.bundled)) as part:
            part.write_text(json.dumps(found.to_json(), indent=1) + "\n", encoding="utf-8")
        print(f"{spec.name}: {sentence(found.quality)}")


if __name__ == "__main__":
    main()
