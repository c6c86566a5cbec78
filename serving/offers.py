"""What can be asked for by name: an artifact, or a bag of them."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from stemline.engines import Artifact, ArtifactError, ModelInfo


@dataclass(frozen=True)
class Offer:
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
    def stems(self) -> tuple[str, ...]:
        """Those that any network counts for."""
        columns = zip(self.info.stems, zip(*self.weights, strict=True), strict=True)
        return tuple(stem for stem, column in columns if any(column))

    @property
    def sha256(self) -> str:
        """The engine file's digest; of a bag that of its networks' digests, in order.

        Empty where one of them is not known.
        """
        digests = [artifact.sha256 for artifact in self.artifacts]
        if len(digests) == 1 or not all(digests):
            return digests[0] if len(digests) == 1 else ""
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def offer_of(artifact: Artifact) -> Offer:
    """One artifact by itself: of a bag's network, the stems it counts for."""
    member = artifact.info.member
    row = member.weights[member.index] if member else (1.0,) * len(artifact.info.stems)
    return Offer(artifact.name, artifact.info, (artifact,), (row,))


def offers_of(artifacts: Iterable[Artifact]) -> list[Offer]:
    """Artifacts → what they offer, by name; the networks of a bag are one model."""
    offers: list[Offer] = []
    bags: dict[str, list[Artifact]] = defaultdict(list)
    for artifact in artifacts:
        if artifact.info.member is None:
            offers.append(offer_of(artifact))
        else:
            bags[f"{artifact.info.model}.{artifact.info.precision}"].append(artifact)
    offers += [_bag(name, members) for name, members in bags.items()]
    return sorted(offers, key=lambda offer: offer.name)


def _bag(name: str, found: Sequence[Artifact]) -> Offer:
    """Raises ArtifactError when the networks are not of one bag."""
    first = found[0]
    bag = first.info.member
    assert bag is not None
    networks: list[Artifact | None] = [None] * len(bag.signatures)
    for artifact in found:
        member = artifact.info.member
        if member is None or _shared(artifact.info) != _shared(first.info):
            raise ArtifactError(
                f"{artifact.name} and {first.name} are not of one bag; export "
                f"{first.info.model} again"
            )
        networks[member.index] = artifact
    trained = all(artifact.info.trained for artifact in found)
    info = replace(first.info, member=None, trained=trained)
    return Offer(name, info, tuple(networks), bag.weights)


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
        info.any_length,
    )
