"""Prefixes that training tools put before every key of a state dict."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from torch import Tensor

PREFIXES = ("module.", "_orig_mod.", "model.")
"""Of `DataParallel` and `AveragedModel`, of `torch.compile`, and of Lightning's modules."""
_N_AVERAGED = "n_averaged"  # how many states an `AveragedModel` is the mean of


@dataclass(frozen=True)
class BareState:
    """A state dict with the network's own keys, as far as prefixes go."""

    tensors: dict[str, Tensor]
    note: str
    """What was taken off, for the user; empty where nothing was."""


def without_prefixes(state: Mapping[str, Tensor], wanted: Set[str]) -> BareState:
    """Take off each prefix that every key has, and the count that `AveragedModel` keeps.

    `wanted` are the network's own keys: a prefix that all of these have is the network's.
    """
    tensors = dict(state)
    found = ""
    while prefix := _common_prefix(tensors, wanted):
        tensors.pop(_N_AVERAGED, None)
        tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
        found += prefix
    if not found:
        return BareState(tensors, "")
    return BareState(tensors, f"every key begins with {found!r}, which was taken off")


def _common_prefix(state: Mapping[str, Tensor], wanted: Set[str]) -> str:
    keys = [key for key in state if key != _N_AVERAGED or key in wanted]
    for prefix in PREFIXES:
        is_own = all(key.startswith(prefix) for key in wanted)
        if keys and not is_own and all(key.startswith(prefix) for key in keys):
            return prefix
    return ""
