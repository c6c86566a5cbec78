"""What a model's stems are worth, by overlap and engine, and whether a batch changes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stemline.engines import ModelInfo
from stemline.errors import BenchError, RequestError
from stemline.evaluation.held_out import LONGEST_S, MOST_SONGS, SHORTEST_S
from stemline.evaluation.quality import BENCH_SONGS, StemScore, can_measure, mean_over

from .engines import REFERENCE, Subject
from .processes import EngineSetting, WorkerProcess
from .recordings import MIXTURE, SongRef, band_songs, folder_songs
from .results import BatchRow, QualityRow
from .tracks import layout_of

BATCH = 4
"""Chunks run at once, of as many songs if there are, where that is set against one by one."""

Announce = Callable[[str], None]


@dataclass(frozen=True)
class QualityOptions:
    """Which songs, and at which overlaps."""

    overlaps: tuple[float, ...] = (2, 4, 6, 8, 16)
    n_songs: int = len(BENCH_SONGS.seeds)
    song_s: float = BENCH_SONGS.seconds_each
    """Each song's."""
    folder: Path | None = None
    """Songs of your own; the synthetic band's when None."""

    def songs(self) -> list[SongRef]:
        """What is separated."""
        if self.folder is None:
            return band_songs(self.n_songs, self.song_s)
        return folder_songs(self.folder, self.n_songs, self.song_s)

    def description(self) -> str:
        """In words, without the place on this machine where they are."""
        songs = self.songs()
        length = f"{self.song_s:g} s each"
        count = "1 song" if len(songs) == 1 else f"{len(songs)} songs"
        if self.folder is not None:
            return f"{count} of {self.folder.resolve().name}, at most {length}"
        seeds = f"seeds {songs[0].seed} to {songs[-1].seed}"
        if len(songs) == 1:
            seeds = f"seed {songs[0].seed}"
        return f"{count} of the synthetic band, {length}, {seeds}"


def check_quality(info: ModelInfo, options: QualityOptions) -> None:
    """Raise RequestError or OverlapError for what cannot be measured."""
    if not 1 <= options.n_songs <= MOST_SONGS:
        raise RequestError("songs", f"--songs is 1 to {MOST_SONGS}; got {options.n_songs}")
    if not SHORTEST_S <= options.song_s <= LONGEST_S:
        raise RequestError(
            "song-s",
            f"--song-s is {SHORTEST_S:g} to {LONGEST_S:g} seconds; got {options.song_s:g}",
        )
    if not options.overlaps:
        raise RequestError("quality-overlaps", "--quality-overlaps names none")
    for overlap in options.overlaps:
        layout_of(info, overlap)
    if not info.trained:
        raise RequestError(
            "quality", f"{info.model} has random weights: there is no quality to measure"
        )
    if options.folder is None and not can_measure(info):
        raise RequestError(
            "quality",
            f"the synthetic band has no truth for {', '.join(info.stems)} at "
            f"{info.sample_rate_hz} Hz; name songs of your own with --songs-dir",
        )
    if options.folder is not None and not options.songs():
        raise RequestError(
            "songs-dir", f"{options.folder} has no folder with a {MIXTURE}.wav in it"
        )


def measure_overlaps(
    subject: Subject,
    options: QualityOptions,
    setting: EngineSetting,
    before: Sequence[QualityRow] = (),
    announce: Announce = lambda _: None,
) -> list[QualityRow]:
    """A row for each overlap, set against PyTorch's among `before`. Raises BenchError."""
    songs = options.songs()
    scores: dict[float, list[list[StemScore]]] = {overlap: [] for overlap in options.overlaps}
    seconds = dict.fromkeys(options.overlaps, 0.0)
    audio_s = 0.0
    with _worker(subject, setting) as worker:
        for number, song in enumerate(songs, start=1):
            announce(f"{subject.label}, song {number} of {len(songs)} at {len(scores)} overlaps")
            for overlap in scores:
                answer = worker.ask("score", song=song.to_json(), overlap=overlap)
                scores[overlap].append([StemScore(**score) for score in answer["scores"]])
                seconds[overlap] += answer["seconds"]
            audio_s += answer["audio_s"]
        device = worker.opened["device"]
    info = subject.artifact.info
    rows = []
    for overlap, of_songs in scores.items():
        stems = mean_over(info.stems, of_songs)
        if not stems:
            raise BenchError(f"{subject.label}: in none of the songs is there a stem to measure")
        mean_db = float(np.mean([stem.improvement_db for stem in stems]))
        reference = next(
            (row for row in before if (row.engine, row.overlap) == (REFERENCE, overlap)), None
        )
        rows.append(
            QualityRow(
                model=info.artifact_stem,
                engine=subject.engine.name,
                precision=info.precision,
                device=device,
                threads=setting.threads,
                overlap=overlap,
                songs=options.description(),
                n_songs=len(songs),
                audio_s=audio_s,
                stems=stems,
                mean_si_sdr_db=float(np.mean([stem.si_sdr_db for stem in stems])),
                mean_improvement_db=mean_db,
                seconds=seconds[overlap],
                realtime_factor=audio_s / seconds[overlap],
                against_torch_db=(
                    None if reference is None else mean_db - reference.mean_improvement_db
                ),
            )
        )
    return rows


def measure_batches(
    subject: Subject,
    options: QualityOptions,
    setting: EngineSetting,
    announce: Announce = lambda _: None,
) -> BatchRow:
    """Songs chunk by chunk against their chunks mixed in batches. Raises BenchError."""
    info, songs = subject.artifact.info, options.songs()[:BATCH]
    announce(f"{subject.label}, {len(songs)} songs at batch 1 and {BATCH}")
    with _worker(subject, setting) as worker:
        answer = worker.ask(
            "batches",
            songs=[song.to_json() for song in songs],
            overlap=info.default_overlap,
            batch=BATCH,
        )
        device = worker.opened["device"]
    return BatchRow(
        model=info.artifact_stem,
        engine=subject.engine.name,
        precision=info.precision,
        device=device,
        threads=setting.threads,
        overlap=info.default_overlap,
        batch=BATCH,
        n_songs=len(songs),
        **answer,
    )


def _worker(subject: Subject, setting: EngineSetting) -> WorkerProcess:
    label = f"the quality of {subject.label}"
    return setting.worker(label, "quality", subject, info=subject.artifact.info.to_json())
