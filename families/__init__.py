"""The families of networks: one folder each, one line each in the table below."""

from importlib import import_module

from stemline.engines import BeatInfo
from stemline.errors import ArtifactError, ConfigError

from .beats import BeatDecoder, BeatFamily
from .family import Family
from .separation import SeparatorFamily

FAMILIES = {
    "mdx23c": "stemline.families.mdx23c",
    "demucs": "stemline.families.demucs",
    "allin1": "stemline.families.allin1",
    "madmom": "stemline.families.madmom",
    "audiosep": "stemline.families.audiosep",
}
"""A family's name → the module that has it, as `FAMILY`; models are listed in this order."""


def find_family(name: str) -> Family:
    """The family of this name. Raises ConfigError that lists those there are."""
    module = FAMILIES.get(name)
    if module is None:
        raise ConfigError(f"family {name!r} is not known; there is {', '.join(FAMILIES)}")
    family: Family = import_module(module).FAMILY
    return family


def all_families() -> list[Family]:
    """Every family, in the order of the table."""
    return [find_family(name) for name in FAMILIES]


def family_of(name: str, model: str) -> Family:
    """The family that an artifact of `model` says it is of. Raises ArtifactError."""
    if name not in FAMILIES:
        raise ArtifactError(
            f"{model} is of family {name!r}; this stemline knows {', '.join(sorted(FAMILIES))}"
        )
    return find_family(name)


def separator_family(name: str, model: str) -> SeparatorFamily:
    """The family of a model that separates. Raises ArtifactError for one that does not."""
    family = family_of(name, model)
    if not isinstance(family, SeparatorFamily):
        raise ArtifactError(f"{model} is of family {name!r}, which separates nothing")
    return family


def beat_family(name: str, model: str) -> BeatFamily:
    """The family of a model that finds beats. Raises ArtifactError for one that does not."""
    family = family_of(name, model)
    if not isinstance(family, BeatFamily):
        raise ArtifactError(f"{model} is of family {name!r}, which finds no beats")
    return family


def beat_decoder(info: BeatInfo) -> BeatDecoder:
    """The decoder of a network's outputs to beats and sections. Raises ArtifactError."""
    return BeatDecoder(info, beat_family(info.family, "a beat network").processing(info))
