"""Damage by chance, seeded: to bytes, to values of JSON, to the lengths in front of things."""

import json
import random
from typing import Any

_VALUES: list[Any] = [
    None, True, -1, 0, 1.5, 10**30, -(10**400), 1e308, "", "x", "9" * 50, "../x", "\0", "x" * 5000,
    [], [[]], [None], ["x"], {}, {"a": []},
]  # fmt: skip


def of_bytes(data: bytes, dice: random.Random, first: int = 0, last: int | None = None) -> bytes:
    """Some of the bytes from `first` to `last` are changed, gone, or there twice."""
    changed = bytearray(data)
    end = min(len(data), last or len(data))
    for _ in range(dice.choice((1, 1, 2, 8))):
        place = dice.randrange(first, end)
        n = min(dice.choice((1, 2, 4, 8, 60)), end - place)
        match dice.randrange(6):
            case 0:
                changed[place] ^= 1 << dice.randrange(8)
            case 1:
                changed[place : place + n] = dice.randbytes(n)
            case 2:
                changed[place : place + n] = dice.choice((b"\xff", b"\0", b"\x7f")) * n
            case 3:
                del changed[place : place + n]
            case 4:
                changed[place:place] = changed[place : place + n]
            case _:
                del changed[place + n :]
        end = min(end, len(changed))
        if end <= first:
            break
    return bytes(changed)


def of_json(value: Any, dice: random.Random) -> Any:
    """A value somewhere in it is another, or gone, or has another name."""
    changed = json.loads(json.dumps(value))
    for _ in range(dice.choice((1, 1, 2))):
        inner, key = dice.choice(list(_places(changed)) or [(changed, None)])
        if key is None:
            break
        if isinstance(inner, dict) and dice.random() < 0.2:
            inner[dice.choice(["", "x", key + "x"])] = inner.pop(key)
        elif dice.random() < 0.2:
            del inner[key]
        else:
            inner[key] = dice.choice(_VALUES)
    return changed


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)
