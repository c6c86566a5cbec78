"""Models that stay open between requests, as far as memory goes: the least recently used close.

A model counts with the bytes of its files times `FACTOR`. One that a request uses is never closed
under it, so models that are in use at once may come to more than the budget; what is too much is
closed as soon as it is idle, also a model that alone is larger than the budget.
"""

import math
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from stemline.engines import Artifact

from ..beat_tracker import BeatTracker
from ..library import Library
from ..models import Model
from ..separator import Separator

FACTOR = 2.0
"""Memory of an open model by the bytes of its files: the weights, and about as much again for the
copies that kernels want in their own order and for what a run needs beside them."""

Key = tuple[Path, ...]


@dataclass
class KeptModel:
    """A model that is open, or being opened."""

    model: Model
    n_bytes: int
    """What it counts with."""
    n_users: int = 0
    """Requests that use it."""


class KeptModels:
    """Which models of a library are open, and who uses them."""

    def __init__(self, library: Library, budget_bytes: float = math.inf) -> None:
        self._library = library
        self.budget_bytes = budget_bytes
        self._kept: dict[Key, KeptModel] = {}
        """The least recently used first."""
        self._lock = threading.Lock()

    def lease(self) -> "Lease":
        """A library for one request; use it in `with`."""
        return Lease(self._library, self)

    def take(self, model: Model) -> bool:
        """Keep a model open from now until `leave`; whether it is open already.

        What is too much with it is closed first, where nobody uses it.
        """
        key = key_of(model)
        with self._lock:
            is_open = self._library.is_open(model)
            kept = self._kept.pop(key, None) or KeptModel(model, memory_bytes(model))
            kept.n_users += 1
            self._kept[key] = kept
            self._close_idle()
            return is_open

    def leave(self, model: Model) -> None:
        """A request uses the model no more; it closes where it is too much, or was never opened."""
        key = key_of(model)
        with self._lock:
            kept = self._kept[key]
            kept.n_users -= 1
            if not kept.n_users and not self._library.is_open(model):
                del self._kept[key]
            self._close_idle()

    def kept(self) -> list[KeptModel]:
        """The models that are open or being opened, the least recently used first."""
        with self._lock:
            return list(self._kept.values())

    def _close_idle(self) -> None:
        """Close the least recently used until the rest fits; under the lock: nobody takes one."""
        n_bytes = sum(kept.n_bytes for kept in self._kept.values())
        for key, kept in list(self._kept.items()):
            if n_bytes <= self.budget_bytes:
                return
            if not kept.n_users:
                self._library.close_model(kept.model)
                del self._kept[key]
                n_bytes -= kept.n_bytes


class Lease(Library):
    """The library as one request sees it: what it opens stays open until the request ends."""

    def __init__(self, library: Library, kept: KeptModels) -> None:
        super().__init__(library.folders, library.options, where=library.where)
        self._library = library
        self._kept_models = kept
        self._taken: dict[Key, tuple[Model, bool]] = {}

    @property
    def is_cached(self) -> bool:
        """Whether all that was opened was open before."""
        return all(was_open for _, was_open in self._taken.values())

    def is_open(self, model: Model) -> bool:
        """As of the library."""
        return self._library.is_open(model)

    def separator_of(self, model: Model) -> Separator:
        """As of the library."""
        self.check_trained(model)
        self._take(model)
        return self._library.separator_of(model)

    def beat_tracker(self, model: Model) -> BeatTracker:
        """As of the library."""
        self.check_trained(model)
        self._take(model)
        return self._library.beat_tracker(model)

    def close(self) -> None:
        """End the request; the engines stay, as far as memory goes."""
        taken, self._taken = self._taken, {}
        for model, _ in taken.values():
            self._kept_models.leave(model)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _take(self, model: Model) -> None:
        key = key_of(model)
        if key not in self._taken:
            self._taken[key] = model, self._kept_models.take(model)


def key_of(model: Model) -> Key:
    """The engine files: one model may be found by several names and is kept once."""
    return tuple(artifact.engine_path for artifact in model.artifacts)


def memory_bytes(model: Model) -> int:
    """What a model counts with; see FACTOR."""
    return round(FACTOR * sum(_file_bytes(artifact) for artifact in model.parts))


def _file_bytes(artifact: Artifact) -> int:
    """An engine file with those beside it that begin with its name: its weights, where apart."""
    path = artifact.engine_path
    n_bytes = 0
    with suppress(OSError):  # one that is not there is an error of whoever opens it
        for beside in path.parent.iterdir():
            if beside.name.startswith(path.name) and beside.is_file():
                n_bytes += beside.stat().st_size
    return n_bytes
