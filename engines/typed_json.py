"""JSON values → a dataclass, each field of the kind that its annotation says.

What came from a file may hold anything: a text where a number belongs, a number of a thousand
digits. Whoever reads a field later must not be the one who finds out.
"""

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_MOST = 2**53  # what every reader of JSON keeps exactly
_MOST_ITEMS = 10_000
_SHOWN_CHARS = 100


def from_json(kind: type[T], values: object, where: str = "") -> T:
    """A `kind` of a JSON object; fields that it does not have are ignored.

    Fields may be text, numbers, truth values, None, tuples (lists in JSON) and dataclasses of
    these. `where` goes before the names of fields in errors. Raises ValueError that names the first
    field that is missing or of another kind, and what `kind` itself raises.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{where.rstrip('.') or 'it'} cannot be {_shown(values)}")
    hints, required = _fields_of(kind)
    missing = sorted(required - set(values))
    if missing:
        raise ValueError(f"no field {where}{missing[0]}")
    found = {
        name: _value(hint, values[name], where + name)
        for name, hint in hints.items()
        if name in values
    }
    try:
        return kind(**found)
    except ValueError as error:
        raise ValueError(f"{where}{error}") from error


def _fields_of(kind: type[Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """The annotations of a dataclass's fields, and the fields without which it cannot be made."""
    hints = get_type_hints(kind)
    made = [field for field in fields(kind) if field.init]
    required = (
        field.name
        for field in made
        if field.default is MISSING and field.default_factory is MISSING
    )
    return {field.name: hints[field.name] for field in made}, frozenset(required)


def _value(hint: Any, value: object, name: str) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        if value is None and type(None) in get_args(hint):
            return None
        (hint,) = (each for each in get_args(hint) if each is not type(None))
    if is_dataclass(hint) and isinstance(hint, type):
        return from_json(hint, value, f"{name}.")
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple) or len(value) > _MOST_ITEMS:
            raise ValueError(f"{name} cannot be {_shown(value)}")
        return tuple(_value(get_args(hint)[0], each, name) for each in value)
    if not _is(hint, value):
        raise ValueError(f"{name} cannot be {_shown(value)}")
    return float(value) if hint is float else value  # type: ignore[arg-type]


def _is(kind: Any, value: object) -> bool:
    if isinstance(value, bool) or kind is bool:
        return kind is bool and isinstance(value, bool)
    if isinstance(value, int):
        return kind in (int, float) and abs(value) <= _MOST
    if isinstance(value, float):
        return kind is float and math.isfinite(value)
    return kind is str and isinstance(value, str)


def _shown(value: object) -> str:
    """A value in an error, in bounded words: the digits of a number may be too many to print."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _MOST:
        return f"a whole number of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
