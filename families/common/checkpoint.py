"""Load a checkpoint into a network: nothing in the file is ever run, and every key must fit.

A checkpoint is a safetensors file, which holds tensors only, or a pickle, and a pickle can carry
code; `torch.load(weights_only=True)` builds tensors and plain containers and refuses all else.
"""

import pickle
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from stemline.errors import CheckpointError

# What training loops wrap a state dict in, in the order MSST looks for them.
_WRAPPERS = ("state", "state_dict", "model_state_dict")
_ZIP_MAGIC = b"PK\x03\x04"
_HINT = "does the configuration belong to this checkpoint?"


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The state dict in a file, real tensors as float32.

    Raises CheckpointError: no such file, not a checkpoint, cut short, more than tensors in it.
    """
    found: Any = _load(path)
    for key in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not found:
        raise CheckpointError(f"{path} holds no state dict, but a {type(found).__name__}")
    state: dict[str, Tensor] = {}
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"{path} holds no state dict: {key!r} is a {type(value).__name__}, not a tensor"
            )
        if value.layout != torch.strided or value.is_quantized or value.is_complex():
            raise CheckpointError(f"{path}: {key} is no plain tensor of real numbers")
        value = value.detach().contiguous()
        state[key] = value.float() if value.is_floating_point() else value
    return state


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Load the tensors of `state` into `network`; they are taken over, not copied.

    Raises CheckpointError that names the first key that is missing, of another shape, or unknown.
    """
    wanted = network.state_dict()
    for key, value in wanted.items():
        if key not in state:
            raise CheckpointError(f"{source}: the checkpoint has no key {key}; {_HINT}")
        given = state[key]
        if given.shape != value.shape:
            raise CheckpointError(
                f"{source}: {key} is {tuple(given.shape)}, the configuration wants "
                f"{tuple(value.shape)}; {_HINT}"
            )
        if given.is_floating_point() != value.is_floating_point():
            raise CheckpointError(f"{source}: {key} is {given.dtype}; wanted {value.dtype}")
    for key in state:
        if key not in wanted:
            raise CheckpointError(f"{source}: the checkpoint has an unexpected key {key}; {_HINT}")
    network.load_state_dict(dict(state), strict=True, assign=True)


# What torch's readers raise for a file that is cut short, damaged or no checkpoint at all.
_DAMAGED = (
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


def _load(path: Path) -> object:
    try:
        with path.open("rb") as file:
            start = file.read(len(_ZIP_MAGIC))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    if not start:
        raise CheckpointError(f"{path} is empty; fetch it again")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise CheckpointError(
                f"{path} is no safetensors file, or is cut short; fetch it again"
            ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of storages that will be gone one day
            return torch.load(path, map_location="cpu", weights_only=True, mmap=start == _ZIP_MAGIC)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path} is refused: {_refusal(str(error))}") from error
    except _DAMAGED as error:
        raise CheckpointError(
            f"{path} is no checkpoint torch can read, or is cut short; fetch it again"
        ) from error


def _refusal(message: str) -> str:
    """The short form of torch's long message."""
    if any(words in message for words in ("GLOBAL ", "Unsupported global", "Unsupported class")):
        return "it holds more than tensors, and what else it holds could run code"
    return "it is no checkpoint torch can read, or is cut short; fetch it again"
