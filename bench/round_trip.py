"""What gRPC adds: the same clip in process and through a server on this machine, by turns."""

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stemline.errors import BenchError

from .engines import Subject
from .processes import WorkerProcess, opening_values
from .results import RoundTripRow, spread_of
from .speed import EngineSetting
from .tracks import layout_of, samples_of, write_clip


def measure_round_trip(
    subject: Subject,
    setting: EngineSetting,
    clip_s: float,
    tell: Callable[[str], None] = lambda _: None,
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
    tell(f"{subject.label}, {clip_s:g} s in process and over gRPC")
    with (
        tempfile.TemporaryDirectory(prefix="stemline-bench-") as folder,
        WorkerProcess(
            f"the server of {artifact.name}",
            "server",
            setting.threads,
            artifacts=str(artifact.engine_path.resolve().parents[2]),
            model=artifact.name,
            device=setting.device,
            threads=setting.threads,
        ) as server,
        WorkerProcess(
            f"{subject.label} in process and over gRPC",
            "separator",
            setting.threads,
            engine=subject.engine.name,
            opening=opening_values(setting.opening(subject)),
            info=info.to_json(),
            clip=str(write_clip(info, Path(folder))),
            server=server.opened["address"],
        ) as worker,
    ):
        answers: dict[str, list[dict[str, Any]]] = {"separate": [], "call": []}
        for how in answers:  # the first run of an engine is slower
            worker.ask(how, n_samples=layout.longest_track(1), overlap=overlap)
        for _ in range(setting.rounds):
            for how, given in answers.items():
                given.append(worker.ask(how, n_samples=n_samples, overlap=overlap))
    here, there = (spread_of([answer["seconds"] for answer in given]) for given in answers.values())
    stages = [answer["stages"] for answer in answers["separate"]]
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
            answer["stages"]["engine"] / answer["seconds"] for answer in answers["separate"]
        ),
        stage_seconds={
            stage: statistics.median(times[stage] for times in stages) for stage in stages[0]
        },
    )
