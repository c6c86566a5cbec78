"""Which model is used where none is named, and which to recommend: one rule for both tasks.

Among the exported models, and only the trained ones where there are any: the one that its row of
the table ranks highest, else the only one that suits, else the small one, whose weights ship with
stemline.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

from stemline.engines.artifact import DEFAULT_PRECISION
from stemline.families import all_families
from stemline.families.family import Task
from stemline.families.model_spec import ModelSpec

from .models import Model

_STEMS_OF_KITS = frozenset(
    {"kick", "snare", "toms", "hh", "hats", "hi-hat", "ride", "crash", "cymbals"}
)


@lru_cache(maxsize=1)
def _rows() -> dict[str, tuple[Task, ModelSpec]]:
    return {row.name: (family.task, row) for family in all_families() for row in family.models()}


def default_rank(model: str) -> int:
    """`ModelSpec.default_rank` of a model; 0 for one that is not in the table."""
    row = _rows().get(model)
    return row[1].default_rank if row else 0


def stems_rank(model: str) -> int:
    """`ModelSpec.stems_rank` of a model; 0 for one that is not in the table."""
    row = _rows().get(model)
    return row[1].stems_rank if row else 0


def table_names() -> list[str]:
    """The models that can be exported by their name alone."""
    return list(_rows())


def small_model(task: Task) -> str:
    """The model for first steps: its weights ship with stemline."""
    return min(_names(task), key=default_rank)


def best_model(task: Task) -> str:
    """The model to recommend for real music."""
    return max(_names(task), key=default_rank)


def _names(task: Task) -> list[str]:
    return [name for name, (its_task, _) in _rows().items() if its_task == task]


def candidates(models: Sequence[Model]) -> list[Model]:
    """The trained ones, or all where none is: what an unnamed model may be.

    None that separates by texts is: without one it does nothing.
    """
    unasked = [model for model in models if model.info.text is None]
    return [model for model in unasked if model.info.trained] or unasked


def default_of(models: Sequence[Model], suits: Callable[[Model], bool]) -> Model | None:
    """The model to use where none is named; None where no one of them stands out.

    `models` are all of one task; `suits` says which of them may stand in for the ranked ones.
    """
    among = candidates(models)
    usual = [model for model in among if model.info.precision == DEFAULT_PRECISION]
    ranked = sorted(usual, key=lambda model: default_rank(model.info.model))
    if ranked and default_rank(ranked[-1].info.model) > 0:
        return ranked[-1]
    others = [model for model in among if suits(model) and default_rank(model.info.model) >= 0]
    if len(others) == 1:
        return others[0]
    if ranked and default_rank(ranked[0].info.model) < 0:
        return ranked[0]
    suiting = [model for model in among if suits(model)]
    return suiting[0] if len(suiting) == 1 else None


def default_by_text(models: Sequence[Model]) -> Model | None:
    """The model that separates by texts where none is named; None where no one stands out."""
    asked = [model for model in models if model.info.text is not None]
    among = [model for model in asked if model.info.trained] or asked
    usual = [model for model in among if model.info.precision == DEFAULT_PRECISION] or among
    return usual[0] if len(usual) == 1 else None


def text_models() -> list[str]:
    """The models of the table that separate by texts."""
    return [name for name, (_, row) in _rows().items() if row.text_encoder is not None]


def separates_mixes(model: Model) -> bool:
    """Whether a model is for whole mixes, and not, as a drum kit's is, for a part of one.

    It is unless all of its stems are parts of a kit: what other names stand for, nobody knows.
    """
    return not _STEMS_OF_KITS.issuperset(stem.lower() for stem in model.info.stems)
