"""The models that can be asked for by name: an artifact, or a bag of them."""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stemline.engines import Artifact, ModelInfo, list_artifacts
from stemline.families.family import Task

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Model:
    """A model that can be run."""

    name: str
    """The artifact's name; a bag's is made in the same way, such as `htdemucs_ft.fp32`."""
    info: ModelInfo
    """The artifact's info, or what the networks of a bag share; a bag is trained when all are."""
    networks: tuple[Artifact | None, ...]
    """The one artifact, or those of a bag in its order; None for one that is not here."""
    weights: tuple[tuple[float, ...], ...]
    """How networks are mixed, (n_networks, n_stems): stem s = Σ w[m][s]·y_m[s] / Σ w[m][s]."""
    text_encoder: Artifact | None = None
    """What makes embeddings of texts for it; None for a model without texts, and where it is not
    here."""

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The artifacts that are here; at least one."""
        return tuple(artifact for artifact in self.networks if artifact is not None)

    @property
    def parts(self) -> tuple[Artifact, ...]:
        """All that is here of it: its networks, and what encodes texts for it."""
        return (*self.artifacts, *((self.text_encoder,) if self.text_encoder else ()))

    @property
    def task(self) -> Task:
        """What the model does: `separate` or `beats`."""
        return self.info.task

    @property
    def stems(self) -> tuple[str, ...]:
        """The stems it can make: every network that has a weight for them is here.

        None where texts say what they are.
        """
        if self.info.text is not None:
            return ()
        stems = []
        for index, stem in enumerate(self.info.stems):
            rows = zip(self.networks, self.weights, strict=True)
            needed = [network for network, row in rows if row[index]]
            if needed and None not in needed:
                stems.append(stem)
        return tuple(stems)

    @property
    def sha256(self) -> str:
        """The digest of the engine file; a bag's is the digest of its networks' digests, in order.

        Empty where one of them is not known.
        """
        digests = [artifact.sha256 for artifact in self.artifacts]
        if len(digests) == 1 or not all(digests):
            return digests[0] if len(digests) == 1 else ""
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def artifacts_in(folders: Iterable[Path]) -> list[Artifact]:
    """Every artifact below some folders, by name; damaged ones are skipped with a warning.

    Of artifacts with one name the first folder's is taken.
    """
    found: dict[str, Artifact] = {}
    for folder in folders:
        for artifact in list_artifacts(folder):
            found.setdefault(artifact.name, artifact)
    return [found[name] for name in sorted(found)]


def model_of(artifact: Artifact) -> Model:
    """One artifact as a model by itself; a bag's network has the stems that it has a weight for."""
    member = artifact.info.member
    row = member.weights[member.index] if member else (1.0,) * len(artifact.info.stems)
    return Model(artifact.name, artifact.info, (artifact,), (row,))


def models_of(artifacts: Iterable[Artifact]) -> list[Model]:
    """Artifacts → the models that they are, by name; the networks of a bag are one model.

    An encoder of texts is none by itself, but part of the one that it is for. Networks that are not
    of one bag though their names say so are skipped with a warning: the other models can still be
    used.
    """
    models: dict[str, Model] = {}
    bags: dict[str, list[Artifact]] = defaultdict(list)
    found = list(artifacts)
    for artifact in found:
        if artifact.info.encodes_text:
            continue
        if artifact.info.member is None:
            models[artifact.name] = with_text_encoder(model_of(artifact), found)
        else:
            bags[bag_name(artifact.info)].append(artifact)
    for name, parts in bags.items():
        names = ", ".join(artifact.name for artifact in parts)
        if name in models:
            _log.warning("%s is an artifact by itself; %s are passed over", name, names)
        elif len({_shared(artifact.info) for artifact in parts}) > 1:
            _log.warning("%s are not of one bag; remove those that are not of %s", names, name)
        else:
            models[name] = _bag(name, parts)
    return sorted(models.values(), key=lambda model: model.name)


def with_text_encoder(model: Model, artifacts: Iterable[Artifact]) -> Model:
    """A model that separates by texts with its encoder among these artifacts, where there is one.

    That of the model's own precision, else the first by name: an embedding is the same but for
    rounding. A model without texts stays as it is.
    """
    text = model.info.text
    if text is None:
        return model
    fitting = [
        artifact
        for artifact in artifacts
        if artifact.info.encodes_text
        and artifact.info.model == model.info.model
        and artifact.info.text is not None
        and artifact.info.text.n_embedding == text.n_embedding
    ]
    fitting.sort(key=lambda one: (one.info.precision != model.info.precision, one.name))
    return replace(model, text_encoder=fitting[0]) if fitting else model


def bag_name(info: ModelInfo) -> str:
    """The name of the model that a bag's network belongs to."""
    return f"{info.model}.{info.precision}"


def _bag(name: str, parts: Sequence[Artifact]) -> Model:
    """The model of a bag's networks, of which some may not be here."""
    first = parts[0].info
    bag = first.member
    assert bag is not None
    networks: list[Artifact | None] = [None] * len(bag.signatures)
    for artifact in parts:
        assert artifact.info.member is not None
        networks[artifact.info.member.index] = artifact
    trained = all(artifact.info.trained for artifact in parts)
    return Model(name, replace(first, member=None, trained=trained), tuple(networks), bag.weights)


def _shared(info: ModelInfo) -> tuple[object, ...]:
    """What the networks of one bag have in common."""
    return (
        info.member and (info.member.signatures, info.member.weights),
        info.family,
        info.stems,
        info.sample_rate_hz,
        info.channels,
        info.chunk_samples,
        info.default_overlap,
        info.dynamic_length,
    )
