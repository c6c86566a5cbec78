"""A state dict from a file into a network: nothing in the file is ever run, and every key must fit.

A checkpoint is a safetensors file, which holds tensors only, or a pickle, and a pickle can carry
code; `inert_pickle.py` reads it as data.
"""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from stemline.errors import CheckpointError

from .bounds import FileTensors
from .inert_pickle import Names, first_bytes, load_inert
from .prefixes import without_prefixes

# What training loops wrap a state dict in, in the order MSST looks for them, and `model` of others.
_WRAPPERS = ("state", "state_dict", "model_state_dict", "model")
_MOST_WRAPPERS = 4  # a pickle can hold itself
_HINT = "does the configuration belong to this checkpoint?"


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The state dict in a file, real tensors as float32.

    Raises CheckpointError: no such file, not a checkpoint, cut short, more than tensors in it.
    """
    return state_dict_in(read_file(path), path)


def read_file(path: Path, names: Names = ()) -> object:
    """What a `.safetensors` or torch's file holds; of a pickle, `names` may stand in it too.

    Raises CheckpointError: no such file, damaged, or with names in it that could run code.
    """
    first_bytes(path)
    if path.suffix != ".safetensors":
        return load_inert(path, names=names)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is no safetensors file, or is cut short; fetch it again"
        ) from error


def state_dict_in(found: object, path: Path) -> dict[str, Tensor]:
    """The state dict in what a file holds, bare or wrapped; real tensors as float32.

    Raises CheckpointError where it holds none.
    """
    for _ in range(_MOST_WRAPPERS):
        found = _unwrapped(found)
    if not isinstance(found, Mapping) or not found:
        raise CheckpointError(f"{path} holds no state dict, but a {type(found).__name__}")
    tensors = FileTensors(path)
    state = {}
    for key, value in found.items():
        if not isinstance(key, str):
            raise CheckpointError(f"{path} holds no state dict: {key!r:.100} is no name")
        state[key] = tensors.plain(key, value)
    return state


def _unwrapped(found: object) -> object:
    for key in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            return found[key]
    return found


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], source: str) -> tuple[str, ...]:
    """Load the tensors of `state` into `network` -> notes for the user on how they were read.

    The tensors are taken over, not copied; see `without_prefixes` for their keys.

    Raises CheckpointError that names the first key that is missing, of another shape, or unknown.
    """
    wanted = network.state_dict()
    bare = without_prefixes(state, wanted.keys())
    state = bare.tensors
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
    network.load_state_dict(state, strict=True, assign=True)
    return (bare.note,) if bare.note else ()
