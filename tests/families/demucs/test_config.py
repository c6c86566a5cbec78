import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from demucs_network_helpers import SMALL_HDEMUCS, SMALL_HTDEMUCS, small_hdemucs, small_htdemucs

from stemline.errors import ConfigError
from stemline.families.demucs.config import (
    HDEMUCS,
    HTDEMUCS,
    HTDEMUCS_6S,
    DemucsConfig,
    demucs_config_from_json,
)
from stemline.families.demucs.kwargs import config_from_kwargs

# What the package of htdemucs holds, but for its stems (NETWORKS §2.4).
OFFICIAL_HTDEMUCS: dict[str, Any] = {
    "sources": ["drums", "bass", "other", "vocals"],
    "audio_channels": 2,
    "samplerate": 44100,
    "segment": Fraction(39, 5),
    "channels": 48,
    "channels_time": None,
    "growth": 2,
    "nfft": 4096,
    "wiener_iters": 0,
    "end_iters": 0,
    "wiener_residual": False,
    "cac": True,
    "depth": 4,
    "rewrite": True,
    "multi_freqs": [],
    "multi_freqs_depth": 3,
    "freq_emb": 0.2,
    "emb_scale": 10,
    "emb_smooth": True,
    "kernel_size": 8,
    "stride": 4,
    "time_stride": 2,
    "context": 1,
    "context_enc": 0,
    "norm_starts": 4,
    "norm_groups": 4,
    "dconv_mode": 3,
    "dconv_depth": 2,
    "dconv_comp": 8,
    "dconv_init": 1e-3,
    "bottom_channels": 512,
    "t_layers": 5,
    "t_hidden_scale": 4,
    "t_heads": 8,
    "t_dropout": 0.02,
    "t_layer_scale": True,
    "t_gelu": True,
    "t_emb": "sin",
    "t_max_positions": 10000,
    "t_max_period": 10000,
    "t_weight_pos_embed": 1,
    "t_cape_mean_normalize": True,
    "t_cape_augment": True,
    "t_cape_glob_loc_scale": [5000.0, 1.0, 1.4],
    "t_sin_random_shift": 0,
    "t_norm_in": True,
    "t_norm_in_group": False,
    "t_group_norm": False,
    "t_norm_first": True,
    "t_norm_out": True,
    "t_weight_decay": 0.0,
    "t_lr": None,
    "t_sparse_self_attn": False,
    "t_sparse_cross_attn": False,
    "t_mask_type": "diag",
    "t_mask_random_seed": 42,
    "t_sparse_attn_window": 400,
    "t_global_window": 100,
    "t_sparsity": 0.95,
    "t_auto_sparsity": False,
    "t_cross_first": False,
    "rescale": 0.1,
}


@pytest.mark.filterwarnings("error")
def test_the_arguments_of_the_official_packages_give_the_official_configurations() -> None:
    assert config_from_kwargs("demucs.htdemucs.HTDemucs", OFFICIAL_HTDEMUCS) == HTDEMUCS
    six = {**OFFICIAL_HTDEMUCS, "sources": list(HTDEMUCS_6S.stems), "bottom_channels": 0}
    assert config_from_kwargs("HTDemucs", six) == HTDEMUCS_6S
    # What the package leaves out is as the class has it; its bag's segment comes from outside.
    hdemucs = config_from_kwargs("HDemucs", {"sources": list(HDEMUCS.stems)})
    assert hdemucs.segment == 40
    assert replace(hdemucs, segment=Fraction(44)) == HDEMUCS


def test_the_official_shapes() -> None:
    assert HTDEMUCS.inputs == {"waveform": (2, 343_980), "spectrogram": (4, 2048, 336)}
    assert HTDEMUCS.outputs == {"waveforms": (4, 2, 343_980), "spectrograms": (4, 4, 2048, 336)}
    assert HTDEMUCS_6S.outputs["waveforms"] == (6, 2, 343_980)
    assert HTDEMUCS.transformer_width == 512
    assert HTDEMUCS_6S.transformer_width == 384
    assert HDEMUCS.inputs == {"waveform": (2, 1_940_400), "spectrogram": (4, 2048, 1895)}
    magnitudes = replace(HDEMUCS, cac=False)
    assert magnitudes.inputs["spectrogram"] == (2, 2048, 1895)
    assert magnitudes.outputs["spectrograms"] == (4, 2, 2048, 1895)


@pytest.mark.parametrize("segment", [Fraction(39, 5), 7.8])
def test_a_segment_is_exact_however_it_is_written(segment: object) -> None:
    config = config_from_kwargs("HTDemucs", {**OFFICIAL_HTDEMUCS, "segment": segment})
    assert config.chunk_samples == 343_980


@pytest.mark.parametrize(
    "config", [HTDEMUCS, HTDEMUCS_6S, replace(HDEMUCS, cac=False, hybrid_old=True)]
)
def test_a_configuration_comes_back_from_json(config: DemucsConfig) -> None:
    assert demucs_config_from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    "change",
    [{"colour": 1}, {"segment": "x"}, {"segment": "1/0"}, {"stems": 3}, {"transformer": {"a": 1}}],
    ids=str,
)
def test_a_manifest_that_is_not_ours_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        demucs_config_from_json({**HTDEMUCS.to_json(), **change})


def test_an_argument_the_class_does_not_know_is_dropped_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="no argument colour"):
        config = config_from_kwargs("HDemucs", {**SMALL_HDEMUCS, "colour": "red"})
    assert config == small_hdemucs()
    with pytest.warns(UserWarning, match="no argument hybrid_old"):
        assert not config_from_kwargs("HTDemucs", {**SMALL_HTDEMUCS, "hybrid_old": True}).hybrid_old


@pytest.mark.parametrize(
    "change",
    [
        {"t_emb": "cape"},
        {"t_norm_first": False},
        {"t_norm_in_group": True},
        {"t_group_norm": True},
        {"t_sparse_self_attn": True},
        {"t_sparse_cross_attn": True},
        {"t_sin_random_shift": 4},
        {"multi_freqs": [0.25]},
        {"channels_time": 24},
        {"rewrite": False},
        {"use_train_segment": False},
        {"cac": False, "wiener_iters": 1},
        {"cac": False, "wiener_residual": True},
        {"segment": 0},
        {"segment": "1/0"},
        {"segment": "1e999999999"},  # a number of a billion digits
        {"segment": float("nan")},
        {"segment": None},
        {"sources": []},
        {"sources": ["a", "a"]},
        {"sources": "ab"},
        {"audio_channels": 6},
        {"channels": 0},
        {"channels": 8.0},
        {"channels": "8"},
        {"cac": 1},
        {"growth": 0.5},
        {"depth": 4},  # 4 bins for the last layer: none would be left
        {"nfft": 500},
        {"kernel_size": 6},
        {"stride": 3, "kernel_size": 6},
        {"norm_starts": 1, "norm_groups": 3},
        {"dconv_comp": 16},
        {"t_heads": 5},
        {"t_layers": 0},
    ],
    ids=str,
)
def test_an_argument_that_is_not_built_or_does_not_fit_is_named(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        small_htdemucs(**change)
    assert any(str(caught.value).startswith(key) for key in change)


@pytest.mark.parametrize(
    "change",
    [
        {"hybrid": False},
        {"depth": 2},
        {"nfft": 512},
        {"stride": 2, "kernel_size": 4},
        {"dconv_comp": 64},
        {"norm_groups": 5},
    ],
    ids=str,
)
def test_the_same_of_hdemucs(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        small_hdemucs(**change)


def test_filters_that_a_complex_network_never_reaches_are_no_obstacle() -> None:
    assert small_hdemucs(wiener_iters=1, end_iters=1) == small_hdemucs()


def test_another_class_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'demucs\.demucs\.Demucs' is not built here; HTDem"):
        config_from_kwargs("demucs.demucs.Demucs", {"sources": ["a"]})
