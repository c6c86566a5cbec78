"""Read a Demucs package: which network, how it is made, and its weights as float32.

Two forms hold the same: the `.th` of demucs and its training (a pickle, read by pickle_reader.py),
and safetensors with the class and its arguments as JSON in the header. Weights are stored as half
precision, or quantised by DiffQ.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from stemline.errors import CheckpointError, DiffqError

from ...common.checkpoint import FileTensors, first_bytes, read_checkpoint, state_dict_in
from .diffq import DiffqState, QuantizedParameter, dequantize
from .pickle_reader import NETWORKS, ClassName, fraction, load_inert

_QUANTIZER = "diffq.diffq.DiffQuantizer"
_QUANTIZED_KEY = "__quantized"
_PACKAGE_KEYS = ("klass", "args", "kwargs", "state")
_MAX_ITEMS = 1024
_HINT = "; weights alone need MSST's YAML beside them: --config FILE"
_MAX_BITS = 64


@dataclass(frozen=True)
class DemucsPackage:
    """One network, as its file describes it."""

    path: Path
    klass: str
    """The network's class, HTDemucs or HDemucs."""
    kwargs: dict[str, Any]
    """The constructor's arguments: numbers, fractions, text, None and lists of these."""
    state: dict[str, Tensor] | DiffqState
    """The weights in float32, or quantised, for `state_dict` to restore."""
    metadata: dict[str, Any]
    """The file's other fields, unchanged: training_args, metrics."""

    def state_dict(self, parameters: Iterable[tuple[str, Sequence[int]]]) -> dict[str, Tensor]:
        """The weights by name.

        `parameters` are (name, shape) in the order of the network's `named_parameters()`, which
        must be that of the original: a quantised state has no names. Other states do not need it.

        Raises CheckpointError when a quantised state does not fit them.
        """
        if not isinstance(self.state, DiffqState):
            return self.state
        try:
            weights = dequantize(self.state, parameters)
        except DiffqError as error:
            raise CheckpointError(f"{self.path}: {error}") from error
        return {name: torch.from_numpy(value) for name, value in weights.items()}


def read_package(path: Path) -> DemucsPackage:
    """The package in a `.th` or `.safetensors` file; nothing in the file is ever run.

    Raises CheckpointError: no such file, no package, cut short, refused, or of another class.
    """
    return _package(path, _read_safetensors(path) if _is_safe(path) else load_inert(path))


def read_weights(path: Path) -> DemucsPackage | dict[str, Tensor]:
    """A package, or the state dict in a file that describes no network, such as MSST writes.

    Raises CheckpointError as `read_package` does.
    """
    if _is_safe(path):
        return read_package(path) if "klass" in _header(path) else read_checkpoint(path)
    found = load_inert(path)
    is_package = isinstance(found, Mapping) and "klass" in found
    return _package(path, found) if is_package else state_dict_in(found, path)


def _is_safe(path: Path) -> bool:
    return path.suffix == ".safetensors"


def _package(path: Path, found: object) -> DemucsPackage:
    if not isinstance(found, Mapping):
        raise CheckpointError(f"{path} holds no Demucs package, but a {type(found).__name__}")
    for key in _PACKAGE_KEYS:
        if key not in found:
            raise CheckpointError(f"{path} holds no Demucs package: it has no {key}{_HINT}")
    klass = _klass(path, found["klass"])
    return DemucsPackage(
        path=path,
        klass=klass,
        kwargs=_kwargs(path, found["args"], found["kwargs"]),
        state=_state(path, found["state"]),
        metadata={
            key: value
            for key, value in found.items()
            if isinstance(key, str) and key not in _PACKAGE_KEYS
        },
    )


def _klass(path: Path, found: object) -> str:
    dotted = found.dotted if isinstance(found, ClassName) else str(type(found).__name__)
    name = dotted.rpartition(".")[2]
    if name not in NETWORKS:
        raise CheckpointError(
            f"{path} is of class {dotted!r:.100}; only {' and '.join(NETWORKS)} are read, of "
            "whatever package"
        )
    return name


def _kwargs(path: Path, args: object, kwargs: object) -> dict[str, Any]:
    if not isinstance(args, list | tuple) or not isinstance(kwargs, Mapping):
        raise CheckpointError(f"{path} holds no Demucs package: args or kwargs are none")
    if len(args) > 1 or (args and "sources" in kwargs):
        raise CheckpointError(f"{path}: args: only `sources` may be given by place")
    named = {**({"sources": args[0]} if args else {}), **kwargs}
    plain = {}
    for key, value in named.items():
        if not isinstance(key, str):
            raise CheckpointError(f"{path}: kwargs: a {type(key).__name__} is no name")
        items = value if isinstance(value, list | tuple) else [value]
        if len(items) > _MAX_ITEMS or not all(map(_is_plain, items)):
            raise CheckpointError(
                f"{path}: kwargs: {key!r:.100} is no number, text or list of these"
            )
        plain[key] = list(value) if isinstance(value, tuple) else value
    return plain


def _is_plain(value: object) -> bool:
    if isinstance(value, int):
        return value.bit_length() <= _MAX_BITS
    return value is None or isinstance(value, float | str | Fraction)


def _state(path: Path, found: object) -> dict[str, Tensor] | DiffqState:
    if not isinstance(found, Mapping) or not found:
        raise CheckpointError(f"{path} holds no state dict, but a {type(found).__name__}")
    tensors = FileTensors(path)
    if found.get(_QUANTIZED_KEY):
        return _diffq_state(path, found, tensors)
    state = {}
    for key, value in found.items():
        if not isinstance(key, str):
            raise CheckpointError(f"{path} holds no state dict: a {type(key).__name__} is no name")
        state[key] = tensors.plain(key, value)
    return state


def _diffq_state(path: Path, found: Mapping[Any, Any], tensors: FileTensors) -> DiffqState:
    meta = found.get("meta")
    if not isinstance(meta, Mapping) or meta.get("klass") != ClassName(_QUANTIZER):
        raise CheckpointError(f"{path} is quantised, but not by {_QUANTIZER}")
    if not meta.get("packed") or meta.get("torch_pack"):
        raise CheckpointError(f"{path}: its levels are not in diffq's own packing (of 64 bits)")
    options = meta.get("init_kwargs")
    if not isinstance(options, Mapping):
        raise CheckpointError(f"{path}: quantised without init_kwargs")
    if options.get("exclude"):
        raise CheckpointError(f"{path}: parameters excluded from quantisation are not read here")
    kept = "float16" if options.get("float16") else "others"
    try:
        return DiffqState(
            quantized=tuple(
                _quantized(entry, tensors) for entry in _list(found.get("quantized"), "quantized")
            ),
            kept=tuple(
                tensors.plain(kept, value).numpy() for value in _list(found.get(kept), kept)
            ),
            min_size_mb=float(_number(options.get("min_size", 0.01), "min_size")),
            group_size=_whole(options.get("group_size", 1), "group_size"),
            min_bits=_whole(options.get("min_bits", 2), "min_bits"),
        )
    except DiffqError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _quantized(entry: object, tensors: FileTensors) -> QuantizedParameter:
    levels, scale, bits = _list(entry, "a quantised parameter", 3)
    low, high = _list(scale, "a scale", 2)
    return QuantizedParameter(
        levels=tuple(
            None if planes is None else tensors.plain("levels", planes).numpy()
            for planes in _list(levels, "levels")
        ),
        low=float(_number(low, "a scale")),
        high=float(_number(high, "a scale")),
        bits=tensors.plain("bits", bits).numpy(),
    )


def _list(value: object, what: str, length: int | None = None) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or length not in (None, len(value)):
        raise DiffqError(f"{what} is a {type(value).__name__}, not a list of the right length")
    return value


def _number(value: object, what: str) -> float | int:
    if not isinstance(value, float | int):
        raise DiffqError(f"{what} is a {type(value).__name__}, not a number")
    return value


def _whole(value: object, what: str) -> int:
    number = _number(value, what)
    if isinstance(number, float) and not number.is_integer():
        raise DiffqError(f"{what} must be a whole number; got {number}")
    return int(number)


def _read_safetensors(path: Path) -> dict[str, Any]:
    """The tree of objects in a safetensors file, equal to that in a `.th`."""
    header = _header(path)
    for key in ("klass", "args", "kwargs"):
        if key not in header:
            raise CheckpointError(
                f"{path} holds no Demucs package: it has no {key} in its header's metadata{_HINT}"
            )
    tensors = load_file(path)
    try:
        structure = header.pop("structure", None)
        state = tensors if structure is None else _nested(json.loads(structure), tensors)
        return {
            **header,
            "klass": ClassName(header["klass"]),
            "args": _decoded(json.loads(header["args"])),
            "kwargs": _decoded(json.loads(header["kwargs"])),
            "state": state,
        }
    except (LookupError, RecursionError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its header's metadata is no Demucs package's") from error


def _header(path: Path) -> dict[str, Any]:
    first_bytes(path)
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is no safetensors file, or is cut short; fetch it again"
        ) from error


def _decoded(value: Any) -> Any:
    """JSON's value, with fractions as such."""
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("_type") == "fraction":
        return fraction(value["numerator"], value["denominator"])
    return {key: _decoded(item) for key, item in value.items()}


def _nested(node: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The tree that `structure` spells: every object of it is one leaf or one container."""
    if not isinstance(node, dict):
        return node
    match node:
        case {"_tensor": name}:
            return tensors[name]
        case {"_dict": pairs}:
            return {key: _nested(item, tensors) for key, item in pairs}
        case {"_list": items}:
            return [_nested(item, tensors) for item in items]
        case {"_tuple": items}:
            return tuple(_nested(item, tensors) for item in items)
        case {"_class": dotted}:
            return ClassName(str(dotted))
    raise ValueError("no node of a structure")
