"""HTDemucs and HDemucs as MSST keeps them: weights alone, and a YAML."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from demucs_track_helpers import TINY_HTDEMUCS, write_network
from safetensors.torch import save_file

from stemline.errors import CheckpointError, ConfigError, WeightsError
from stemline.export.export import export_custom
from stemline.export.weights import load_network, random_network, resolve_weights
from stemline.families import find_family
from stemline.families.demucs.config import HDEMUCS, HTDEMUCS, DemucsConfig
from stemline.families.demucs.kwargs import config_from_kwargs
from stemline.families.demucs.msst_file import read_msst
from stemline.families.model_spec import ModelSpec

# MSST's config_musdb18_htdemucs.yaml, without what is about training alone.
HTDEMUCS_YAML = """
audio: {chunk_size: 485100, min_mean_abs: 0.001, hop_length: 1024}
training:
  segment: 11
  samplerate: 44100
  channels: 2
  normalize: true
  instruments: ['drums', 'bass', 'other', 'vocals']
  target_instrument: null
  lr: 9.0e-05
augmentations:
  mixup_probs: !!python/tuple [0.2, 0.02]
inference: {num_overlap: 4, batch_size: 8}
model: htdemucs
htdemucs:
  channels: 48
  channels_time:
  growth: 2
  num_subbands: 1
  nfft: 4096
  wiener_iters: 0
  cac: true
  depth: 4
  rewrite: true
  multi_freqs: []
  multi_freqs_depth: 3
  freq_emb: 2e-1
  emb_smooth: true
  dconv_mode: 3
  dconv_init: 1e-3
  bottom_channels: 512
  t_layers: 5
  t_hidden_scale: 4.0
  t_heads: 8
  t_dropout: 0.0
  t_layer_scale: True
  t_emb: sin
  t_max_period: 10000.0
  t_cape_glob_loc_scale: [5000.0, 1.0, 1.4]
  t_lr:
  t_cross_first: False
  rescale: 0.1
"""
HDEMUCS_YAML = """
training: {segment: 40, samplerate: 44100, channels: 2, instruments: [Kick, snare]}
model: hdemucs
hdemucs: {channels: 48, nfft: 4096, hybrid: True, hybrid_old: False, depth: 6, dconv_mode: 1,
          dconv_comp: 4, dconv_attn: 4, dconv_lstm: 4}
"""


def tiny_yaml(folder: Path, **changes: Any) -> Path:
    """The YAML of TINY_HTDEMUCS."""
    training = {
        "instruments": ["Drums", "Vocals"],
        "samplerate": 44100,
        "channels": 2,
        "segment": 0.1,
    }
    own = {k: v for k, v in TINY_HTDEMUCS.items() if k not in ("sources", "segment")}
    values = {"training": training, "model": "htdemucs", "htdemucs": {**own, "num_subbands": 1}}
    values = {**values, **changes}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def custom(config: Path, weights: Path) -> ModelSpec:
    spec, path = find_family("demucs").custom("mine", config, weights, "unknown")
    assert path == weights
    return spec


def test_mssts_configurations_are_those_of_the_official_networks(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(HTDEMUCS_YAML)
    assert read_msst(path) == replace(HTDEMUCS, segment=Fraction(11))
    path.write_text(HDEMUCS_YAML)
    assert read_msst(path) == replace(HDEMUCS, segment=Fraction(40), stems=("kick", "snare"))


State = dict[str, torch.Tensor]
LAYOUTS: dict[str, Callable[[State], Any]] = {
    "bare": dict,
    "state": lambda state: {"state": state},
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model": lambda state: {"model": state, "optimizer": {"state": {}, "param_groups": []}},
    "model, state_dict": lambda state: {"model": {"state_dict": state}, "epoch": np.int64(3)},
    "full": lambda state: {
        "epoch": 3,
        "best_metric": np.float64(8.5),
        "all_metrics": {"sdr": {"vocals": np.arange(3.0)}},
        "optimizer_state_dict": {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": []},
        "scheduler_state_dict": None,
        "model_state_dict": state,
    },
    "averaged": lambda state: {
        "n_averaged": torch.tensor(5),
        **{f"module.{key}": value for key, value in state.items()},
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("suffix", [".ckpt", ".th"])
def test_weights_alone_are_read_in_every_layout(layout: str, suffix: str, tmp_path: Path) -> None:
    config = config_from_kwargs("HTDemucs", TINY_HTDEMUCS)
    wanted = random_network(config, seed=3).state_dict()
    path = tmp_path / f"model{suffix}"
    torch.save(LAYOUTS[layout](wanted), path)
    spec = custom(tiny_yaml(tmp_path), path)
    assert spec.config == config
    loaded = load_network(spec, resolve_weights(spec, path))
    assert loaded.config == config
    assert bool(loaded.notes) == (layout == "averaged")
    got = loaded.network.state_dict()
    assert got.keys() == wanted.keys()
    assert all(torch.equal(got[key], wanted[key]) for key in wanted)


def test_safetensors_without_a_description_are_weights_alone(tmp_path: Path) -> None:
    config = config_from_kwargs("HTDemucs", TINY_HTDEMUCS)
    wanted = random_network(config, seed=3).state_dict()
    save_file(wanted, tmp_path / "model.safetensors")
    spec = custom(tiny_yaml(tmp_path), tmp_path / "model.safetensors")
    loaded = load_network(spec, resolve_weights(spec, tmp_path / "model.safetensors"))
    assert all(torch.equal(loaded.network.state_dict()[key], wanted[key]) for key in wanted)


def test_a_package_beside_mssts_yaml_describes_itself(tmp_path: Path) -> None:
    network = write_network(tmp_path / "aaaa1111.th", TINY_HTDEMUCS, 1)
    training = {"instruments": ["drums", "vocals"], "segment": 11}
    own = {k: v for k, v in TINY_HTDEMUCS.items() if k not in ("sources", "segment")}
    spec = custom(tiny_yaml(tmp_path, training=training, htdemucs=own), tmp_path / "aaaa1111.th")
    loaded = load_network(spec, resolve_weights(spec, tmp_path / "aaaa1111.th"))
    assert isinstance(loaded.config, DemucsConfig)
    assert loaded.config.segment == Fraction(1, 10)
    state = network.state_dict()
    assert all(torch.equal(loaded.network.state_dict()[key], state[key]) for key in state)


def test_it_is_exported_and_separates(tmp_path: Path) -> None:
    config = config_from_kwargs("HTDemucs", TINY_HTDEMUCS)
    torch.save(
        {"model_state_dict": random_network(config, seed=3).state_dict()}, tmp_path / "a.ckpt"
    )
    (result,) = export_custom(
        "mine", "demucs", tiny_yaml(tmp_path), tmp_path / "a.ckpt", root=tmp_path / "artifacts"
    )
    assert (result.artifact, result.status, result.trained) == ("mine.fp32", "exported", True)
    assert result.card.snr_db > 70


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "demucs", "demucs": {}}, "is no bag of Demucs networks"),
        ({"training": {"segment": 1}}, "training.instruments must be a list of names"),
        ({"training": {"instruments": ["a"]}}, r"training\.segment is missing"),
        ({"training": None}, "training: this section is missing"),
        ({"htdemucs": None}, "htdemucs: this section is missing"),
        ({"htdemucs": {"num_subbands": 4}}, "num_subbands: only 1 is built here"),
        ({"htdemucs": {"t_emb": "cape"}}, "t_emb: only 'sin' is built here"),
    ],
)
def test_what_is_wrong_in_the_yaml_is_named(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = tiny_yaml(tmp_path, **changes)
    with pytest.raises((ConfigError, WeightsError), match=words) as caught:
        custom(path, tmp_path)
    assert str(path) in str(caught.value)


def test_weights_that_do_not_fit_or_have_no_yaml_are_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    config = config_from_kwargs("HTDemucs", {**TINY_HTDEMUCS, "channels": 12})
    torch.save(random_network(config).state_dict(), path)
    spec = custom(tiny_yaml(tmp_path), path)
    with pytest.raises(CheckpointError, match="the configuration wants"):
        load_network(spec, resolve_weights(spec, path))
    with pytest.raises(CheckpointError, match="weights alone need MSST's YAML"):
        find_family("demucs").custom("mine", None, path, "unknown")
    with pytest.raises(WeightsError, match="with MSST's YAML it is one checkpoint"):
        custom(tiny_yaml(tmp_path), tmp_path / "none.ckpt")
