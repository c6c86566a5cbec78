"""The models of this family that are known by name."""

from pathlib import Path

from ..model_spec import ModelSpec
from .config import Mdx23cConfig

_RELEASES = "https://github.com/{}/releases/download/{}"

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
    default_rank=1,
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
    config=Mdx23cConfig(  # weights/mini.yaml, which a test holds equal to this
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
    bundled=Path(__file__).parent / "weights" / "mini.safetensors",
    graph_optimization="all",
    default_rank=-1,
    stems_rank=1,
)

MODELS = (MINI, MDX23C, MDX23C_DRUMSEP, MDX23C_DRUMSEP5)
