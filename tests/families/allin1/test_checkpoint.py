import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from allin1_helpers import small_allin1, spectrograms
from safetensors.torch import save_file

from stemline.errors import CheckpointError
from stemline.families.allin1.checkpoint.fold import read_fold

SIZES = {"depth": 3, "dim_embed": 8, "mlp_ratio": 2.0}


def fold(**config: Any) -> dict[str, Any]:
    """What a file of allin1's holds."""
    return {
        "config": {**SIZES, "data": {"num_labels": 10}, "best_threshold_downbeat": 0.2, **config},
        "state_dict": small_allin1().state_dict(),
    }


def test_a_fold_gives_back_its_network(tmp_path: Path) -> None:
    torch.save(fold(), tmp_path / "fold.pth")
    found = read_fold(tmp_path / "fold.pth")
    assert found.config.best_threshold_downbeat == 0.2
    x = spectrograms(1, 30)
    with torch.inference_mode():
        for wanted, got in zip(small_allin1()(x), found.network().network(x), strict=True):
            assert torch.equal(wanted, got)


def test_safetensors_with_our_configuration_are_the_same(tmp_path: Path) -> None:
    network, path = small_allin1(), tmp_path / "mini.safetensors"
    save_file(network.state_dict(), path, {"config": json.dumps(network.config.to_json())})
    found = read_fold(path)
    assert found.config == network.config
    assert torch.equal(found.network().network.state_dict()["norm.weight"], network.norm.weight)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.pop("config"), "it has no config"),
        (lambda f: f.pop("state_dict"), "holds no state dict"),
        (lambda f: f["config"].update(model="tcn"), "config: model: 'tcn' is a network of other"),
        (lambda f: f["state_dict"].pop("norm.weight"), "no key norm.weight"),
        (lambda f: f["state_dict"].update(extra=torch.zeros(1)), "unexpected key extra"),
        (lambda f: f["config"].update(depth=2), "unexpected key encoder.layers.2"),
        (lambda f: f["config"].update(dim_embed=16), "embeddings.conv0.weight is"),
    ],
)
def test_what_does_not_fit_is_named(change: Any, words: str, tmp_path: Path) -> None:
    contents = fold()
    change(contents)
    torch.save(contents, tmp_path / "fold.pth")
    with pytest.raises(CheckpointError, match=words):
        read_fold(tmp_path / "fold.pth").network()


@pytest.mark.parametrize(
    ("header", "words"),
    [(None, "no config"), ({"config": "{"}, "no JSON"), ({"config": "3"}, "no object")],
)
def test_safetensors_without_a_configuration_are_refused(
    header: dict[str, str] | None, words: str, tmp_path: Path
) -> None:
    save_file(small_allin1().state_dict(), tmp_path / "a.safetensors", header)
    with pytest.raises(CheckpointError, match=words):
        read_fold(tmp_path / "a.safetensors")


class Opens:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


def test_nothing_in_a_fold_is_run(tmp_path: Path) -> None:
    path = tmp_path / "fold.pth"
    path.write_bytes(pickle.dumps({"config": Opens(tmp_path / "made"), "state_dict": {}}))
    with pytest.raises(CheckpointError, match="refused"):
        read_fold(path)
    assert not (tmp_path / "made").exists()
