"""The table of models that `stemline export` knows by name; each family has its own rows."""

from stemline.errors import USAGE, UnknownModelError
from stemline.families import all_families
from stemline.families.model_spec import ModelSpec

MODELS = {spec.name: spec for family in all_families() for spec in family.models()}


def find_model(name: str) -> ModelSpec:
    """The row called `name`. Raises UnknownModelError that lists the names there are."""
    try:
        return MODELS[name]
    except KeyError:
        there_are = ", ".join(MODELS)
        raise UnknownModelError(f"no model {name!r}; there are {there_are}", USAGE) from None
