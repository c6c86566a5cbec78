"""Compare what is trained with the originals on real music, and write the page."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from stemline.engines import open_engine
from stemline.families.madmom.checkpoint.installed import find_madmom, read_madmom
from stemline.families.madmom.features import downbeat_features
from stemline.families.madmom.graph import export_madmom

from ...pages import Region
from ..common import one_core
from .beats import BeatRow, Clip, beat_row, original_beats, our_beats, write_clip
from .folds import fold_files
from .htdemucs import packaged_graph
from .madmom_onnx import ActivationRow, compare_activations
from .packages import PACKAGES
from .page import real_markdown
from .separation import NAME, StemRow, compare_stems, export_trained
from .songs import RATE_HZ, GridSong, all_grid_songs, true_stems
from .trackers import fold_models, fold_trackers

PAGE = Region("python -m stemline.bench.studies.real --markdown", "Real weights, real music")


def separated(
    songs: Sequence[GridSong], start_s: float, seconds: float, artifacts: Path
) -> tuple[list[StemRow], list[Clip]]:
    """Stempeg's clip and an excerpt of every song, by the trained htdemucs, ours and the original.

    -> rows of both, and the songs' excerpts as ours separates them.
    """
    graph = packaged_graph()
    rows: list[StemRow] = []
    clips: list[Clip] = []
    with ExitStack() as stack:
        library = export_trained(graph, artifacts)
        stack.callback(library.close)
        separator = library.separator(NAME)
        truth = true_stems()
        mixture = sum(truth.values(), start=0 * truth["drums"])
        ours = separator.separate(mixture, RATE_HZ)
        rows += _said(compare_stems("The Easton Ellises", mixture, ours, graph, truth))
        for song in songs:
            excerpt = song.excerpt(start_s, seconds)
            ours = separator.separate(excerpt, RATE_HZ)
            rows += _said(compare_stems(song.title, excerpt, ours, graph))
            clips.append(Clip(song.title, song.bpm, song.grid_s(start_s, seconds), ours))
    return rows, clips


def tracked(clips: Sequence[Clip], madmom_python: Path, work: Path) -> Iterator[BeatRow]:
    """Every clip by every fold and their mean, ours and the original's."""
    models = fold_models(fold_files(work))
    folders = {clip.title: work / "clips" / str(index) for index, clip in enumerate(clips)}
    stems = {clip.title: write_clip(clip, folders[clip.title]) for clip in clips}
    originals = original_beats(folders, models, madmom_python)
    for name, tracker in fold_trackers(models, work).items():
        for clip in clips:
            ours = our_beats(tracker, stems[clip.title])
            yield beat_row(clip, name, ours, originals[clip.title, name])
        tracker.close()


def activated(
    songs: Sequence[GridSong], start_s: float, seconds: float, madmom_python: Path, work: Path
) -> Iterator[ActivationRow]:
    """Every song's excerpt by madmom's networks, ours and the packaged ones."""
    installed = find_madmom(madmom_python.parents[1])
    if installed is None:
        raise SystemExit(f"{madmom_python} has no madmom; make bench installs it")
    graph = work / "madmom.onnx"
    export_madmom(read_madmom(installed).network(), graph)
    engine = open_engine(graph, "cpu", threads=1)
    for song in songs:
        mono = song.excerpt(start_s, seconds).mean(axis=0)
        yield compare_activations(song.title, downbeat_features(mono, RATE_HZ), engine)
    engine.close()


def _said(rows: Iterator[Any]) -> Iterator[Any]:
    """The rows, each printed as it comes."""
    for row in rows:
        print(json.dumps(asdict(row)), file=sys.stderr, flush=True)
        yield row


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, and print JSON; write the page where one is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--songs", type=int, default=8, help="how many of the rock songs")
    parser.add_argument("--start", type=float, default=90.0, help="s into each song")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each song")
    parser.add_argument("--madmom-python", type=Path, default=Path(".venv/madmom/bin/python"))
    parser.add_argument("--artifacts", type=Path, help="keep the exported htdemucs there")
    parser.add_argument("--json", type=Path, help="write it there, not to standard output")
    parser.add_argument("--markdown", type=Path, help="a page that gets the tables")
    options = parser.parse_args(arguments)
    if options.markdown is not None:
        PAGE.check(options.markdown)
    songs = all_grid_songs()[: options.songs]
    part = options.start, options.seconds
    torch.set_num_threads(1)  # several on one core would wait for each other
    with one_core() as machine, TemporaryDirectory(prefix="stemline-real-") as temporary:
        work = Path(temporary)
        stems, clips = separated(songs, *part, options.artifacts or work / "artifacts")
        beats = list(_said(tracked(clips, options.madmom_python, work)))
        activations = list(_said(activated(songs, *part, options.madmom_python, work)))
    report = {
        "machine": machine,
        "stems": [asdict(row) for row in stems],
        "beats": [asdict(row) for row in beats],
        "activations": [asdict(row) for row in activations],
        "packages": [{"title": one.title, "licence": one.licence} for one in PACKAGES],
    }
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    if options.json is None:
        sys.stdout.write(text)
    else:
        options.json.write_text(text, encoding="utf-8")
    if options.markdown is not None:
        PAGE.write(options.markdown, real_markdown(report))


if __name__ == "__main__":
    main()
