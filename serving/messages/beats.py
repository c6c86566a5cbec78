"""Beats and activations ↔ the messages that carry them, without any loss of precision."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from stemline.arrays import Array
from stemline.families.beats import BeatActivations
from stemline.postprocessing.sections import Section
from stemline.postprocessing.tempo import tempo_bpm
from stemline.v1 import stemline_pb2 as pb

from ..jobs import STAGES, Beat, Beats, BeatsAccepted, BeatsFound

# Numbers of 4 bytes in one message: 256 KiB.
_BLOCK_NUMBERS = 1 << 16


def beats_accepted_message(event: BeatsAccepted, request_id: str) -> pb.BeatsAccepted:
    """The message of what will find the beats."""
    return pb.BeatsAccepted(
        request_id=request_id,
        model=event.model,
        artifact=event.artifact,
        artifact_sha256=event.artifact_sha256,
        provider=event.provider,
        device=event.device,
        separator=event.separator,
        labels=event.labels,
    )


def result_message(event: BeatsFound, faults: Sequence[str]) -> pb.BeatsResult:
    """The message of the beats and sections, without the activations, and of the file's faults."""
    found = event.beats
    return pb.BeatsResult(
        bpm=tempo_bpm([beat.time_s for beat in found.beats]),
        tempo=_tempo_message(found),
        beats=[pb.Beat(time_s=beat.time_s, position=beat.position) for beat in found.beats],
        downbeats_s=found.downbeats,
        segments=[
            pb.Segment(start_s=one.start, end_s=one.end, label=one.label) for one in found.segments
        ],
        duration_s=found.duration_s,
        seconds={**found.seconds, "wall": event.elapsed_s},
        realtime_factor=event.n_samples / event.sample_rate_hz / event.elapsed_s,
        n_samples=event.n_samples,
        artifact_sha256=event.artifact_sha256,
        input_faults=faults,
    )


def activation_messages(activations: BeatActivations) -> Iterator[pb.ActivationBlock]:
    """The messages of the activations, with a bounded number of frames in each."""
    n_rows = 3 + len(activations.labels)
    step = _BLOCK_NUMBERS // n_rows
    for start in range(0, activations.beat.shape[0], step):
        frames = slice(start, start + step)
        yield pb.ActivationBlock(
            offset_frames=start,
            frame_rate_hz=activations.frame_rate_hz,
            beat=activations.beat[frames].tolist(),
            downbeat=activations.downbeat[frames].tolist(),
            section=activations.section[frames].tolist(),
            function=activations.function[:, frames].ravel().tolist(),
        )


def beats_of(
    result: pb.BeatsResult, blocks: Sequence[pb.ActivationBlock], labels: Sequence[str]
) -> Beats:
    """The beats and sections of a result; with activations where blocks of them came."""
    return Beats(
        bpm=_bpm(result),
        bpm_range=_bpm_range(result.tempo),
        beats=tuple(Beat(beat.time_s, beat.position) for beat in result.beats),
        segments=tuple(Section(one.start_s, one.end_s, one.label) for one in result.segments),
        duration_s=result.duration_s,
        seconds=_in_order(result.seconds),
        activations=_activations(blocks, tuple(labels)) if blocks else None,
    )


def _tempo_message(found: Beats) -> pb.Tempo | None:
    if found.bpm is None:
        return None
    low, high = found.bpm_range or (None, None)
    return pb.Tempo(bpm=found.bpm, low_bpm=low, high_bpm=high)


def _bpm(result: pb.BeatsResult) -> float | None:
    if result.HasField("tempo"):
        return result.tempo.bpm
    return float(result.bpm) if result.HasField("bpm") else None  # of an older server


def _bpm_range(tempo: pb.Tempo) -> tuple[float, float] | None:
    has_range = tempo.HasField("low_bpm") and tempo.HasField("high_bpm")
    return (tempo.low_bpm, tempo.high_bpm) if has_range else None


def _in_order(seconds: Mapping[str, float]) -> dict[str, float]:
    """The stages in the order of STAGES: a message's map has none."""
    order = [*(name for name in STAGES if name in seconds), *sorted(set(seconds) - set(STAGES))]
    return {name: seconds[name] for name in order}


def _activations(blocks: Sequence[pb.ActivationBlock], labels: tuple[str, ...]) -> BeatActivations:
    def joined(parts: Iterator[Sequence[float]]) -> Array:
        return np.concatenate([np.array(part, np.float32) for part in parts])

    function = [
        np.array(block.function, np.float32).reshape(len(labels), len(block.beat))
        for block in blocks
    ]
    return BeatActivations(
        beat=joined(block.beat for block in blocks),
        downbeat=joined(block.downbeat for block in blocks),
        section=joined(block.section for block in blocks),
        function=np.concatenate(function, axis=1),  # (n_labels, n_frames)
        labels=labels,
        frame_rate_hz=blocks[0].frame_rate_hz,
    )
