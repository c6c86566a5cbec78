"""The models `stemline export` knows by name: a row is all that a new one of a family needs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .config import Mdx23cConfig

_RELEASES = "https://github.com/{}/releases/download/{}"


class UnknownModelError(LookupError):
    """No row of the table has this name; the message lists those there are."""


@dataclass(frozen=True)
class ModelSpec:
    """One model: its network, and where its weights are."""

    name: str
    family: str
    title: str
    config: Mdx23cConfig
    urls: tuple[str, ...]
    """The original first, then its mirrors; all hold the same file."""
    sha256: str | None
    """Of the checkpoint file; None where nobody has published it: recorded on first use."""
    size_bytes: int | None
    licence: str
    bundled: Path | None = None
    """Weights that ship with stemline."""
    graph_optimization: Literal["extended", "all"] = "extended"
    """ONNX Runtime's level. `all` lays channels out in blocks of 16 for its convolutions: measured,
    a gain of a seventh for `mini`, whose convolutions are direct, and a loss for the large
    networks, whose convolutions are Winograd's."""

    @property
    def stems(self) -> tuple[str, ...]:
        """In the order of the network's output."""
        return self.config.stems


MDX23C = ModelSpec(
    name="mdx23c",
    family="mdx23c",
    title="MDX23C InstVoc HQ",
    config=Mdx23cConfig(
        stems=("vocals", "instrumental"),
        n_fft=8192,
        hop_samples=1024,
        n_bins=4096,
        chunk_samples=261_120,
    ),
    urls=(
        _RELEASES.format("TRvlvr/model_repo", "all_public_uvr_models")
        + "/MDX23C-8KFFT-InstVoc_HQ.ckpt",
    ),
    sha256="49d51472769e34a2501cd1da782346a3212555c3a5619fc2c53507445528d816",
    size_bytes=448_101_203,
    licence="no licence stated by its authors (Ultimate Vocal Remover)",
)

MDX23C_DRUMSEP = ModelSpec(
    name="mdx23c-drumsep",
    family="mdx23c",
    title="MDX23C DrumSep, 6 stems",
    config=Mdx23cConfig(
        stems=("kick", "snare", "toms", "hh", "ride", "crash"),
        n_fft=2048,
        hop_samples=512,
        n_bins=1024,
        chunk_samples=130_560,
    ),
    urls=(
        _RELEASES.format("jarredou/models", "aufr33-jarredou_MDX23C_DrumSep_model_v0.1")
        + "/aufr33-jarredou_DrumSep_model_mdx23c_ep_141_sdr_10.8059.ckpt",
        _RELEASES.format("nomadkaraoke/python-audio-separator", "model-configs")
        + "/MDX23C-DrumSep-aufr33-jarredou.ckpt",
    ),
    sha256=None,
    size_bytes=None,
    licence="CC-BY-NC-SA 4.0 (aufr33 and jarredou)",
)

MDX23C_DRUMSEP5 = ModelSpec(
    name="mdx23c-drumsep5",
    family="mdx23c",
    title="MDX23C DrumSep, 5 stems",
    config=Mdx23cConfig(
        stems=("kick", "snare", "toms", "hh", "cymbals"),
        n_fft=2048,
        hop_samples=512,
        n_bins=1024,
        chunk_samples=523_776,
    ),
    urls=(
        _RELEASES.format("jarredou/models", "DrumSep") + "/drumsep_5stems_mdx23c_jarredou.ckpt",
        "https://huggingface.co/xavriley/source_separation_mirror/resolve/main/"
        "drumsep_5stems_mdx23c_jarredou.ckpt",
    ),
    sha256="1f8e636fb674b88a52c8399fde9a4ebe2b72b065ca07eed4e03ab1c9f0bfb2e0",
    size_bytes=437_648_758,
    licence="no licence stated by its author (jarredou)",
)

MINI = ModelSpec(
    name="mini",
    family="mdx23c",
    title="mini, trained on a synthetic band",
    config=Mdx23cConfig(  # export/mini/config.yaml, which a test holds equal to this
        stems=("drums", "bass", "other", "vocals"),
        n_fft=4096,
        hop_samples=1024,
        n_bins=1536,
        chunk_samples=64_512,
        default_overlap=2.0,
        num_scales=4,
        num_blocks_per_scale=1,
        num_channels=32,
        growth=16,
        num_subbands=8,
        frequency_gain=0.7,
        level_norm=True,
        mixture_consistency=True,
    ),
    urls=(),
    sha256="470dab2b7d3fb77f1382cb30576efdf7471ac27db9f171f7716b832319a9b68d",
    size_bytes=2_095_744,
    licence="MIT (stemline)",
    bundled=Path(__file__).parent / "mini" / "mini.safetensors",
    graph_optimization="all",
)

MODELS = {spec.name: spec for spec in (MINI, MDX23C, MDX23C_DRUMSEP, MDX23C_DRUMSEP5)}


def find_model(name: str) -> ModelSpec:
    """The row called `name`. Raises UnknownModelError that lists the names there are."""
    try:
        return MODELS[name]
    except KeyError:
        raise UnknownModelError(f"no model {name!r}; there are {', '.join(MODELS)}") from None
