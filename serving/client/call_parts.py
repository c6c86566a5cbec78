"""What a client sends: the fields of the configs, and the audio in parts."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from stemline.arrays import Array
from stemline.preprocessing.audio import AudioFormat
from stemline.v1 import stemline_pb2 as pb

from ..jobs import SeparateOptions, check_shifts
from ..messages.conventions import MAX_DATA_BYTES

_log = logging.getLogger(__name__)


def separate_config(
    model: str, options: SeparateOptions, *, input: pb.InputFormat, output: pb.OutputFormat
) -> pb.SeparateConfig:
    """What to separate, and how. Raises RequestError for shifts that no model takes."""
    check_shifts(options)
    return pb.SeparateConfig(
        model=model,
        stems=options.stems,
        residual=options.residual,
        overlap=options.overlap,
        shifts=options.shifts,
        seed=options.seed,
        text=options.text,
        mono=options.mono,
        input=input,
        output=output,
    )


def pcm_input(audio: AudioFormat) -> pb.InputFormat:
    """Bare samples, as floats, which lose nothing."""
    return pb.InputFormat(
        pcm=pb.PcmInput(
            sample_rate_hz=audio.sample_rate_hz,
            channels=audio.channels,
            encoding=pb.PCM_ENCODING_F32LE,
        )
    )


def container_input(strict: bool = False) -> pb.InputFormat:
    """A file as it is; `strict` has one that is damaged refused."""
    return pb.InputFormat(container=pb.ContainerInput(strict=strict))


def interleaved(blocks: Iterable[Array]) -> Iterator[bytes]:
    """(channels, n) float32 → interleaved little-endian bytes."""
    for block in blocks:
        yield block.T.astype("<f4").tobytes()


def log_faults(faults: Iterable[str]) -> None:
    """Warn of what the server found wrong with a file, which it read for what there is."""
    for fault in faults:
        _log.warning("%s", fault)


def file_parts(path: Path) -> Iterator[bytes]:
    """A file's bytes, in parts of one message each."""
    with path.open("rb") as file:
        while part := file.read(MAX_DATA_BYTES):
            yield part
