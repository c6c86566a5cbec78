"""The precisions of artifacts: one file each, one line each in the table below."""

from importlib import import_module

from stemline.engines.artifact import DEFAULT_PRECISION
from stemline.errors import UnknownVariantError

from .precision import Budget, Precision

PRECISIONS = {DEFAULT_PRECISION: "stemline.export.precisions.fp32"}
"""A precision's name → the module that has it, as `PRECISION`, in the order of listing."""


def find_precision(name: str) -> Precision:
    """The precision of this name. Raises UnknownVariantError that lists those there are."""
    module = PRECISIONS.get(name)
    if module is None:
        raise UnknownVariantError(
            f"variant {name!r} is not available yet; there is {', '.join(PRECISIONS)}"
        )
    precision: Precision = import_module(module).PRECISION
    return precision


__all__ = ["PRECISIONS", "Budget", "Precision", "find_precision"]
