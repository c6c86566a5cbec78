"""The beat models at hand, and which separator each hears the stems of."""

from dataclasses import dataclass
from pathlib import Path

from stemline.engines import Artifact, BeatInfo, open_engine

from .beats import BeatTracker, check_separator
from .errors import UnknownModelError, UntrainedError
from .library import DEFAULT_PRECISION, SMALL_MODEL, EngineOptions, Library
from .offers import Offer
from .pipeline import Separator

BEST_BEATS = "allin1"
"""What an empty name means where it is exported, trained."""
SMALL_BEATS = "mini-beats"
"""What an empty name means where nothing better is exported: its weights ship with stemline."""
# Where the separator that a network learned from is not exported; the best first.
_SEPARATORS = ("htdemucs_ft", "htdemucs", SMALL_MODEL)


@dataclass(frozen=True)
class BeatModel:
    """A beat model that can be run."""

    artifact: Artifact
    facts: BeatInfo

    @property
    def name(self) -> str:
        """The artifact's."""
        return self.artifact.name

    def open(self, options: EngineOptions, separator: Separator | None = None) -> BeatTracker:
        """Load its engine.

        Raises UntrainedError unless it is trained or untrained ones are allowed, ArtifactError,
        DeviceError, MissingExtraError, or RequestError for a separator of other stems.
        """
        if not (self.artifact.info.trained or options.allow_untrained):
            raise UntrainedError(
                f"{self.name} has random weights, not trained ones: its beats would mean nothing. "
                "Export it with --weights official or --weights PATH, or pass --allow-untrained"
            )
        if separator is not None:  # before the engine is loaded
            check_separator(separator.info.model, separator.stems, self.facts)
        engine = open_engine(self.artifact.engine_path, options.device, options.threads)
        try:
            return BeatTracker(
                engine, self.facts, separator, name=self.name, sha256=self.artifact.sha256
            )
        except BaseException:
            engine.close()
            raise


def finds_beats(offer: Offer) -> bool:
    """Whether a model gives beats, and no stems."""
    return offer.info.beats is not None


def beat_models(library: Library) -> list[BeatModel]:
    """Every beat model there is, by the artifact's name."""
    return [BeatModel(one, one.info.beats) for one in library.artifacts() if one.info.beats]


def find_beat_model(library: Library, model: str = "") -> BeatModel:
    """What a user means by a beat model's name, an artifact's name or a path.

    An empty name means `allin1`, else the only model besides `mini-beats`, else `mini-beats`; of
    random weights only where none is trained. Raises UnknownModelError that names those there are,
    or ArtifactError for a damaged file.
    """
    found = beat_models(library)
    by_name = {one.name: one for one in found}
    if model:
        named = by_name.get(model) or by_name.get(f"{model}.{DEFAULT_PRECISION}")
        if named is not None:
            return named
        if Path(model).suffix == ".onnx":
            offer = library.find(model)
            if offer.info.beats is None:
                raise UnknownModelError(f"{model} gives stems, no beats; -m takes a beat model")
            return BeatModel(offer.artifacts[0], offer.info.beats)
        there_are = f"there are {', '.join(by_name)}" if found else "there is none"
        raise UnknownModelError(
            f"no beat model {model!r} in {library.root}; {there_are}; export one with: "
            f"stemline export {model}"
        )
    trained = {name: one for name, one in by_name.items() if one.artifact.info.trained}
    among = trained or by_name
    others = [
        one for one in among.values() if one.artifact.info.model not in (BEST_BEATS, SMALL_BEATS)
    ]
    chosen = (
        among.get(f"{BEST_BEATS}.{DEFAULT_PRECISION}")
        or (others[0] if len(others) == 1 else None)
        or among.get(f"{SMALL_BEATS}.{DEFAULT_PRECISION}")
    )
    if chosen is None and len(among) == 1:
        (chosen,) = among.values()
    if chosen is None:
        raise UnknownModelError(
            f"no beat model was named, and of those in {library.root} none is the one to take; "
            f"there are {', '.join(among)}"
            if among
            else f"no beat model is exported in {library.root}; stemline export {SMALL_BEATS} "
            f"takes about a minute, its weights ship with stemline; stemline export {BEST_BEATS} "
            "gets the official one, which hears real music far better"
        )
    return chosen


def find_separator(library: Library, facts: BeatInfo, separator: str = "") -> Offer:
    """The model whose stems a beat network shall hear.

    An empty name means the one it learned from, else another of exactly its stems, trained before
    untrained. Raises UnknownModelError where there is none, RequestError for one of other stems.
    """
    if separator:
        offer = library.find(separator)
        check_separator(offer.name, () if finds_beats(offer) else offer.stems, facts)
        return offer
    wanted = {stem.lower() for stem in facts.stems}
    fitting = [
        offer
        for offer in library.offers()
        if not finds_beats(offer)
        and library.may_run(offer)
        and {stem.lower() for stem in offer.stems} == wanted
    ]
    order = (facts.separator, *_SEPARATORS)

    def rank(offer: Offer) -> tuple[bool, int, bool, str]:
        model = offer.info.model
        place = order.index(model) if model in order else len(order)
        is_usual = offer.info.precision == DEFAULT_PRECISION
        return (not offer.info.trained, place, not is_usual, offer.name)

    if not fitting:
        learned_from = facts.separator or SMALL_MODEL
        raise UnknownModelError(
            f"beats are found in {', '.join(facts.stems)}, and no model in "
            f"{library.root} gives these; export one with: stemline export {learned_from}, or give "
            "stems with --stems-from"
        )
    return min(fitting, key=rank)
