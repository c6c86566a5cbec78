"""Checkpoints of MDX23C in the layouts that training loops leave."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stemline.errors import CheckpointError
from stemline.export.weights import load_network, random_network, resolve_weights
from stemline.families import find_family
from stemline.families.mdx23c.config import Mdx23cConfig

YAML = """
audio: {chunk_size: 3968, dim_f: 256, dim_t: 32, hop_length: 128, n_fft: 512, num_channels: 2,
  sample_rate: 44100}
model: {act: gelu, bottleneck_factor: 2, growth: 4, norm: InstanceNorm, num_blocks_per_scale: 1,
  num_channels: 4, num_scales: 2, num_subbands: 4, scale: [2, 2]}
training: {instruments: [Vocals, Instrumental], target_instrument: null}
inference: {batch_size: 1, dim_t: 32, num_overlap: 4}
"""
State = dict[str, Any]
FULL = {
    "epoch": np.int64(3),
    "best_metric": np.float64(8.5),
    "optimizer": {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": []},
}
LAYOUTS: dict[str, Callable[[State], State]] = {
    "bare": lambda state: state,
    "state": lambda state: {"state": state},
    "state_dict": lambda state: {**FULL, "state_dict": state},
    "model_state_dict": lambda state: {**FULL, "model_state_dict": state},
    "model": lambda state: {**FULL, "model": state},
    "model, state_dict": lambda state: {**FULL, "model": {"state_dict": state}},
    "model of a module": lambda state: {
        **FULL,
        "model": {f"module.{key}": value for key, value in state.items()},
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_are_read_in_every_layout(layout: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(YAML)
    spec, _ = find_family("mdx23c").custom("own", tmp_path / "own.yaml", "random", "")
    assert isinstance(spec.config, Mdx23cConfig)
    wanted = random_network(spec.config, seed=3).state_dict()
    path = tmp_path / "own.ckpt"
    torch.save(LAYOUTS[layout](wanted), path)
    loaded = load_network(spec, resolve_weights(spec, path))
    got = loaded.network.state_dict()
    assert got.keys() == wanted.keys()
    assert all(torch.equal(got[key], wanted[key]) for key in wanted)
    assert bool(loaded.notes) == ("module" in layout)


def test_a_checkpoint_without_weights_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(YAML)
    spec, _ = find_family("mdx23c").custom("own", tmp_path / "own.yaml", "random", "")
    torch.save({**FULL, "model": {}}, tmp_path / "own.ckpt")
    with pytest.raises(CheckpointError, match="holds no state dict, but a dict"):
        load_network(spec, resolve_weights(spec, tmp_path / "own.ckpt"))
