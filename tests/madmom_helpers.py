"""Networks like madmom's with random weights, and their files as madmom writes them."""

import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from stemline.families.madmom.checkpoint.installed import FILES
from stemline.families.madmom.config import MadmomConfig
from stemline.families.madmom.network import BlstmLayer, MadmomBlstm

SMALL = MadmomConfig(n_features=6, units=3, n_layers=2, n_networks=3)


def small_madmom(seed: int = 0, **changes: Any) -> MadmomBlstm:
    """Of random weights; `changes` replace fields of `SMALL`."""
    return random_madmom(replace(SMALL, **changes), seed)


def random_madmom(config: MadmomConfig, seed: int = 0) -> MadmomBlstm:
    """Of random weights, and of random biases too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = MadmomBlstm(config).eval()
        with torch.no_grad():
            for name, value in network.state_dict().items():
                if name.endswith("bias"):
                    value.add_(0.5 * torch.randn(value.shape))
    return network


def features(batch: int, n_frames: int, n_features: int = SMALL.n_features) -> torch.Tensor:
    """Rows that differ, in level too; (batch, frames, features)."""
    generator = torch.Generator().manual_seed(n_frames)
    level = torch.linspace(0.3, 1.5, batch)[:, None, None]
    return level * torch.rand(batch, n_frames, n_features, generator=generator)


_CLASSES: dict[str, tuple[str, ...]] = {
    "madmom": (),
    "madmom.ml": (),
    "madmom.ml.nn": ("NeuralNetwork",),
    "madmom.ml.nn.layers": ("BidirectionalLayer", "LSTMLayer", "Gate", "Cell", "FeedForwardLayer"),
}
_FUNCTIONS = ("sigmoid", "tanh", "softmax", "linear")


class FakeMadmom:
    """Classes and functions that have nothing but the names of madmom's."""

    def __init__(self) -> None:
        self.modules: dict[str, ModuleType] = {}
        for module, names in {**_CLASSES, "madmom.ml.nn.activations": ()}.items():
            found = self.modules[module] = ModuleType(module)
            for name in names:
                setattr(found, name, type(name, (), {"__module__": module}))
        activations = self.modules["madmom.ml.nn.activations"]
        for name in _FUNCTIONS:
            setattr(activations, name, _function(name))

    def make(self, name: str, **fields: Any) -> Any:
        """An object of the class `name`."""
        (kind,) = (getattr(one, name) for one in self.modules.values() if hasattr(one, name))
        found = kind()
        found.__dict__.update(fields)
        return found

    def function(self, name: str) -> Any:
        """The activation `name`."""
        return getattr(self.modules["madmom.ml.nn.activations"], name)

    @contextmanager
    def named(self) -> Iterator[None]:
        """While this holds the names are found, which pickle wants to see."""
        before = {name: sys.modules.get(name) for name in self.modules}
        sys.modules.update(self.modules)
        try:
            yield
        finally:
            for name, module in before.items():
                if module is None:
                    del sys.modules[name]
                else:
                    sys.modules[name] = module

    def network(self, of: MadmomBlstm, member: int) -> Any:
        """One network as an object of madmom's."""
        layers = [self._both_ways(layer, member) for layer in of.layers]
        last = self.make(
            "FeedForwardLayer",
            weights=_array(of.weight[member]),
            bias=_array(of.bias[member]),
            activation_fn=self.function("softmax"),
        )
        return self.make("NeuralNetwork", layers=[*layers, last])

    def _both_ways(self, layer: torch.nn.Module, member: int) -> Any:
        assert isinstance(layer, BlstmLayer)
        ways = []
        for way in range(2):
            gates = {}
            for gate, name in enumerate(("input_gate", "forget_gate", "cell", "output_gate")):
                is_cell = name == "cell"
                peephole = {0: 0, 1: 1, 3: 2}.get(gate)
                gates[name] = self.make(
                    "Cell" if is_cell else "Gate",
                    weights=_array(layer.input_weights[member, way, gate]),
                    recurrent_weights=_array(layer.recurrent_weights[member, way, gate]),
                    bias=_array(layer.bias[member, way, gate]),
                    peephole_weights=None
                    if peephole is None
                    else _array(layer.peepholes[member, way, peephole]),
                    activation_fn=self.function("tanh" if is_cell else "sigmoid"),
                )
            ways.append(self.make("LSTMLayer", activation_fn=self.function("tanh"), **gates))
        return self.make("BidirectionalLayer", fwd_layer=ways[0], bwd_layer=ways[1])


def write_madmom(
    folder: Path, network: MadmomBlstm, change: Callable[[FakeMadmom, Any], Any] | None = None
) -> None:
    """The eight files in `folder`; `change` alters the network of the third, or gives another."""
    fake = FakeMadmom()
    folder.mkdir(parents=True, exist_ok=True)
    for member, name in enumerate(FILES):
        one = fake.network(network, member)
        if change is not None and member == 2:
            one = change(fake, one) or one
        with fake.named():
            (folder / name).write_bytes(pickle.dumps(one, protocol=4))


def _function(name: str) -> Callable[[], None]:
    def function() -> None: ...

    function.__module__ = "madmom.ml.nn.activations"
    function.__name__ = function.__qualname__ = name
    return function


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy().copy()
