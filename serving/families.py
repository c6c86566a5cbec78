"""What the pipeline needs to know of a network family: how chunks go in and how stems come out.

A new family is one small file in preprocessing, one in postprocessing, and one row here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stemline.engines import EngineSpec, ModelInfo, StftInfo
from stemline.engines.base import BATCH, FRAMES, SAMPLES, Array
from stemline.errors import ArtifactError
from stemline.families.demucs import istft as demucs_out
from stemline.families.demucs import stft as demucs_in
from stemline.families.demucs.istft import DemucsIstft
from stemline.families.demucs.stft import DemucsStft, Spectra
from stemline.families.mdx23c import chunks_in as mdx23c_in
from stemline.families.mdx23c import chunks_out as mdx23c_out
from stemline.postprocessing.istft import Istft
from stemline.preprocessing.stft import Stft

Shape = tuple[int | str, ...]


@dataclass(frozen=True)
class Encoded:
    """Chunks as an engine takes them in."""

    inputs: dict[str, Array]
    spectra: Spectra | None = None
    """What decoding needs besides the outputs: the mixture's spectra, for their phases."""


@dataclass(frozen=True)
class Family:
    """The two ends of a network."""

    inputs: dict[str, Shape]
    """What the engine must take in, by name; free axes are names."""
    outputs: dict[str, Shape]

    encode: Callable[[Array], Encoded]
    """Chunks (batch, channels, chunk_samples) → the engine's inputs."""
    decode: Callable[[dict[str, Array], Sequence[int], Spectra | None], Array]
    """The engine's outputs, which stems, and `Encoded.spectra` → (batch, n_stems, channels,
    chunk_samples)."""

    is_demucs: bool = False
    """Whether tracks are cut, weighed and brought to a common level as `apply_model` does."""


def _stft_of(info: ModelInfo) -> StftInfo:
    if info.stft is None:
        raise ArtifactError(f"{info.model}: the artifact has no STFT; export it again")
    return info.stft


def _mdx23c(info: ModelInfo) -> Family:
    facts = _stft_of(info)
    stft = Stft(facts.n_fft, facts.hop_samples, facts.n_bins)
    istft = Istft(facts.n_fft, facts.hop_samples, facts.n_bins)
    n_frames = info.chunk_samples // facts.hop_samples + 1
    chunk = (2 * info.channels, facts.n_bins, n_frames)
    return Family(
        inputs={"mixture": (BATCH, *chunk)},
        outputs={"stems": (BATCH, len(info.stems), *chunk)},
        encode=lambda chunks: Encoded({"mixture": mdx23c_in.network_input(chunks, stft)}),
        decode=lambda outputs, wanted, _: mdx23c_out.stem_chunks(outputs["stems"], istft, wanted),
    )


def _demucs(info: ModelInfo) -> Family:
    facts = _stft_of(info)
    try:
        stft = DemucsStft(facts.n_fft, zero_ends=facts.zero_ends)
        istft = DemucsIstft(facts.n_fft, zero_ends=facts.zero_ends)
    except ValueError as error:
        raise ArtifactError(f"{info.model}: {error}") from error
    n_samples: int | str = SAMPLES if info.any_length else info.chunk_samples
    n_frames: int | str = FRAMES if info.any_length else stft.n_frames(info.chunk_samples)
    channels = info.channels * (2 if facts.complex_as_channels else 1)
    waveform, spectrogram = (info.channels, n_samples), (channels, facts.n_bins, n_frames)
    n_stems = len(info.stems)

    def encode(chunks: Array) -> Encoded:
        spectra = stft(chunks)
        cac = facts.complex_as_channels
        inputs = demucs_in.network_inputs(chunks, spectra, complex_as_channels=cac)
        return Encoded(inputs, None if cac else spectra)

    def decode(outputs: dict[str, Array], wanted: Sequence[int], spectra: Spectra | None) -> Array:
        return demucs_out.stem_chunks(
            outputs["spectrograms"], outputs["waveforms"], istft, wanted, spectra
        )

    return Family(
        inputs={"waveform": (BATCH, *waveform), "spectrogram": (BATCH, *spectrogram)},
        outputs={
            "waveforms": (BATCH, n_stems, *waveform),
            "spectrograms": (BATCH, n_stems, *spectrogram),
        },
        encode=encode,
        decode=decode,
        is_demucs=True,
    )


_FAMILIES: dict[str, Callable[[ModelInfo], Family]] = {"mdx23c": _mdx23c, "demucs": _demucs}


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
