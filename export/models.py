"""The models `stemline export` knows by name: a row is all that a new one of a family needs."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from stemline.engines import MemberInfo
from stemline.errors import USAGE, UnknownModelError
from stemline.families.allin1.config import AllInOneConfig, allin1_config_from_json
from stemline.families.demucs.bags import BAGS, CheckpointFile, OfficialBag
from stemline.families.demucs.bags import LICENCE as DEMUCS_LICENCE
from stemline.families.demucs.config import HDEMUCS, HTDEMUCS, HTDEMUCS_6S, DemucsConfig
from stemline.families.madmom.config import MadmomConfig
from stemline.families.mdx23c.config import Mdx23cConfig

from .families import ALLIN1, DEMUCS, MADMOM, NetworkConfig, finds_beats, separated_stems

_FAMILIES = Path(__file__).parent.parent / "families"
_RELEASES = "https://github.com/{}/releases/download/{}"


@dataclass(frozen=True)
class ModelSpec:
    """One model: its network, and where its weights are; or a bag of several of them."""

    name: str
    family: str
    title: str
    config: NetworkConfig
    """Of its network; where a checkpoint brings its own, what random weights are made by."""
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

    memory_arena: bool = False
    """See `ModelInfo.memory_arena`."""
    other_files: tuple[CheckpointFile, ...] = ()
    """The same weights in files of other forms, tried where no address above answers."""
    member: MemberInfo | None = None
    """Where it is one of a bag's networks; `name` is then the bag's."""
    members: tuple["ModelSpec", ...] = ()
    """The networks of a bag."""
    folds: tuple["ModelSpec", ...] = ()
    """The networks whose logits one graph gives the mean of."""
    fold: int = 0
    """Which of the folds this network is."""
    learned_from: str = ""
    """The model whose stems a beat network was trained on."""

    @property
    def networks(self) -> tuple["ModelSpec", ...]:
        """What is exported, an artifact each: a bag's members, or the model itself."""
        return self.members or (self,)

    @property
    def artifact_stem(self) -> str:
        """The name of its artifact but for the precision."""
        return f"{self.name}-{self.member.signature}" if self.member else self.name

    @property
    def files(self) -> tuple[CheckpointFile, ...]:
        """Every place its weights can be had from, in the order to try them."""
        return (
            *(CheckpointFile(url, self.sha256, self.size_bytes) for url in self.urls),
            *self.other_files,
        )

    @property
    def seed(self) -> int:
        """Of random weights: each network of a bag has its own."""
        return self.member.index if self.member else self.fold

    @property
    def stems(self) -> tuple[str, ...]:
        """In the order of the network's output; none of a network that finds beats."""
        return separated_stems(self.config)

    @property
    def finds_beats(self) -> bool:
        """Whether it finds beats and sections, and separates nothing."""
        return finds_beats(self.config)


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
    bundled=_FAMILIES / "mdx23c" / "weights" / "mini.safetensors",
    graph_optimization="all",
)

# What the members of mdx_extra differ in; those of mdx_extra_q are said to be the same, quantised,
# and where they are not, their packages tell.
_MAGNITUDES = replace(HDEMUCS, cac=False)
_MDX_EXTRA = (HDEMUCS, replace(_MAGNITUDES, hybrid_old=True), _MAGNITUDES, HDEMUCS)
_DEMUCS_CONFIGS: dict[str, tuple[DemucsConfig, ...]] = {
    "htdemucs": (HTDEMUCS,),
    "htdemucs_ft": (HTDEMUCS,) * 4,
    "htdemucs_6s": (HTDEMUCS_6S,),
    "hdemucs_mmi": (HDEMUCS,),
    "mdx_extra": _MDX_EXTRA,
    "mdx_extra_q": _MDX_EXTRA,
}


def bag_of(
    name: str,
    title: str,
    signatures: tuple[str, ...],
    weights: tuple[tuple[float, ...], ...],
    configs: tuple[NetworkConfig, ...],
    files: tuple[tuple[CheckpointFile, ...], ...],
    licence: str,
) -> ModelSpec:
    """A model of Demucs networks: of one alone, or the bag of them."""
    members = tuple(
        ModelSpec(
            name=name,
            family=DEMUCS,
            title=title,
            config=config,
            urls=tuple(file.url for file in files_of[:1]),
            sha256=files_of[0].sha256 if files_of else None,
            size_bytes=files_of[0].size_bytes if files_of else None,
            licence=licence,
            memory_arena=True,
            other_files=files_of[1:],
            member=MemberInfo(signature, signatures, weights) if len(signatures) > 1 else None,
        )
        for signature, config, files_of in zip(signatures, configs, files, strict=True)
    )
    return members[0] if len(members) == 1 else replace(members[0], member=None, members=members)


def _official(bag: OfficialBag) -> ModelSpec:
    return bag_of(
        bag.name,
        bag.title,
        bag.bag.members,
        bag.bag.weights_for(len(bag.stems)),
        _DEMUCS_CONFIGS[bag.name],
        bag.files,
        DEMUCS_LICENCE,
    )


_MINI_BEATS = _FAMILIES / "allin1" / "weights"
MINI_BEATS = ModelSpec(
    name="mini-beats",
    family=ALLIN1,
    title="mini-beats, trained on a synthetic band",
    config=allin1_config_from_json(json.loads((_MINI_BEATS / "mini_beats.json").read_text())),
    urls=(),
    sha256="bd06bf3afd0c97c0b67a0a959168f0e8de7321c71b4ccd5307567a4f9013be1c",
    size_bytes=185_122,
    licence="MIT (stemline)",
    bundled=_MINI_BEATS / "mini_beats.safetensors",
    memory_arena=True,
    learned_from="mini",
)

# The file names of `taejunkim/allinone`, and the one digest that is known.
_FOLDS = tuple("0vra4ys2 3ozjhtsj gmgo0nsy i92b7m8p 1bql5qo0 x4z5zeef x7t226rq qwwskhg6".split())
_FOLD0_SHA256 = "0db596dfb0995f41d62f6267d76a9d54c046f1649bd35e1dbeca0c5f9a7b8acd"
_FOLD0_BYTES = 1_400_571


def _allin1_fold(fold: int, name: str) -> ModelSpec:
    return ModelSpec(
        name=f"allin1-fold{fold}",
        family=ALLIN1,
        title=f"All-In-One, fold {fold}",
        config=AllInOneConfig(),
        urls=(
            f"https://huggingface.co/taejunkim/allinone/resolve/main/harmonix-fold{fold}-{name}.pth",
        ),
        sha256=_FOLD0_SHA256 if fold == 0 else None,
        size_bytes=_FOLD0_BYTES if fold == 0 else None,
        licence="MIT (Taejun Kim)",
        memory_arena=True,
        fold=fold,
        learned_from="htdemucs",
    )


ALLIN1_FOLDS = tuple(_allin1_fold(fold, name) for fold, name in enumerate(_FOLDS))
ALLIN1_MEAN = replace(
    ALLIN1_FOLDS[0],
    name="allin1",
    title="All-In-One, the mean of its eight folds",
    urls=(),
    sha256=None,
    size_bytes=None,
    folds=ALLIN1_FOLDS,
)

MADMOM_DOWNBEATS = ModelSpec(
    name="madmom-downbeats",
    family=MADMOM,
    title="madmom's RNN of beats and downbeats, from a madmom that you installed",
    config=MadmomConfig(),
    urls=(),
    sha256=None,
    size_bytes=None,
    licence="CC BY-NC-SA 4.0 (madmom)",
)

MODELS = {
    spec.name: spec
    for spec in (
        MINI,
        MDX23C,
        MDX23C_DRUMSEP,
        MDX23C_DRUMSEP5,
        *map(_official, BAGS.values()),
        MINI_BEATS,
        ALLIN1_MEAN,
        *ALLIN1_FOLDS,
        MADMOM_DOWNBEATS,
    )
}


def find_model(name: str) -> ModelSpec:
    """The row called `name`. Raises UnknownModelError that lists the names there are."""
    try:
        return MODELS[name]
    except KeyError:
        raise UnknownModelError(
            f"no model {name!r}; there are {', '.join(MODELS)}", USAGE
        ) from None
