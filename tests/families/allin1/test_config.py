import json
from typing import Any

import pytest

from stemline.errors import ConfigError
from stemline.families.allin1.config import (
    LABELS,
    STEMS,
    AllInOneConfig,
    allin1_config_from_json,
    bins_left,
    config_from_fold,
)

# Of a published fold's config, what concerns its network, and some of what does not.
FOLD: dict[str, Any] = {
    "model": "allin1",
    "data": {"name": "harmonix", "num_instruments": 4, "num_labels": 10, "demixed": True},
    "sample_rate": 44100,
    "window_size": 2048,
    "num_bands": 12,
    "hop_size": 441,
    "fps": 100,
    "fmin": 30,
    "fmax": 17000,
    "lr": 0.005,
    "segment_size": 300,
    "best_threshold_beat": 0.25,
    "best_threshold_downbeat": 0.21,
    "instrument_attention": True,
    "double_attention": True,
    "depth": 11,
    "dilation_factor": 2,
    "dilation_max": 3200,
    "num_heads": 2,
    "kernel_size": 5,
    "dim_input": 81,
    "dim_embed": 24,
    "mlp_ratio": 4.0,
    "qkv_bias": True,
    "drop_conv": 0.2,
    "act_conv": "elu",
    "act_transformer": "gelu",
    "layer_norm_eps": 1e-5,
    "bpm_min": 55,
    "bpm_max": 240,
    "min_hops_per_beat": 24,
}


def test_a_folds_config_is_the_default_with_its_thresholds() -> None:
    config = config_from_fold(FOLD)
    assert config == AllInOneConfig(best_threshold_beat=0.25, best_threshold_downbeat=0.21)
    assert (config.stems, config.labels) == (STEMS, LABELS)
    assert config.frame_rate_hz == 100


def test_sizes_are_read_from_it() -> None:
    config = config_from_fold({**FOLD, "depth": 4, "dim_embed": 36, "num_heads": 3})
    assert (config.depth, config.dim_embed, config.head_size) == (4, 36, 12)
    assert config_from_fold({**FOLD, "dilation_max": 100}).dilations[-3:] == (100, 100, 100)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "tcn"}, "model: 'tcn' is a network of other convolutions"),
        ({"fps": 50}, "fps: must be 100"),
        ({"min_hops_per_beat": 12}, "min_hops_per_beat: must be 24"),
        ({"act_conv": "relu"}, "act_conv"),
        ({"double_attention": False}, "double_attention"),
        ({"instrument_attention": False}, "instrument_attention"),
        ({"hop_size": 512}, "hop_size: must be 441"),
        ({"data": {"num_labels": 7}}, "data.num_labels: must be 10"),
        ({"data": None}, "data: is a NoneType"),
        ({"num_heads": 5}, "num_heads: must divide dim_embed 24; got 5"),
        ({"dim_embed": 25, "num_heads": 5}, "dim_embed: must be even"),
        ({"kernel_size": 4}, "kernel_size: must be odd"),
        ({"depth": 0}, "depth: must be 1 to 24"),
        ({"depth": True}, "depth"),
        ({"depth": 1 << 40}, "depth"),
        ({"qkv_bias": 1}, "qkv_bias"),
        ({"dim_input": 108}, "dim_input: must leave one bin"),
        ({"layer_norm_eps": "1e-5"}, "layer_norm_eps"),
        ({"best_threshold_downbeat": 2.0}, "best_threshold_downbeat"),
    ],
)
def test_what_does_not_fit_is_named_in_the_folds_words(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config_from_fold({**FOLD, **changes})


@pytest.mark.parametrize("name", ["allin1", "allinone", "a name of my own", None])
def test_a_name_that_only_describes_the_network_is_not_checked(name: str | None) -> None:
    assert config_from_fold({**FOLD, "model": name}) == config_from_fold(FOLD)


@pytest.mark.parametrize(
    "changes", [{"bpm_min": 300}, {"bpm_max": None}, {"best_threshold_beat": "0.25"}]
)
def test_what_only_describes_is_left_out_where_it_is_odd(changes: dict[str, Any]) -> None:
    usual = AllInOneConfig(best_threshold_downbeat=0.21)
    assert config_from_fold({**FOLD, **changes}) == usual


def test_more_stems_than_the_kernel_are_refused() -> None:
    with pytest.raises(ConfigError, match="at most 5"):
        AllInOneConfig(stems=tuple("abcdef"))
    with pytest.raises(ConfigError, match="twice: a, a"):
        AllInOneConfig(stems=("a", "a"))


@pytest.mark.parametrize(
    ("n_bins", "left"), [(1, 0), (81, 1), (80, 1), (79, 0), (106, 1), (107, 2)]
)
def test_bins_left_are_what_the_convolutions_leave(n_bins: int, left: int) -> None:
    assert bins_left(n_bins) == left


def test_json_gives_the_same_configuration_back() -> None:
    config = config_from_fold({**FOLD, "depth": 5})
    assert allin1_config_from_json(json.loads(json.dumps(config.to_json()))) == config
    with pytest.raises(ConfigError, match="no configuration"):
        allin1_config_from_json({**config.to_json(), "depths": 3})
