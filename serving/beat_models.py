"""The beat models of a library, and which separator makes the input stems of each."""

from dataclasses import dataclass

from stemline.engines import BeatInfo
from stemline.engines.artifact import DEFAULT_PRECISION
from stemline.errors import RequestError, UnknownModelError, WrongModelError

from .beat_tracker import BeatTracker, check_separator
from .default_model import best_model, candidates, default_of, small_model, stems_rank
from .library import Library
from .models import Model


@dataclass(frozen=True)
class BeatModel:
    """A model that finds beats, with what its artifact says of that."""

    model: Model
    """The model, of task `beats`."""
    info: BeatInfo
    """The `beats` of the model's info: input stems, rates, labels."""

    @property
    def name(self) -> str:
        """The name of its artifact."""
        return self.model.name

    def open(self, library: Library, separator: Model | None = None) -> BeatTracker:
        """Its tracker, on the stems of a separator; the library keeps both open.

        Raises UntrainedError unless both are trained or untrained ones are allowed, ArtifactError,
        DeviceError, MissingExtraError, or RequestError for a separator of other stems.
        """
        if separator is None:
            return library.beat_tracker(self.model)
        library.check_trained(self.model)
        library.check_trained(separator)
        check_separator(separator.info.model, separator.stems, self.info)  # before any is loaded
        tracker = library.beat_tracker(self.model)
        return tracker.with_separator(library.separator_of(separator))


def find_beat_model(library: Library, model: str = "") -> BeatModel:
    """The beat model that a user means by a model's name, an artifact's name or a path.

    What an empty name means is in `default_model.py`; random weights are taken only where none is
    trained. Raises UnknownModelError, which lists the models there are, WrongModelError for one
    that separates, or ArtifactError for a damaged file.
    """
    models = library.beat_models()
    names = [one.name for one in models]
    small, best = small_model("beats"), best_model("beats")
    if model:
        found = library.named(model)
        if found.task != "beats":
            there_are = ", ".join(names) or f"none; get one with: stemline export {small}"
            raise WrongModelError(
                f"{found.name} gives stems and finds no beats; run it with: stemline separate -m "
                f"{model}. Models that find beats: {there_are}"
            )
        return _beat_model(found)
    chosen = default_of(models, suits=lambda _: True)
    if chosen is None:
        raise UnknownModelError(
            f"no beat model was named, and of those {library.where} none is the one to take; "
            f"there are {', '.join(one.name for one in candidates(models))}"
            if names
            else f"no beat model is exported {library.where}; stemline export {small} "
            f"takes about a minute, its weights ship with stemline; stemline export {best} "
            "gets the official one, which hears real music far better"
        )
    return _beat_model(chosen)


def find_separator(library: Library, beat_info: BeatInfo, separator: str = "") -> Model | None:
    """The model that makes the input stems of a beat network; None where it takes the mixture.

    An empty name means the one whose stems it was trained on, else another that makes exactly its
    input stems, trained before untrained. Raises UnknownModelError where there is none,
    RequestError for one that makes other stems or where none is needed, WrongModelError for one
    that finds beats.
    """
    if not beat_info.stems:
        if separator:
            raise RequestError(
                "separator", f"this beat model hears the mixture; leave {separator!r} out"
            )
        return None
    if separator:
        chosen = library.find(separator)
        check_separator(chosen.name, chosen.stems, beat_info)
        return chosen
    wanted = {stem.lower() for stem in beat_info.stems}
    fitting = [
        model
        for model in library.separators()
        if library.may_run(model) and {stem.lower() for stem in model.stems} == wanted
    ]
    if not fitting:
        missing = beat_info.trained_on_stems_of or small_model("separate")
        raise UnknownModelError(
            f"beats are found in {', '.join(beat_info.stems)}, and no model "
            f"{library.where} gives these; export one with: stemline export {missing}"
        )

    def order(model: Model) -> tuple[bool, bool, int, bool, str]:
        info = model.info
        is_own = info.model == beat_info.trained_on_stems_of
        is_usual = info.precision == DEFAULT_PRECISION
        return (not info.trained, not is_own, -stems_rank(info.model), not is_usual, model.name)

    return min(fitting, key=order)


def _beat_model(model: Model) -> BeatModel:
    assert model.info.beats is not None
    return BeatModel(model, model.info.beats)
