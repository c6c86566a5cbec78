"""The models at hand: find an artifact by any of its names, open it once, refuse untrained ones.

A model is a separator, which gives stems, or finds beats; neither is ever taken for the other.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stemline.engines import (
    Artifact,
    ModelInfo,
    list_artifacts,
    open_engine,
    read_artifact,
    read_onnx_metadata,
)
from stemline.engines.artifact import MANIFEST, info_from_metadata
from stemline.errors import ArtifactError, UnknownModelError, UntrainedError, WrongModelError

from .beat_tracker import BeatTracker
from .jobs import SeparateOptions
from .models import Offer, bag_name, offer_of, offers_of
from .separator import Member, Separator

DEFAULT_PRECISION = "fp32"
BEST_MODEL = "htdemucs"
"""What an empty name means where it is exported, trained."""
_NEXT_BEST_MODEL = "mdx23c"
"""What it means where that is not."""
SMALL_MODEL = "mini"
"""What an empty name means where nothing better is exported: its weights ship with stemline."""
_STEMS_OF_KITS = frozenset(
    {"kick", "snare", "toms", "hh", "hats", "hi-hat", "ride", "crash", "cymbals"}
)


@dataclass(frozen=True)
class EngineOptions:
    """How engines are opened."""

    device: str = "auto"
    threads: int | None = None
    batch_size: int | None = None
    """Chunks run at once; chosen from the device and its memory when None."""
    allow_untrained: bool = False


class Library:
    """The artifacts below one folder, and what was opened from them."""

    def __init__(self, root: Path, options: EngineOptions | None = None) -> None:
        self.root = root
        self._options = options or EngineOptions()
        self._separators: dict[tuple[Path, ...], Separator] = {}
        self._trackers: dict[tuple[Path, ...], BeatTracker] = {}
        self._opening = threading.Lock()

    def artifacts(self) -> list[Artifact]:
        """Every artifact there is, by name; damaged ones are passed over with a warning."""
        return list_artifacts(self.root)

    def offers(self) -> list[Offer]:
        """Every model there is, by name; the networks of a bag are one."""
        return offers_of(self.artifacts())

    def separators(self) -> list[Offer]:
        """The models that give stems, by name."""
        return [offer for offer in self.offers() if not offer.finds_beats]

    def beat_models(self) -> list[Offer]:
        """The models that find beats, by name."""
        return [offer for offer in self.offers() if offer.finds_beats]

    def is_open(self, offer: Offer) -> bool:
        """Whether its engine is loaded, or some of them are."""
        return _key(offer) in (self._trackers if offer.finds_beats else self._separators)

    def may_run(self, offer: Offer) -> bool:
        """Whether it is trained, or untrained ones are allowed."""
        return offer.info.trained or self._options.allow_untrained

    def find(self, model: str = "") -> Offer:
        """The separator that a user means by a model's name, an artifact's name or a path.

        An empty name means `htdemucs`, else `mdx23c`, else the only model besides `mini` that takes
        whole mixes apart, else `mini`; of random weights only where none is trained. Raises
        UnknownModelError that names those there are, WrongModelError for one that finds beats, or
        ArtifactError for a damaged file.
        """
        if model:
            offer = self.named(model)
            if offer.finds_beats:
                raise WrongModelError(
                    f"{offer.name} finds beats and gives no stems; run it with: stemline beats -m "
                    f"{model}. {_there_are('Models that give stems', self.separators())}"
                )
            return offer
        offers = {offer.name: offer for offer in self.separators()}
        if offers:
            return _default_of(offers, self.root)
        raise nothing_exported(self.root, instead=self.beat_models())

    def named(self, model: str) -> Offer:
        """The model of either kind that is called so, or is at this path.

        Raises UnknownModelError or ArtifactError, as `find` does.
        """
        if model.endswith(".onnx"):
            return offer_of(_lone_artifact(Path(model)))
        for folder in (self.root / model, self.root / f"{model}.{DEFAULT_PRECISION}"):
            # One folder below the root, whatever a client may call a model.
            is_ours = folder.parent == self.root and not folder.name.startswith(".")
            if model and is_ours and (folder / MANIFEST).is_file():
                return offer_of(read_artifact(folder))
        offers = {offer.name: offer for offer in self.offers()}
        if not offers:
            raise nothing_exported(self.root, model)
        found = offers.get(model) or offers.get(f"{model}.{DEFAULT_PRECISION}")
        if found is None:
            parts = [a.name for a in self.artifacts() if model in (a.info.model, bag_name(a.info))]
            if parts:
                raise ArtifactError(
                    f"{', '.join(parts)} are not of one bag; remove those that are old, or export "
                    f"{model} again"
                )
            raise UnknownModelError(
                f"no model {model!r} in {self.root}; there are {', '.join(offers)}"
            )
        return found

    def separator(self, model: str = "") -> Separator:
        """The separator of a model, opened on first use and kept.

        Raises UnknownModelError, WrongModelError, UntrainedError, ArtifactError, DeviceError or
        MissingExtraError.
        """
        return self.separator_of(self.find(model))

    def separator_of(self, offer: Offer) -> Separator:
        """As `separator`, of a model that was found."""
        self.check_trained(offer)
        key = _key(offer)
        opened = self._separators.get(key)
        if opened is not None:  # without waiting for another engine that is being opened
            return opened
        with self._opening:
            opened = self._separators.get(key)
            if opened is None:
                opened = self._separators[key] = self._opened(offer)
            return opened

    def beat_tracker(self, offer: Offer) -> BeatTracker:
        """The tracker of a model that finds beats, opened on first use and kept.

        It has no separator: `BeatTracker.with_separator` gives one that has, of the same engine.
        Raises UntrainedError, ArtifactError, DeviceError or MissingExtraError.
        """
        self.check_trained(offer)
        key = _key(offer)
        opened = self._trackers.get(key)
        if opened is not None:
            return opened
        with self._opening:
            opened = self._trackers.get(key)
            if opened is None:
                opened = self._trackers[key] = _tracker(offer, self._options)
            return opened

    def check_trained(self, offer: Offer) -> None:
        """Raise UntrainedError unless it is trained, or untrained ones are allowed."""
        if self.may_run(offer):
            return
        gives = "its beats would mean nothing" if offer.finds_beats else "it would give noise"
        raise UntrainedError(
            f"{offer.name} has random weights, not trained ones: {gives}. "
            "Export it with --weights official or --weights PATH, or pass --allow-untrained"
        )

    def _opened(self, offer: Offer) -> Separator:
        """Of one artifact with its engine loaded; a bag loads each as it is needed."""
        options = self._options
        members = [None if a is None else _member(a, options) for a in offer.networks]
        separator = Separator.of_members(
            offer.info,
            members,
            offer.weights,
            batch_size=options.batch_size,
            name=offer.name,
            sha256=offer.sha256,
        )
        if len(members) == 1:
            separator.check(SeparateOptions())
        return separator

    def close(self) -> None:
        """Close every engine that was opened."""
        with self._opening:
            for tracker in self._trackers.values():
                tracker.close()
            for separator in self._separators.values():
                separator.close()
            self._trackers.clear()
            self._separators.clear()


def nothing_exported(
    root: Path, model: str = "", instead: Sequence[Offer] = ()
) -> UnknownModelError:
    """What to tell a user who asks for a separator, or for any model, where there is none.

    `instead` is what there is: models that find beats.
    """
    if model:
        how = f"export a model with: stemline export {model}"
    else:
        how = (
            f"stemline export {SMALL_MODEL} takes about a minute, its weights ship with stemline; "
            f"stemline export {BEST_MODEL} gets an official model, which separates real music far "
            "better"
        )
    if instead:
        names = ", ".join(offer.name for offer in instead)
        return UnknownModelError(
            f"no model that gives stems is exported in {root}, only what finds beats: {names}; "
            f"{how}"
        )
    return UnknownModelError(f"nothing is exported in {root}; {how}")


def _there_are(what: str, offers: Sequence[Offer]) -> str:
    names = ", ".join(offer.name for offer in offers)
    return f"{what}: {names}" if names else f"{what}: none is exported"


def _key(offer: Offer) -> tuple[Path, ...]:
    return tuple(artifact.engine_path for artifact in offer.artifacts)


def _member(artifact: Artifact, options: EngineOptions) -> Member:
    return Member(
        artifact.name,
        artifact.info,
        partial(open_engine, artifact.engine_path, options.device, options.threads),
    )


def _tracker(offer: Offer, options: EngineOptions) -> BeatTracker:
    (artifact,) = offer.artifacts
    facts = artifact.info.beats
    assert facts is not None
    engine = open_engine(artifact.engine_path, options.device, options.threads)
    try:
        return BeatTracker(engine, facts, name=artifact.name, sha256=artifact.sha256)
    except BaseException:
        engine.close()
        raise


def _named(offers: Mapping[str, Offer], model: str) -> Offer | None:
    """What is called so, or is the model of that name in the usual precision."""
    return offers.get(model) or offers.get(f"{model}.{DEFAULT_PRECISION}")


def _default_of(offers: Mapping[str, Offer], root: Path) -> Offer:
    """The one that an empty name means. Raises UnknownModelError where none stands out."""
    trained = {name: offer for name, offer in offers.items() if offer.info.trained}
    among = trained or offers
    small = _named(among, SMALL_MODEL)
    others = [
        offer
        for offer in among.values()
        if offer.info.model != SMALL_MODEL and takes_mixes_apart(offer.info)
    ]
    best = _named(among, BEST_MODEL) or _named(among, _NEXT_BEST_MODEL)
    chosen = best or (others[0] if len(others) == 1 else small)
    if chosen is None:
        raise UnknownModelError(
            f"no model was named, and of those in {root} none is the one to take for a whole mix; "
            f"there are {', '.join(among)}"
        )
    return chosen


def takes_mixes_apart(info: ModelInfo) -> bool:
    """Whether a model is for whole mixes, and not, as a drum kit's is, for a part of one.

    It is unless all of its stems are parts of a kit: what other names stand for, nobody knows.
    """
    return not _STEMS_OF_KITS.issuperset(stem.lower() for stem in info.stems)


def _lone_artifact(path: Path) -> Artifact:
    """An `.onnx` file, by itself or where export put it."""
    if not path.is_file():
        raise UnknownModelError(f"there is no file {path}")
    folder = path.resolve().parent.parent
    if (folder / MANIFEST).is_file():
        artifact = read_artifact(folder)
        if artifact.engine_path == path.resolve():
            return artifact
    info = info_from_metadata(read_onnx_metadata(path), str(path))
    return Artifact(name=path.stem, engine_path=path, info=info, sha256="")
