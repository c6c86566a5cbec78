"""The models that can be asked for by name: an artifact, or a bag of them."""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from stemline.engines import Artifact, ModelInfo
from stemline.families.family import Task

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Model:
    """A model that can be run."""

    name: str
    """The artifact's name; of a bag what it would be: `htdemucs_ft.fp32`."""
    info: ModelInfo
    """Of a bag what its networks share; trained when all are."""
    networks: tuple[Artifact | None, ...]
    """One artifact, or a bag's in its order; None where one is not here."""
    weights: tuple[tuple[float, ...], ...]
    """(n_networks, n_stems): stem s = Σ w[m][s]·y_m[s] / Σ w[m][s]."""

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """Those that are here; at least one."""
        return tuple(artifact for artifact in self.networks if artifact is not None)

    @property
    def task(self) -> Task:
        """What it does."""
        return self.info.task

    @property
    def stems(self) -> tuple[str, ...]:
        """Those that can be had: some network counts for them, and all that do are here."""
        stems = []
        for index, stem in enumerate(self.info.stems):
            rows = zip(self.networks, self.weights, strict=True)
            counting = [network for network, row in rows if row[index]]
            if counting and None not in counting:
                stems.append(stem)
        return tuple(stems)

    @property
    def sha256(self) -> str:
        """The engine file's digest; of a bag that of its networks' digests, in order.

        Empty where one of them is not known.
        """
        digests = [artifact.sha256 for artifact in self.artifacts]
        if len(digests) == 1 or not all(digests):
            return digests[0] if len(digests) == 1 else ""
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def model_of(artifact: Artifact) -> Model:
    """One artifact by itself: of a bag's network, the stems it counts for."""
    member = artifact.info.member
    row = member.weights[member.index] if member else (1.0,) * len(artifact.info.stems)
    return Model(artifact.name, artifact.info, (artifact,), (row,))


def models_of(artifacts: Iterable[Artifact]) -> list[Model]:
    """Artifacts → the models that they are, by name; the networks of a bag are one model.

    Networks that are not of one bag though their names say so are passed over with a warning: they
    are no reason to withhold the others.
    """
    models: dict[str, Model] = {}
    bags: dict[str, list[Artifact]] = defaultdict(list)
    for artifact in artifacts:
        if artifact.info.member is None:
            models[artifact.name] = model_of(artifact)
        else:
            bags[bag_name(artifact.info)].append(artifact)
    for name, found in bags.items():
        names = ", ".join(artifact.name for artifact in found)
        if name in models:
            _log.warning("%s is an artifact by itself; %s are passed over", name, names)
        elif len({_shared(artifact.info) for artifact in found}) > 1:
            _log.warning("%s are not of one bag; remove those that are not of %s", names, name)
        else:
            models[name] = _bag(name, found)
    return sorted(models.values(), key=lambda model: model.name)


def bag_name(info: ModelInfo) -> str:
    """The name of the model that a bag's network belongs to."""
    return f"{info.model}.{info.precision}"


def _bag(name: str, found: Sequence[Artifact]) -> Model:
    """Networks that share what those of one bag share."""
    first = found[0].info
    bag = first.member
    assert bag is not None
    networks: list[Artifact | None] = [None] * len(bag.signatures)
    for artifact in found:
        assert artifact.info.member is not None
        networks[artifact.info.member.index] = artifact
    trained = all(artifact.info.trained for artifact in found)
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
