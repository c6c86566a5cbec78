"""One line → a request: an id, a method and its parameters, each of its kind; or an error.

{"id": 7, "method": "separate", "params": {"file": "song.wav"}}
"""

import json
import math
from dataclasses import dataclass
from typing import Any

from stemline.errors import RequestError

from .fields import Fields
from .lines import MOST_BYTES, LongLine

Id = str | int | float
"""What an answer is matched by: any text or number."""
MOST_ID_CHARS = 200
_SHOWN_CHARS = 80


@dataclass(frozen=True)
class Request:
    """What a line asks for; `params` are not read yet."""

    id: Id
    method: str
    params: Fields


class RefusedLineError(Exception):
    """A line that is no request; answered with its id where it has one, and else with null."""

    def __init__(self, error: RequestError, request_id: Id | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.request_id = request_id


def read_request(line: bytes | LongLine) -> Request:
    """The request of a line. Raises RefusedLineError."""
    try:
        message = _object(line)
        found = id_of(message.get("id"))
    except RequestError as error:
        raise RefusedLineError(error) from error
    try:
        fields = Fields(message, "a request")
        fields.anything("id")
        method = fields.text("method")
        if not method:
            raise RequestError("method", "a request names its method, such as separate")
        params = fields.inner("params", method)
        fields.end()
    except RequestError as error:
        raise RefusedLineError(error, found) from error
    return Request(found, method, params)


def _object(line: bytes | LongLine) -> dict[str, Any]:
    """The JSON object of a line. Raises RequestError."""
    if isinstance(line, LongLine):
        raise RequestError("line", f"a line has up to {MOST_BYTES} bytes; this one has more")
    try:
        message = json.loads(line.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, too deep, numbers too long
        shown = line[:_SHOWN_CHARS].decode("utf-8", "backslashreplace")
        raise RequestError("line", f"a line is one JSON object; {shown!r}: {error}") from error
    if not isinstance(message, dict):
        raise RequestError("line", f"a line is one JSON object; got {_shown(message)}")
    return message


def id_of(found: object) -> Id:
    """An id as JSON has it. Raises RequestError for what is none."""
    match found:
        case bool():
            pass
        case int():
            return found
        case float() if math.isfinite(found):
            return found
        case str() if len(found) <= MOST_ID_CHARS:
            return found
    raise RequestError(
        "id",
        f"an id is a text of up to {MOST_ID_CHARS} characters or a number; got {_shown(found)}",
    )


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
