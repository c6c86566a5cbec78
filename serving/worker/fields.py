"""A JSON object's fields, each of the kind that is wanted, and none that nobody knows."""

import json
import math
import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from stemline.errors import RequestError

_SHOWN_CHARS = 80


class Fields:
    """Reads fields one by one; one that is not there, or null, is its default.

    Every method raises RequestError, which names the field, for a value of another kind.
    """

    def __init__(self, values: Mapping[str, Any], of: str) -> None:
        """`of` is what errors call the object."""
        self._values = values
        self._of = of
        self._known: list[str] = []

    def end(self) -> None:
        """Raise RequestError for a field that nobody asked for."""
        for name in self._values:
            if name not in self._known:
                near = get_close_matches(name, self._known, 1)
                hint = f"; did you mean {near[0]}?" if near else "."
                known = ", ".join(self._known) or "none"
                shown = name[:_SHOWN_CHARS]
                raise RequestError(
                    shown, f"{self._of} has no field {shown!r}{hint} Its fields are: {known}"
                )

    def anything(self, name: str) -> object:
        """A value of any kind, None where it is not there."""
        self._known.append(name)
        return self._values.get(name)

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        value = self.anything(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self._wrong(name, "a text", value)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; one text alone is a list of one."""
        value = self.anything(name)
        if value is None:
            return ()
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise self._wrong(name, "a list of texts", value)
        return tuple(found)

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value = self.anything(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false", value)
        return value

    def integer(self, name: str, default: int = 0) -> int:
        """A whole number."""
        value = self.anything(name)
        if value is None:
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(name, "a whole number", value)
        return value

    def number(self, name: str) -> float | None:
        """A number; None where there is none."""
        value = self.anything(name)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._wrong(name, "a number", value)
        try:
            found = float(value)
        except OverflowError:
            found = math.inf
        if not math.isfinite(found):
            raise self._wrong(name, "a number", value)
        return found

    def path(self, name: str, default: Path | None = None) -> Path:
        """A path that the system can have. Also raises where none is given and none is usual."""
        value = self.text(name)
        if not value:
            if default is None:
                raise RequestError(name, f"{self._of} needs {name}, a path")
            return default
        try:
            encoded = os.fsencode(value)
        except UnicodeEncodeError as error:
            raise self._wrong(name, "a path", value) from error
        if b"\0" in encoded:
            raise self._wrong(name, "a path", value)
        return Path(value)

    def inner(self, name: str, of: str) -> "Fields":
        """An object's own fields; none where it is not there."""
        value = self.anything(name)
        if value is None:
            return Fields({}, of)
        if not isinstance(value, dict):
            raise self._wrong(name, "an object", value)
        return Fields(value, of)

    def _wrong(self, name: str, wanted: str, value: object) -> RequestError:
        text = json.dumps(value)
        shown = text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
        return RequestError(name, f"{name} of {self._of} is {wanted}; got {shown}")
