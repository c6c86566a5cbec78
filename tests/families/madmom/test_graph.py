import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from madmom_helpers import SMALL, features, random_madmom, small_madmom
from numpy.typing import NDArray

from stemline.evaluation.parity import snr_db
from stemline.families.common.graph import OPSET
from stemline.families.madmom.config import MadmomConfig
from stemline.families.madmom.graph import export_madmom
from stemline.families.madmom.network import MadmomBlstm

# Sums of one order and another, and ONNX Runtime's own exponential; measured 130 and more.
FLOAT32_DB = 100.0


def run(path: Path, x: torch.Tensor) -> list[NDArray[np.float32]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return list(session.run(["beat", "downbeat"], {"features": x.numpy()}))


def probabilities(network: MadmomBlstm, x: torch.Tensor) -> list[NDArray[np.float32]]:
    with torch.inference_mode():
        return [output.numpy() for output in network(x)]


def by_definition(network: MadmomBlstm, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Unit by unit in Python's floats: features (frames, features) -> (2, frames)."""

    def sigmoid(v: float) -> float:
        return 1 / (1 + math.exp(-v))

    state = {name: value.double().numpy() for name, value in network.state_dict().items()}
    total = np.zeros((len(x), 3))
    for member in range(network.config.n_networks):
        rows = [[float(v) for v in row] for row in x]
        for layer in range(network.config.n_layers):
            p = {
                name: state[f"layers.{layer}.{name}"][member]
                for name in ("input_weights", "recurrent_weights", "bias", "peepholes")
            }
            units = p["bias"].shape[-1]
            ways = []
            for way, order in enumerate((rows, rows[::-1])):
                h, c, out = [0.0] * units, [0.0] * units, []
                for row in order:
                    new_h, new_c = [], []
                    for u in range(units):
                        i, f, g, o = (
                            float(p["bias"][way, gate, u])
                            + sum(
                                v * p["input_weights"][way, gate, k, u] for k, v in enumerate(row)
                            )
                            + sum(
                                v * p["recurrent_weights"][way, gate, k, u] for k, v in enumerate(h)
                            )
                            for gate in range(4)
                        )
                        i = sigmoid(i + c[u] * p["peepholes"][way, 0, u])
                        f = sigmoid(f + c[u] * p["peepholes"][way, 1, u])
                        new_c.append(f * c[u] + i * math.tanh(g))
                        o = sigmoid(o + new_c[u] * p["peepholes"][way, 2, u])
                        new_h.append(o * math.tanh(new_c[u]))
                    h, c = new_h, new_c
                    out.append(h)
                ways.append(out if way == 0 else out[::-1])
            rows = [list(a) + list(b) for a, b in zip(*ways, strict=True)]
        powers = np.exp(np.array(rows) @ state["weight"][member] + state["bias"][member])
        total += powers / powers.sum(axis=1, keepdims=True)
    return (total / network.config.n_networks)[:, 1:].T


@pytest.mark.parametrize("n_frames", [1, 2, 9])
def test_the_network_is_its_definition(n_frames: int) -> None:
    network = small_madmom()
    x = features(2, n_frames)
    beat, downbeat = probabilities(network, x)
    for row in range(2):
        wanted = by_definition(network, x[row].numpy())
        # float32 against float64, of probabilities.
        np.testing.assert_allclose([beat[row], downbeat[row]], wanted, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("madmom") / "model.onnx"
    export_madmom(small_madmom(), path, {"model": "small"})
    return path


@pytest.mark.parametrize("n_frames", [1, 2, 3, 16, 100, 333])
@pytest.mark.parametrize("batch", [1, 3])
def test_one_file_gives_the_networks_probabilities_for_any_frames_and_batch(
    batch: int, n_frames: int, exported: Path
) -> None:
    x = features(batch, n_frames)
    for wanted, got in zip(probabilities(small_madmom(), x), run(exported, x), strict=True):
        assert wanted.shape == got.shape == (batch, n_frames)
        for row in range(batch):
            assert snr_db(wanted[row, None], got[row, None]) > FLOAT32_DB


@pytest.mark.parametrize("changes", [{"n_networks": 1}, {"n_layers": 1}, {"units": 1}])
def test_other_sizes_come_out_alike(changes: dict[str, Any], tmp_path: Path) -> None:
    network = small_madmom(1, **changes)
    export_madmom(network, tmp_path / "model.onnx")
    x = features(2, 20)
    wanted, got = probabilities(network, x), run(tmp_path / "model.onnx", x)
    assert min(snr_db(a, b) for a, b in zip(wanted, got, strict=True)) > FLOAT32_DB


def test_the_size_that_madmom_has_comes_out_alike(tmp_path: Path) -> None:
    config = MadmomConfig()
    network = random_madmom(config)
    export_madmom(network, tmp_path / "model.onnx")
    x = features(2, 150, config.n_features)
    wanted, got = probabilities(network, x), run(tmp_path / "model.onnx", x)
    assert min(snr_db(a, b) for a, b in zip(wanted, got, strict=True)) > FLOAT32_DB


def test_the_file_says_what_it_is(exported: Path) -> None:
    model = onnx.load(exported)
    assert model.opset_import[0].version == OPSET
    assert {prop.key: prop.value for prop in model.metadata_props} == {"model": "small"}

    def axes(values: Any) -> dict[str, list[int | str]]:
        return {
            value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
            for value in values
        }

    assert axes(model.graph.input) == {"features": ["batch", "frames", SMALL.n_features]}
    assert axes(model.graph.output) == {name: ["batch", "frames"] for name in ("beat", "downbeat")}


def test_the_past_and_the_future_both_count() -> None:
    network = small_madmom()
    x = features(1, 40)
    changed = x.clone()
    changed[0, 20] += 1
    before, after = (torch.stack(network(one)) for one in (x, changed))
    moved = (before - after).abs().amax((0, 1))
    assert (moved[[0, 19, 20, 21, 39]] > 0).all()


def test_random_weights_hear_the_music(rng_features: torch.Tensor) -> None:
    for probability in probabilities(random_madmom(MadmomConfig()), rng_features):
        assert 0.01 < probability.mean() < 0.5
        assert probability.std() > 0.01


@pytest.fixture
def rng_features() -> torch.Tensor:
    """Two seconds of quiet frames with a loud one every half second."""
    x = 0.2 * features(1, 200, 314)
    x[0, ::50] += 1
    return x
