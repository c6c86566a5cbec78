"""The models of this family that are known by name: bags of networks."""

from dataclasses import replace

from stemline.engines import MemberInfo

from ..model_spec import CheckpointFile, ModelSpec
from .bags import BAGS, LICENCE, OfficialBag
from .config import HDEMUCS, HTDEMUCS, HTDEMUCS_6S, DemucsConfig

# What the members of mdx_extra differ in; those of mdx_extra_q are said to be the same, quantised;
# where one is not, its package describes it.
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
    configs: tuple[DemucsConfig, ...],
    files: tuple[tuple[CheckpointFile, ...], ...],
    licence: str,
) -> ModelSpec:
    """A model of Demucs networks: one alone, or a bag of several."""
    members = tuple(
        ModelSpec(
            name=name,
            family="demucs",
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


# Where no model is named, and where a beat network's own separator is not exported.
_DEFAULT_RANK = {"htdemucs": 2}
_STEMS_RANK = {"htdemucs_ft": 3, "htdemucs": 2}


def _official(bag: OfficialBag) -> ModelSpec:
    spec = bag_of(
        bag.name,
        bag.title,
        bag.bag.members,
        bag.bag.weights_for(len(bag.stems)),
        _DEMUCS_CONFIGS[bag.name],
        bag.files,
        LICENCE,
    )
    return replace(
        spec,
        default_rank=_DEFAULT_RANK.get(bag.name, 0),
        stems_rank=_STEMS_RANK.get(bag.name, 0),
    )


MODELS = tuple(map(_official, BAGS.values()))
