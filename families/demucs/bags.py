"""The official Demucs models: bags of networks, their weights in the mix, and their files.

A bag runs each of its networks by itself. With y_m[s] network m's output for stem s,

    stem s = Σ_m w[m][s] · y_m[s] / Σ_m w[m][s]

so a network whose weight for a stem is 0 need not run for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite

from stemline.errors import BagError

from ..model_spec import CheckpointFile

_CDN = "https://dl.fbaipublicfiles.com/demucs/"
_HUGGING_FACE = "https://huggingface.co/adefossez/{}/resolve/main/{}.safetensors"

STEMS = ("drums", "bass", "other", "vocals")
STEMS_6S = (*STEMS, "guitar", "piano")
LICENCE = "MIT (Meta Platforms; Alexandre Défossez)"


@dataclass(frozen=True)
class Bag:
    """Networks, and the weight of each in each stem."""

    members: tuple[str, ...]
    """Signatures of the networks; the order is that of `weights`."""
    weights: tuple[tuple[float, ...], ...] | None = None
    """(n_members, n_stems), w[m][s]; None: all count the same."""
    segment_s: Fraction | None = None
    """Length of a chunk, for members that take any; None: each member's own."""

    def __post_init__(self) -> None:
        if not self.members:
            raise BagError("models: names no network")
        for name in self.members:
            if self.members.count(name) > 1:
                raise BagError(f"models: names {name} twice")
        if self.segment_s is not None and self.segment_s <= 0:
            raise BagError(f"segment: must be more than 0; got {self.segment_s}")
        if self.weights is not None:
            _check_weights(self.weights, len(self.members))

    def weights_for(self, n_stems: int) -> tuple[tuple[float, ...], ...]:
        """(n_members, n_stems), w[m][s]. Raises BagError for another number of stems."""
        if self.weights is None:
            return ((1.0,) * n_stems,) * len(self.members)
        if len(self.weights[0]) != n_stems:
            raise BagError(f"weights: are for {len(self.weights[0])} stems; got {n_stems}")
        return self.weights

    def members_for(self, stems: Iterable[int], n_stems: int) -> tuple[int, ...]:
        """Indices of the members that count for any of the stems, given by index."""
        wanted = set(stems)
        rows = self.weights_for(n_stems)
        return tuple(i for i, row in enumerate(rows) if any(row[stem] != 0 for stem in wanted))


def _check_weights(weights: tuple[tuple[float, ...], ...], n_members: int) -> None:
    if len(weights) != n_members:
        raise BagError(f"weights: {len(weights)} rows for {n_members} models")
    if len({len(row) for row in weights}) != 1 or not weights[0]:
        raise BagError("weights: every row must have one number for each stem")
    if not all(isfinite(weight) and weight >= 0 for row in weights for weight in row):
        raise BagError("weights: must be numbers of 0 or more")
    for stem, column in enumerate(zip(*weights, strict=True)):
        if sum(column) == 0:
            raise BagError(f"weights: no model counts for stem {stem + 1}")


@dataclass(frozen=True)
class OfficialBag:
    """A model that demucs knows by name."""

    name: str
    title: str
    stems: tuple[str, ...]
    """Names in the order of the networks' output."""
    bag: Bag
    files: tuple[tuple[CheckpointFile, ...], ...]
    """One or more files a member, of the same network, in the order to try them: they
    differ in form (`.th`, safetensors), and so in their digests."""


# The addresses below the CDN's folder; a name's second half is how its SHA-256 begins.
_TH_FILES = {
    "955717e8": (
        "hybrid_transformer/955717e8-8726e21a.th",
        "8726e21a993978c7ba086d3872e7608d7d5bfca646ca4aca459ffda844faa8b4",
        84_141_911,
    ),
    "f7e0c4bc": (
        "hybrid_transformer/f7e0c4bc-ba3fe64a.th",
        "ba3fe64ae8ef66ac9a4857222ce48efbdc5eb3ad375cb79dd13debee5aaa4066",
        None,
    ),
    "d12395a8": (
        "hybrid_transformer/d12395a8-e57c48e6.th",
        "e57c48e6b0e38af4f7118d7bd08c49f0a0c0edf7d09143bdd902ea0d237303e6",
        None,
    ),
    "92cfc3b6": (
        "hybrid_transformer/92cfc3b6-ef3bcb9c.th",
        "ef3bcb9c8b40d14ae5d51b6db2587339cc12c6b77c0be151ce6d69002e087bf2",
        None,
    ),
    "04573f0d": (
        "hybrid_transformer/04573f0d-f3cf25b2.th",
        "f3cf25b222c4eed7cd49dd8b2c9597d50c18bd154090f7b919cfa5f93cf22c49",
        None,
    ),
    "5c90dfd2": (
        "hybrid_transformer/5c90dfd2-34c22ccb.th",
        "34c22ccb381c6f9fdbf324f04e1e2fe21aaaf293f5ded163a162697ff9a02ddd",
        None,
    ),
    "75fc33f5": (
        "hybrid_transformer/75fc33f5-1941ce65.th",
        "1941ce654b11df4132b9f4eae408556b4c83fad6fe26b4bc0dbcb36b975befb3",
        None,
    ),
    "e51eebcc": (
        "mdx_final/e51eebcc-c1b80bdd.th",
        "c1b80bdd6de58274abf359e66822a76f49ce2b9f086fc5dc917ac14598e6bebf",
        None,
    ),
    "a1d90b5c": (
        "mdx_final/a1d90b5c-ae9d2452.th",
        "ae9d245283bf24b552913ee233a1101dcd0aeaed59b1c0a2da0e1f6eda15101b",
        None,
    ),
    "5d2d6c55": (
        "mdx_final/5d2d6c55-db83574e.th",
        "db83574e05b2308f76e2764819da673f2d16d437b9e619f5fcb72f275fc0e24f",
        None,
    ),
    "cfa93e08": (
        "mdx_final/cfa93e08-61801ae1.th",
        "61801ae1567d606c97a9c3469e943ae306d0a873eeb60d623ae7cfc7042b3f68",
        None,
    ),
    "83fc094f": (
        "mdx_final/83fc094f-4a16d450.th",
        "4a16d450fd8c9277494e23865cadaa4a3e64141c45411d84243b8c95ea4b7cae",
        None,
    ),
    "464b36d7": (
        "mdx_final/464b36d7-e5a9386e.th",
        "e5a9386ecbf6f30bb2bdc7ae162f471d87f3b5bffba1a8cb2cebe4403280967e",
        None,
    ),
    "14fc6a69": (
        "mdx_final/14fc6a69-a89dd0ee.th",
        "a89dd0eeb547221dcfd6c0a47baa768ce0bce548eaf86b9a404d6b1088b5d22f",
        None,
    ),
    "7fd6ef75": (
        "mdx_final/7fd6ef75-a905dd85.th",
        "a905dd8548f7389f1a3686c24c09d7bee61b716e3372e778e2acec88333ecdf4",
        None,
    ),
}


def _official(
    name: str, title: str, repository: str, bag: Bag, stems: tuple[str, ...] = STEMS
) -> OfficialBag:
    """A row: each member's `.th`, whose digest is known, then its safetensors."""
    files = []
    for signature in bag.members:
        path, sha256, size_bytes = _TH_FILES[signature]
        mirror = CheckpointFile(_HUGGING_FACE.format(repository, signature), None)
        files.append((CheckpointFile(_CDN + path, sha256, size_bytes), mirror))
    return OfficialBag(name, title, stems, bag, tuple(files))


_SEGMENT_S = Fraction(44)
_ONE_EACH = tuple(tuple(float(m == s) for s in range(len(STEMS))) for m in range(len(STEMS)))

# `mdx` and `mdx_q` are not here: half of their networks are of the older, waveform-only class.
BAGS = {
    row.name: row
    for row in (
        _official("htdemucs", "Hybrid Transformer Demucs", "HTDemucs", Bag(("955717e8",))),
        _official(
            "htdemucs_ft",
            "Hybrid Transformer Demucs, one network tuned for each stem",
            "HTDemucs-ft",
            Bag(("f7e0c4bc", "d12395a8", "92cfc3b6", "04573f0d"), _ONE_EACH),
        ),
        _official(
            "htdemucs_6s",
            "Hybrid Transformer Demucs, 6 stems",
            "HTDemucs-6s",
            Bag(("5c90dfd2",)),
            STEMS_6S,
        ),
        _official(
            "hdemucs_mmi",
            "Hybrid Demucs, trained on more music",
            "Demucs-hdemucs_mmi",
            Bag(("75fc33f5",), segment_s=_SEGMENT_S),
        ),
        _official(
            "mdx_extra",
            "Hybrid Demucs, four networks",
            "Demucs-mdx_extra",
            Bag(("e51eebcc", "a1d90b5c", "5d2d6c55", "cfa93e08"), segment_s=_SEGMENT_S),
        ),
        _official(
            "mdx_extra_q",
            "Hybrid Demucs, four networks, quantised",
            "Demucs-mdx_extra_q",
            Bag(("83fc094f", "464b36d7", "14fc6a69", "7fd6ef75"), segment_s=_SEGMENT_S),
        ),
    )
}
