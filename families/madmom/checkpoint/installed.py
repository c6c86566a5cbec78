"""Find and read the networks of beats and downbeats in a madmom that the user installed.

They are CC BY-NC-SA 4.0 and are not part of this package: what is exported of them stays with
whoever exports it. madmom itself is neither imported nor run.
"""

import hashlib
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stemline.arrays import Array
from stemline.checks import require
from stemline.errors import CheckpointError

from ...common.checkpoint import load_strictly
from ..config import CLASSES, MadmomConfig
from ..network import MadmomBlstm
from .pickle_reader import (
    SIGMOID,
    SOFTMAX,
    TANH,
    ArrayPart,
    Bidirectional,
    Cell,
    FeedForward,
    Function,
    Gate,
    Lstm,
    Network,
    Part,
    load_inert,
)

FILES = tuple(f"downbeats_blstm_{number}.pkl" for number in range(1, 9))
"""Names of the networks' files, in order."""
LICENCE = "CC BY-NC-SA 4.0"

# From a folder that a user may name to that of the files: itself, madmom's, or an environment's.
_BELOW = (
    ".",
    "2016",
    "downbeats/2016",
    "models/downbeats/2016",
    "madmom/models/downbeats/2016",
    "lib/python3*/site-packages/madmom/models/downbeats/2016",
    "Lib/site-packages/madmom/models/downbeats/2016",
)
# By the names that an LSTM layer has for them, in the order of the parameters.
_GATES = ("input_gate", "forget_gate", "cell", "output_gate")
_PEEPHOLES = ("input_gate", "forget_gate", "output_gate")


def find_madmom(path: Path | None = None) -> Path | None:
    """The folder that has the networks' eight files; None where there is none.

    `path` is that folder, the package's `models`, the package `madmom` itself, site-packages, or
    a virtual environment. Without it the madmom beside this package is looked for.
    """
    places = [path] if path is not None else list(_installed())
    for place in places:
        for below in _BELOW:
            folders = sorted(place.glob(below)) if "*" in below else [place / below]
            for folder in folders:
                if all((folder / name).is_file() for name in FILES):
                    return folder.resolve()
    return None


def _installed() -> Iterator[Path]:
    # To find a top-level package, none of its code is run.
    spec = importlib.util.find_spec("madmom")
    for place in (spec.submodule_search_locations if spec else None) or ():
        yield Path(place)


def madmom_digest(folder: Path) -> str:
    """SHA-256 over the eight files in order, in hex. Raises CheckpointError that names one."""
    digest = hashlib.sha256()
    for name in FILES:
        try:
            digest.update((folder / name).read_bytes())
        except OSError as error:
            raise CheckpointError(f"{folder / name} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


@dataclass(frozen=True)
class MadmomNetwork:
    """The networks, as their files describe them."""

    folder: Path
    config: MadmomConfig
    state: dict[str, Tensor]
    """Weights of all networks by name, float32."""

    def network(self) -> MadmomBlstm:
        """The network with these weights, in evaluation mode; the tensors are taken over."""
        with torch.device("meta"):
            network = MadmomBlstm(self.config)
        load_strictly(network, self.state, str(self.folder))
        return network.eval()


def read_madmom(folder: Path) -> MadmomNetwork:
    """The networks in a folder that `find_madmom` found; nothing in the files is ever run.

    Raises CheckpointError that names the file: it is missing, damaged, refused, or of another
    network than these.
    """
    config = MadmomConfig()
    members = [_Reader(folder / name, config).read() for name in FILES]
    state = {
        key: torch.from_numpy(np.stack([member[key] for member in members])) for key in members[0]
    }
    return MadmomNetwork(folder, config, state)


class _Reader:
    """Reads one file, and refuses all that is not as expected."""

    def __init__(self, path: Path, config: MadmomConfig) -> None:
        self._path, self._config = path, config

    def read(self) -> dict[str, Array]:
        """The file's parameters, by their names in MadmomBlstm."""
        config = self._config
        network = self._part(load_inert(self._path), Network, "the file")
        found = network.fields.get("layers")
        layers: list[object] = found if isinstance(found, list) else []
        n_layers = config.n_layers + 1
        self._require(len(layers) == n_layers, f"it wants {n_layers} layers")
        state: dict[str, Array] = {}
        n_in = config.n_features
        for number, layer in enumerate(layers[:-1]):
            both = self._part(layer, Bidirectional, f"layer {number}")
            ways = [
                self._lstm(both.fields.get(way), n_in, f"layer {number} {way}")
                for way in ("fwd_layer", "bwd_layer")
            ]
            for name in ways[0]:
                state[f"layers.{number}.{name}"] = np.stack([way[name] for way in ways])
            n_in = 2 * config.units
        last = self._part(layers[-1], FeedForward, "the last layer")
        self._function(last, SOFTMAX, "the last layer")
        n_classes = len(CLASSES)
        state["weight"] = self._array(last, "weights", (n_in, n_classes), "the last layer")
        state["bias"] = self._array(last, "bias", (n_classes,), "the last layer")
        return state

    def _lstm(self, found: object, n_in: int, where: str) -> dict[str, Array]:
        layer, units = self._part(found, Lstm, where), self._config.units
        self._function(layer, TANH, where)
        for name in ("init", "cell_init"):  # newer files have them
            if name in layer.fields:
                begin = self._array(layer, name, (units,), where)
                self._require(not begin.any(), f"{where} must begin with {name} 0")
        gates = {}
        for name in _GATES:
            kind, function = (Cell, TANH) if name == "cell" else (Gate, SIGMOID)
            gates[name] = self._part(layer.fields.get(name), kind, f"{where} {name}")
            self._function(gates[name], function, f"{where} {name}")
        no_peephole = gates["cell"].fields.get("peephole_weights") is None
        self._require(no_peephole, f"{where} cell must have no peephole_weights")

        def stacked(field: str, shape: Sequence[int], names: Sequence[str] = _GATES) -> Array:
            return np.stack(
                [self._array(gates[name], field, shape, f"{where} {name}") for name in names]
            )

        return {
            "input_weights": stacked("weights", (n_in, units)),
            "recurrent_weights": stacked("recurrent_weights", (units, units)),
            "bias": stacked("bias", (units,)),
            "peepholes": stacked("peephole_weights", (units,), _PEEPHOLES),
        }

    def _part(self, found: object, kind: type[Part], where: str) -> Part:
        if not isinstance(found, Part) or type(found) is not kind:
            name = type(found).__name__
            raise CheckpointError(f"{self._path}: {where} must be {kind.__name__}; it is {name}")
        return found

    def _function(self, part: Part, wanted: Function, where: str) -> None:
        found = part.fields.get("activation_fn")
        self._require(found == wanted, f"{where} must have the activation {wanted.name}")

    def _array(self, part: Part, field: str, shape: Sequence[int], where: str) -> Array:
        found: Any = part.fields.get(field)
        value = found.value if isinstance(found, ArrayPart) else None
        if value is None or value.shape != tuple(shape):
            is_now = "no array" if value is None else str(value.shape)
            raise CheckpointError(
                f"{self._path}: {where} {field} must be {tuple(shape)}; it is {is_now}"
            )
        self._require(bool(np.isfinite(value).all()), f"{where} {field} must be finite")
        array: Array = value
        return array

    def _require(self, fits: bool, complaint: str) -> None:
        require(fits, str(self._path), f"{complaint}; is it madmom 0.16's?", CheckpointError)
