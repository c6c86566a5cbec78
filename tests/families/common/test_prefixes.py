from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from allin1_helpers import SMALL, small_allin1
from demucs_track_helpers import TINY_HTDEMUCS, write_network
from export_helpers import spec_of, tiny_config
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from stemline.errors import CheckpointError
from stemline.export.models import MODELS
from stemline.export.weights import random_network
from stemline.families import find_family
from stemline.families.common.checkpoint import load_strictly
from stemline.families.common.checkpoint.prefixes import without_prefixes
from stemline.families.demucs.kwargs import config_from_kwargs
from stemline.families.model_spec import ModelSpec

STATE = {"a.weight": torch.zeros(2), "a.bias": torch.ones(1)}
WANTED = STATE.keys()


def prefixed(prefix: str, **others: Tensor) -> dict[str, Tensor]:
    return {**{prefix + key: value for key, value in STATE.items()}, **others}


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.model."]
)
def test_a_prefix_that_every_key_has_is_taken_off_and_named(prefix: str) -> None:
    bare = without_prefixes(prefixed(prefix), WANTED)
    assert bare.tensors == STATE
    assert bare.note == f"every key begins with '{prefix}', which was taken off"


def test_an_averaged_model_is_read_as_the_model() -> None:
    network = nn.Sequential(nn.Linear(2, 1))
    averaged = AveragedModel(network)
    assert "n_averaged" in averaged.state_dict()
    bare = without_prefixes(averaged.state_dict(), network.state_dict().keys())
    assert list(bare.tensors) == list(network.state_dict())
    assert "'module.'" in bare.note


def test_a_prefix_that_one_key_has_not_stays() -> None:
    state = prefixed("model.", **{"loss.scale": torch.ones(1)})
    assert without_prefixes(state, WANTED).tensors == state
    with pytest.raises(CheckpointError, match=r"no key 0\.weight"):
        load_strictly(nn.Sequential(nn.Linear(2, 1)), state, "x.ckpt")


def test_a_prefix_of_the_network_itself_stays() -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = nn.Linear(2, 1)

    state = Wrapped().state_dict()
    assert list(state) == ["model.weight", "model.bias"]
    assert load_strictly(Wrapped(), state, "x.ckpt") == ()
    notes = load_strictly(Wrapped(), {f"module.{k}": v for k, v in state.items()}, "x.ckpt")
    assert notes == ("every key begins with 'module.', which was taken off",)


def test_without_a_prefix_nothing_is_said() -> None:
    assert without_prefixes(STATE, WANTED).note == ""
    assert without_prefixes({}, WANTED).tensors == {}


# Every family that has checkpoints of its own -----------------------------------------------------


def mdx23c(folder: Path) -> tuple[ModelSpec, Path, nn.Module]:
    network = random_network(tiny_config())
    path = folder / "x.ckpt"
    torch.save({"model_state_dict": wrapped(network.state_dict())}, path)
    return spec_of(tiny_config()), path, network


def demucs(folder: Path) -> tuple[ModelSpec, Path, nn.Module]:
    path = folder / "x.th"
    network = write_network(path, TINY_HTDEMUCS, 1, wrap=wrapped)
    config = config_from_kwargs("HTDemucs", TINY_HTDEMUCS)
    return replace(MODELS["htdemucs"], config=config), path, network


def allin1(folder: Path) -> tuple[ModelSpec, Path, nn.Module]:
    path, network = folder / "fold.pth", small_allin1()
    config = {"depth": SMALL.depth, "dim_embed": SMALL.dim_embed, "mlp_ratio": SMALL.mlp_ratio}
    torch.save({"config": config, "state_dict": wrapped(network.state_dict())}, path)
    return MODELS["allin1-fold0"], path, network


def wrapped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state as DataParallel and an average over the training leave it."""
    own = {f"module.module.{key}": value for key, value in state.items()}
    return {"n_averaged": torch.tensor(7), **own}


@pytest.mark.parametrize("write", [mdx23c, demucs, allin1])
def test_every_family_reads_them_and_says_so(
    write: Callable[[Path], tuple[ModelSpec, Path, nn.Module]], tmp_path: Path
) -> None:
    spec, path, wanted = write(tmp_path)
    loaded = find_family(spec.family).load(spec, path)
    assert loaded.notes == ("every key begins with 'module.module.', which was taken off",)
    got = loaded.network.state_dict()
    for key, value in wanted.state_dict().items():
        torch.testing.assert_close(got[key], value, rtol=1e-3, atol=1e-3)  # Demucs: half floats
