"""What the pipeline needs to know of a network family: how chunks go in and how stems come out.

A new family is one small file in preprocessing, one in postprocessing, and one row here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stemline.engines import ArtifactError, EngineSpec, ModelInfo
from stemline.engines.base import BATCH, Array
from stemline.postprocessing import mdx23c as mdx23c_out
from stemline.postprocessing.istft import Istft
from stemline.preprocessing import mdx23c as mdx23c_in
from stemline.preprocessing.stft import Stft

Shape = tuple[int | str, ...]


@dataclass(frozen=True)
class Family:
    """The two ends of a network."""

    inputs: dict[str, Shape]
    """What the engine must take in, by name; the free axis is `batch`."""
    outputs: dict[str, Shape]

    encode: Callable[[Array], dict[str, Array]]
    """Chunks (batch, channels, chunk_samples) → the engine's inputs."""
    decode: Callable[[dict[str, Array], Sequence[int]], Array]
    """The engine's outputs, and which stems → (batch, n_stems, channels, chunk_samples)."""


def _mdx23c(info: ModelInfo) -> Family:
    if info.stft is None:
        raise ArtifactError(f"{info.model}: the artifact has no STFT; export it again")
    stft = Stft(info.stft.n_fft, info.stft.hop_samples, info.stft.n_bins)
    istft = Istft(info.stft.n_fft, info.stft.hop_samples, info.stft.n_bins)
    n_frames = info.chunk_samples // info.stft.hop_samples + 1
    chunk = (2 * info.channels, info.stft.n_bins, n_frames)
    return Family(
        inputs={"mixture": (BATCH, *chunk)},
        outputs={"stems": (BATCH, len(info.stems), *chunk)},
        encode=lambda chunks: {"mixture": mdx23c_in.network_input(chunks, stft)},
        decode=lambda outputs, wanted: mdx23c_out.stem_chunks(outputs["stems"], istft, wanted),
    )


_FAMILIES: dict[str, Callable[[ModelInfo], Family]] = {"mdx23c": _mdx23c}


def family_of(info: ModelInfo) -> Family:
    """The family of a model.

    Raises ArtifactError for a family this stemline does not know.
    """
    build = _FAMILIES.get(info.family)
    if build is None:
        raise ArtifactError(
            f"{info.model} is of family {info.family!r}; this stemline knows "
            f"{', '.join(sorted(_FAMILIES))}"
        )
    return build(info)


def check_engine(info: ModelInfo, family: Family, spec: EngineSpec) -> None:
    """Raise ArtifactError for an engine that is another model's than the facts describe."""
    for wanted, found in ((family.inputs, spec.inputs), (family.outputs, spec.outputs)):
        given = {tensor.name: tensor.shape for tensor in found}
        if given != wanted:
            raise ArtifactError(
                f"{info.model}: the graph and its description do not belong together: it has "
                f"{given}, a model of these facts has {wanted}; export it again"
            )
