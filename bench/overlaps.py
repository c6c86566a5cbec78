"""What each overlap costs: a whole track through the pipeline, seconds and memory."""

from collections.abc import Callable

from stemline.temporary_folders import temporary_folder

from .engines import Subject
from .processes import EngineSetting
from .results import OverlapRow
from .tracks import layout_of, samples_of, write_clip


def measure_overlap(
    subject: Subject,
    overlap: float,
    setting: EngineSetting,
    *,
    track_s: float,
    max_s: float,
    seconds_per_chunk: float,
    announce: Callable[[str], None] = lambda _: None,
) -> OverlapRow:
    """A track of `track_s` seconds at one overlap, in a process of its own.

    A track that would take longer than `max_s` by `seconds_per_chunk` is shortened to the chunks
    that fit, and its time is estimated in proportion to the chunks. Raises BenchError or
    OverlapError.
    """
    info = subject.artifact.info
    layout = layout_of(info, overlap)
    n_samples = samples_of(track_s, info, "a track")
    n_all = layout.n_pieces(n_samples)
    n_samples_run = n_samples
    if n_all * seconds_per_chunk > max_s:
        n_fitting = max(1, int(max_s / seconds_per_chunk))
        n_samples_run = min(n_samples, layout.longest_track(n_fitting))
    n_run = layout.n_pieces(n_samples_run)
    part = "" if n_run == n_all else f", {n_run} of {n_all} chunks"
    announce(f"{subject.label}, overlap {overlap:g}{part}")
    with (
        temporary_folder() as folder,
        setting.worker(
            f"{subject.label} at overlap {overlap:g}",
            "separator",
            subject,
            info=info.to_json(),
            clip=str(write_clip(info, folder)),
        ) as worker,
    ):
        warm_up = layout.longest_track(1)  # the first run of an engine is slower
        worker.ask("separate", n_samples=warm_up, overlap=overlap)
        answer = worker.ask("separate", n_samples=n_samples_run, overlap=overlap)
    seconds = answer["seconds"] if n_run == n_all else answer["seconds"] * n_all / n_run
    return OverlapRow(
        model=info.artifact_stem,
        engine=subject.engine.name,
        threads=setting.threads,
        overlap=overlap,
        hop_samples=layout.hop_samples,
        track_s=track_s,
        n_chunks=n_all,
        n_chunks_run=n_run,
        seconds_run=answer["seconds"],
        estimated=n_run < n_all,
        seconds=seconds,
        realtime_factor=track_s / seconds,
        engine_share=answer["stages"]["engine"] / answer["seconds"],
        peak_rss_mb=answer["peak_rss_mb"],
    )
