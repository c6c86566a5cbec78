"""How deep and how large the tuples of a pickle are, known before any is made.

A tuple that is the key of a mapping is hashed, through all that is in it: one within another a
hundred thousand times overflows the stack of the process, and one of two times the same, forty
times over, takes years. Nothing else that a pickle holds as data is hashed so.
"""

import pickle
import pickletools
from typing import Any, BinaryIO, NamedTuple

_MOST_DEEP = 100
_MOST_ITEMS = 100_000  # of a tuple, with those of what it holds, as often as it holds them
_MOST_OPERATIONS = 4_000_000  # of the largest official checkpoint: 0.6 million


class _Size(NamedTuple):
    depth: int
    n_items: int


_ONE = _Size(0, 1)
_MARK = _Size(-1, 0)
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def check_tuples(pickled: bytes | BinaryIO) -> None:
    """Follow one pickle's operations without running any.

    Raises UnpicklingError for tuples that are too deep or too large, and for too many operations;
    ValueError where it is no pickle, or is cut short.
    """
    stack: list[_Size] = []
    memo: dict[Any, _Size] = {}
    for number, (opcode, argument, _) in enumerate(pickletools.genops(pickled)):
        if number > _MOST_OPERATIONS:
            raise pickle.UnpicklingError(f"it has more than {_MOST_OPERATIONS} operations")
        name = opcode.name
        if name in _PUTS:
            memo[len(memo) if name == "MEMOIZE" else argument] = _top(stack)
        elif name in _GETS:
            stack.append(memo.get(argument, _ONE))
        elif name == "DUP":
            stack.append(_top(stack))
        elif name == "MARK":
            stack.append(_MARK)
        elif name in _TUPLES:
            stack.append(_tuple_of(_taken(stack, _TUPLES[name])))
        else:
            _do(opcode, stack)


def _do(opcode: pickletools.OpcodeInfo, stack: list[_Size]) -> None:
    """Any other operation, by what its description says that it takes and puts there."""
    takes = list(opcode.stack_before)
    items: list[_Size] = []
    if pickletools.stackslice in takes:
        items = _taken_to_mark(stack)
        takes = takes[: takes.index(pickletools.markobject)]
    elif pickletools.markobject in takes:  # POP_MARK
        _taken_to_mark(stack)
        takes = []
    _taken(stack, len(takes))
    if opcode.name in ("TUPLE", "FROZENSET"):
        stack.append(_tuple_of(items))
    else:
        stack.extend([_ONE] * len(opcode.stack_after))


def _tuple_of(items: list[_Size]) -> _Size:
    depth = 1 + max((item.depth for item in items), default=0)
    n_items = 1 + sum(item.n_items for item in items)
    if depth > _MOST_DEEP or n_items > _MOST_ITEMS:
        raise pickle.UnpicklingError("it holds tuples in tuples, too deep or too many to be hashed")
    return _Size(depth, n_items)


def _top(stack: list[_Size]) -> _Size:
    return stack[-1] if stack else _ONE


def _taken(stack: list[_Size], count: int) -> list[_Size]:
    """The last items, off the stack; a reader refuses what takes more than there is."""
    if not count:
        return []
    items = stack[-count:]
    del stack[-count:]
    return items


def _taken_to_mark(stack: list[_Size]) -> list[_Size]:
    items: list[_Size] = []
    while stack and (item := stack.pop()) is not _MARK:
        items.append(item)
    return items
