"""The beat models at hand, and which separator each hears the stems of."""

from dataclasses import dataclass

from stemline.engines import BeatInfo
from stemline.errors import RequestError, UnknownModelError, WrongModelError

from .beat_tracker import BeatTracker, check_separator
from .library import DEFAULT_PRECISION, SMALL_MODEL, Library
from .models import Offer

BEST_BEATS = "allin1"
"""What an empty name means where it is exported, trained."""
SMALL_BEATS = "mini-beats"
"""What an empty name means where nothing better is exported: its weights ship with stemline."""
# Where the separator that a network learned from is not exported; the best first.
_SEPARATORS = ("htdemucs_ft", "htdemucs", SMALL_MODEL)


@dataclass(frozen=True)
class BeatModel:
    """A beat model that can be run."""

    offer: Offer
    facts: BeatInfo

    @property
    def name(self) -> str:
        """The artifact's."""
        return self.offer.name

    def open(self, library: Library, separator: Offer | None = None) -> BeatTracker:
        """Its tracker, hearing the stems of a separator; both are kept by the library.

        Raises UntrainedError unless both are trained or untrained ones are allowed, ArtifactError,
        DeviceError, MissingExtraError, or RequestError for a separator of other stems.
        """
        if separator is None:
            return library.beat_tracker(self.offer)
        library.check_trained(self.offer)
        library.check_trained(separator)
        check_separator(separator.info.model, separator.stems, self.facts)  # before any is loaded
        tracker = library.beat_tracker(self.offer)
        return tracker.with_separator(library.separator_of(separator))


def beat_models(library: Library) -> list[BeatModel]:
    """Every beat model there is, by the artifact's name."""
    return [_beat_model(offer) for offer in library.beat_models()]


def find_beat_model(library: Library, model: str = "") -> BeatModel:
    """What a user means by a beat model's name, an artifact's name or a path.

    An empty name means `allin1`, else the only model besides `mini-beats`, else `mini-beats`; of
    random weights only where none is trained. Raises UnknownModelError that names those there are,
    WrongModelError for one that gives stems, or ArtifactError for a damaged file.
    """
    found = beat_models(library)
    by_name = {one.name: one for one in found}
    if model:
        offer = library.named(model)
        if not offer.finds_beats:
            there_are = ", ".join(by_name) or f"none; get one with: stemline export {SMALL_BEATS}"
            raise WrongModelError(
                f"{offer.name} gives stems and finds no beats; run it with: stemline separate -m "
                f"{model}. Models that find beats: {there_are}"
            )
        return _beat_model(offer)
    trained = {name: one for name, one in by_name.items() if one.offer.info.trained}
    among = trained or by_name
    others = [
        one for one in among.values() if one.offer.info.model not in (BEST_BEATS, SMALL_BEATS)
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


def find_separator(library: Library, facts: BeatInfo, separator: str = "") -> Offer | None:
    """The model whose stems a beat network shall hear; None for one that hears the mixture.

    An empty name means the one it learned from, else another of exactly its stems, trained before
    untrained. Raises UnknownModelError where there is none, RequestError for one of other stems or
    where none is needed, WrongModelError for one that gives no stems.
    """
    if not facts.stems:
        if separator:
            raise RequestError(
                "separator", f"this beat model hears the mixture; leave {separator!r} out"
            )
        return None
    if separator:
        offer = library.find(separator)
        check_separator(offer.name, offer.stems, facts)
        return offer
    wanted = {stem.lower() for stem in facts.stems}
    fitting = [
        offer
        for offer in library.separators()
        if library.may_run(offer) and {stem.lower() for stem in offer.stems} == wanted
    ]
    order = (facts.trained_on_stems_of, *_SEPARATORS)

    def rank(offer: Offer) -> tuple[bool, int, bool, str]:
        model = offer.info.model
        place = order.index(model) if model in order else len(order)
        is_usual = offer.info.precision == DEFAULT_PRECISION
        return (not offer.info.trained, place, not is_usual, offer.name)

    if not fitting:
        learned_from = facts.trained_on_stems_of or SMALL_MODEL
        raise UnknownModelError(
            f"beats are found in {', '.join(facts.stems)}, and no model in "
            f"{library.root} gives these; export one with: stemline export {learned_from}"
        )
    return min(fitting, key=rank)


def _beat_model(offer: Offer) -> BeatModel:
    assert offer.info.beats is not None
    return BeatModel(offer, offer.info.beats)
