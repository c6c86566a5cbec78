"""A row of the table to the description that travels with its artifact."""

from dataclasses import fields
from importlib.metadata import version

from stemline.engines import ModelInfo
from stemline.families import find_family
from stemline.families.model_spec import ModelSpec

RANDOM = "random:"
"""How the digest of seeded random weights begins."""


def is_random(digest: str) -> bool:
    """Whether a digest is that of random weights."""
    return digest.startswith(RANDOM)


def model_info(spec: ModelSpec, variant: str, digest: str) -> ModelInfo:
    """The info of a row's artifact; `digest` is the weights' SHA-256 or `random:SEED`."""
    network = find_family(spec.family).describe(spec.config, spec.trained_on_stems_of)
    return ModelInfo(
        model=spec.name,
        family=spec.family,
        precision=variant,
        trained=not is_random(digest),
        weights_sha256=digest,
        licence=spec.licence,
        exporter=f"stemline {version('stemline')}",
        graph_optimization=spec.graph_optimization,
        memory_arena=spec.memory_arena,
        member=spec.member,
        **{field.name: getattr(network, field.name) for field in fields(network)},
    )
