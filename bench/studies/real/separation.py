"""Our artifact of the trained htdemucs beside demucs's own code around the packaged graph."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from stemline.arrays import Array
from stemline.evaluation.parity import snr_db
from stemline.evaluation.si_sdr import si_sdr_db
from stemline.export.export import export_custom
from stemline.serving.library import EngineOptions, Library

from .htdemucs import RATE_HZ, SIGNATURE, original_separation, packaged_weights, write_package

NAME = "real-htdemucs"


@dataclass(frozen=True)
class StemRow:
    """One stem of one clip, by both."""

    clip: str
    seconds: float
    stem: str
    snr_db: float
    """Ours against the original's."""
    below_mixture_db: float
    """How far the difference lies below the mixture, which is what a listener compares it with."""
    si_sdr_db: float | None
    """Ours against the true stem; None where that is not known."""
    original_si_sdr_db: float | None


def export_trained(graph: Path, artifacts: Path) -> Library:
    """Export the packaged weights, as `stemline export NAME --family demucs --weights FILE` does.

    -> a library with the artifact NAME; close it. Raises what `export_custom` raises.
    """
    # Written once: the order of a safetensors header is chance, and another digest exports anew.
    package = graph.with_name(f"{SIGNATURE}.safetensors")
    if not package.is_file():
        with TemporaryDirectory(dir=graph.parent) as folder:
            write_package(packaged_weights(graph), Path(folder)).replace(package)
    export_custom(NAME, "demucs", None, package, root=artifacts)
    return Library([artifacts], EngineOptions("cpu"))


def compare_stems(
    clip: str,
    mixture: Array,
    ours: Mapping[str, Array],
    graph: Path,
    truth: Mapping[str, Array] | None = None,
) -> Iterator[StemRow]:
    """Our stems of a clip (2, n) of 44.1 kHz beside the original's; `truth` has all of them."""
    wanted = original_separation(graph, mixture)
    for stem, original in wanted.items():
        true = None if truth is None else truth[stem]
        yield StemRow(
            clip,
            mixture.shape[1] / RATE_HZ,
            stem,
            snr_db(original, ours[stem]),
            snr_db(mixture, mixture + (ours[stem] - original)),
            None if true is None else si_sdr_db(ours[stem], true),
            None if true is None else si_sdr_db(original, true),
        )
