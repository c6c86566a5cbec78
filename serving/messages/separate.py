"""Jobs and events of separation ↔ the messages that carry them."""

from collections.abc import Sequence

from stemline.v1 import stemline_pb2 as pb

from ..jobs import Progress, SeparateAccepted, SeparateJob, SeparateOptions, Summary


def separate_job(config: pb.SeparateConfig) -> SeparateJob:
    """The job that a config asks for."""
    options = SeparateOptions(
        stems=tuple(config.stems),
        residual=config.residual,
        overlap=config.overlap if config.HasField("overlap") else None,
        shifts=config.shifts,
        seed=config.seed,
        text=tuple(config.text),
        mono=config.mono,
    )
    return SeparateJob(config.model, options)


def accepted_message(event: SeparateAccepted, request_id: str) -> pb.Accepted:
    """The message of what will run and which stems will come."""
    return pb.Accepted(
        request_id=request_id,
        model=event.model,
        artifact=event.artifact,
        artifact_sha256=event.artifact_sha256,
        networks=event.networks,
        provider=event.provider,
        device=event.device,
        stems=event.stems,
        sample_rate_hz=event.sample_rate_hz,
        channels=event.channels,
        batch_size=event.batch_size,
    )


def progress_message(event: Progress) -> pb.Progress:
    """The message of how far the work is."""
    return pb.Progress(
        samples_done=event.n_samples_done,
        samples_total=event.n_samples_total or 0,
        seconds_elapsed=event.elapsed_s,
        seconds_left=event.left_s,
    )


def summary_message(event: Summary, encode_s: float, faults: Sequence[str]) -> pb.Summary:
    """The message of what was done; encoding the stem blocks took `encode_s` seconds.

    `faults` are the input's, whole sentences.
    """
    return pb.Summary(
        artifact_sha256=event.artifact_sha256,
        n_samples=event.n_samples,
        seconds=event.seconds | {"encode": encode_s, "wall": event.elapsed_s},
        realtime_factor=event.n_samples / event.sample_rate_hz / event.elapsed_s,
        chunks=event.chunks,
        input_faults=faults,
    )
