"""What gRPC adds: the same clip in process and through a server on this machine, alternately."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from stemline.engines import Artifact
from stemline.errors import BenchError
from stemline.temporary_folders import temporary_folder

from .engines import Subject
from .processes import EngineSetting, WorkerProcess
from .results import RoundTripRow, spread_of
from .tracks import layout_of, samples_of, write_clip

HERE, THERE = "separate", "call"
"""A worker's commands, in process and over gRPC."""

Answers = dict[str, list[dict[str, Any]]]


def measure_round_trip(
    subject: Subject,
    setting: EngineSetting,
    clip_s: float,
    announce: Callable[[str], None] = lambda _: None,
) -> RoundTripRow:
    """A row for one engine at the model's own overlap.

    One process holds the engine and is the server's client too; the server is another. Raises
    BenchError.
    """
    artifact = subject.artifact
    info, overlap = artifact.info, artifact.info.default_overlap
    layout = layout_of(info, overlap)
    n_samples = samples_of(clip_s, info, "a clip")
    if not artifact.sha256:
        raise BenchError(
            f"{artifact.engine_path}: a server serves artifacts, not lone files; name an artifact",
            exit_code=2,
        )
    announce(f"{subject.label}, {clip_s:g} s in process and over gRPC")
    answers: Answers = {HERE: [], THERE: []}
    with _server(artifact, setting) as address, _worker(subject, setting, address) as worker:
        for how in answers:  # the first run of an engine is slower
            worker.ask(how, n_samples=layout.longest_track(1), overlap=overlap)
        for _ in range(setting.rounds):
            for how, of_one in answers.items():
                of_one.append(worker.ask(how, n_samples=n_samples, overlap=overlap))
    here, there = (spread_of([each["seconds"] for each in of_one]) for of_one in answers.values())
    return RoundTripRow(
        model=info.artifact_stem,
        engine=subject.engine.name,
        threads=setting.threads,
        overlap=overlap,
        clip_s=clip_s,
        n_chunks=layout.n_pieces(n_samples),
        rounds=setting.rounds,
        in_process_s=here.median,
        in_process_s_min=here.min,
        in_process_s_max=here.max,
        grpc_s=there.median,
        grpc_s_min=there.min,
        grpc_s_max=there.max,
        grpc_ratio=there.median / here.median,
        grpc_ratio_min=there.min / here.min,
        engine_share=statistics.median(
            each["stages"]["engine"] / each["seconds"] for each in answers[HERE]
        ),
        stage_seconds={
            stage: statistics.median(each["stages"][stage] for each in answers[HERE])
            for stage in answers[HERE][0]["stages"]
        },
    )


@contextmanager
def _server(artifact: Artifact, setting: EngineSetting) -> Iterator[str]:
    """A process that serves one artifact; its address."""
    with WorkerProcess(
        f"the server of {artifact.name}",
        "server",
        setting.threads,
        artifacts=str(artifact.engine_path.resolve().parents[2]),
        model=artifact.name,
        device=setting.device,
        threads=setting.threads,
    ) as server:
        yield server.opened["address"]


@contextmanager
def _worker(subject: Subject, setting: EngineSetting, address: str) -> Iterator[WorkerProcess]:
    """A process that separates by itself and through the server."""
    info = subject.artifact.info
    with (
        temporary_folder() as folder,
        setting.worker(
            f"{subject.label} in process and over gRPC",
            "separator",
            subject,
            info=info.to_json(),
            clip=str(write_clip(info, folder)),
            server=address,
        ) as worker,
    ):
        yield worker
