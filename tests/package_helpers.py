"""Demucs packages as demucs writes them, for tests that do without demucs."""

import json
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

KWARGS: dict[str, Any] = {
    "sources": ["drums", "bass"],
    "segment": Fraction(39, 5),
    "channels": 48,
    "multi_freqs": [],
    "freq_emb": 0.2,
    "cac": True,
    "channels_time": None,
    "t_emb": "sin",
}
STATE = {"a.weight": torch.tensor([[0.5, -2.0], [1.0, 65504.0]]), "a.bias": torch.tensor([3.0])}


def stand_in(dotted: str) -> type:
    """A class that pickles by this name."""
    module, _, name = dotted.rpartition(".")
    return type(name, (), {"__module__": module, "__qualname__": name})


HTDEMUCS = stand_in("demucs.htdemucs.HTDemucs")
QUANTIZER = stand_in("diffq.diffq.DiffQuantizer")


@contextmanager
def importable(*classes: type) -> Iterator[None]:
    """Let classes be found where their names say, which is what pickle asks when it writes them."""
    before = dict(sys.modules)
    for klass in classes:
        for name in (klass.__module__.partition(".")[0], klass.__module__):
            sys.modules[name] = types.ModuleType(name)
    for klass in classes:
        setattr(sys.modules[klass.__module__], klass.__name__, klass)
    try:
        yield
    finally:
        sys.modules.clear()
        sys.modules.update(before)


def package(**changes: object) -> dict[str, Any]:
    """What a `.th` of demucs holds; `changes` replace entries."""
    state = {key: value.half() for key, value in STATE.items()}
    whole = {"klass": HTDEMUCS, "args": (), "kwargs": KWARGS, "state": state, "training_args": {}}
    return {**whole, **changes}


def write_th(path: Path, content: object, *classes: type, zipped: bool = True) -> Path:
    """A `.th`, which names HTDemucs, DiffQuantizer and `classes`."""
    with importable(HTDEMUCS, QUANTIZER, *classes):
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def write_safetensors(path: Path, content: Mapping[str, Any]) -> Path:
    """The same package in the form of demucs's models at Hugging Face."""
    state = dict(content["state"])
    header = {
        "klass": f"{content['klass'].__module__}.{content['klass'].__qualname__}",
        "args": json.dumps(content["args"], default=_fraction),
        "kwargs": json.dumps(content["kwargs"], default=_fraction),
    }
    if state.get("__quantized"):
        tensors: dict[str, torch.Tensor] = {}
        header["structure"] = json.dumps(_node(state, "state", tensors))
        state = tensors
    save_file(state, path, header)
    return path


def _fraction(value: Fraction) -> dict[str, object]:
    return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}


def _node(value: Any, path: str, tensors: dict[str, torch.Tensor]) -> Any:
    """A tree of containers and tensors as JSON; the tensors go to `tensors`."""
    match value:
        case torch.Tensor():
            tensors[path] = value.contiguous()
            return {"_tensor": path}
        case dict():
            pairs = [[key, _node(item, f"{path}.{key}", tensors)] for key, item in value.items()]
            return {"_dict": pairs}
        case list() | tuple():
            kind = f"_{type(value).__name__}"
            return {kind: [_node(item, f"{path}.{i}", tensors) for i, item in enumerate(value)]}
        case type():
            return {"_class": f"{value.__module__}.{value.__qualname__}"}
    return value


def pack(numbers: list[int], n_bits: int) -> NDArray[np.int64]:
    """Numbers as planes of bits, one bit at a time, by what diffq's format says."""
    n_lines = -(-len(numbers) // 2048)
    words = np.zeros((n_lines, n_bits, 32), np.uint64)
    for index, number in enumerate(numbers):
        line, rest = divmod(index, 2048)
        position, column = divmod(rest, 32)
        for bit in range(n_bits):
            words[line, bit, column] |= np.uint64((number >> bit & 1) << position)
    return words.view(np.int64)


def quantized_state(**changes: object) -> dict[str, Any]:
    """A DiffQ state of two parameters, `big` (4, 3) in groups of 2 and `small` (2,).

    The groups have 2, 3, 2, 2, 14 and 3 bits.
    """
    levels: list[torch.Tensor | None] = [None] * 14
    levels[1] = torch.from_numpy(pack([0, 3, 1, 2, 3, 3], 2))
    levels[2] = torch.from_numpy(pack([7, 0, 1, 6], 3))
    levels[13] = torch.from_numpy(pack([16383, 8191], 14))
    bits = torch.from_numpy(pack([0, 1, 0, 0, 12, 1], 4))
    meta = {
        "init_kwargs": {"min_size": 8 * 4 / 2**20, "group_size": 2},
        "klass": QUANTIZER,
        "packed": True,
        "torch_pack": False,
    }
    state = {
        "quantized": [(levels, (-1.0, 2.0), bits)],
        "float16": [],
        "others": [torch.tensor([0.25, 4.0])],
        "meta": meta,
        "__quantized": True,
    }
    return {**state, **changes}


PARAMETERS = [("big", (4, 3)), ("small", (2,))]
BIG: list[list[float]] = [
    [-1, 2, 2],  # 2 bits: 0/3, 3/3; 3 bits: 7/7,
    [-1, 0, 1],  # 0/7; 2 bits: 1/3, 2/3
    [2, 2, 2],  # 2 bits: 3/3, 3/3; 14 bits: 16383/16383,
    [-1 + 3 * 8191 / 16383, -1 + 3 / 7, -1 + 3 * 6 / 7],  # 8191/16383; 3 bits: 1/7, 6/7
]
