"""The arguments that a checkpoint of `demucs` was made with, to a configuration.

Such a checkpoint names its class and the arguments of its constructor. Every argument of the two
classes built here stands in one of the tables below: it is a field of the configuration, it has no
effect on results, or one value of it is built and any other refused.
"""

import warnings
from collections.abc import Mapping
from fractions import Fraction
from math import isfinite
from typing import Any

from stemline.errors import ConfigError

from .config import Architecture, CrossTransformerConfig, DemucsConfig

_CLASSES: dict[str, Architecture] = {"HTDemucs": "htdemucs", "HDemucs": "hdemucs"}

_FIELDS = {
    "audio_channels": "audio_channels",
    "cac": "cac",
    "channels": "channels",
    "context": "context",
    "context_enc": "context_enc",
    "dconv_comp": "dconv_comp",
    "dconv_depth": "dconv_depth",
    "dconv_mode": "dconv_mode",
    "depth": "depth",
    "emb_scale": "emb_scale",
    "freq_emb": "freq_emb",
    "growth": "growth",
    "kernel_size": "kernel_size",
    "nfft": "n_fft",
    "norm_groups": "norm_groups",
    "norm_starts": "norm_starts",
    "samplerate": "sample_rate_hz",
    "stride": "stride",
    "time_stride": "time_stride",
}
_HDEMUCS_FIELDS = {
    "dconv_attn": "dconv_attn",
    "dconv_lstm": "dconv_lstm",
    "hybrid_old": "hybrid_old",
}
_TRANSFORMER_FIELDS = {
    "bottom_channels": "bottom_channels",
    "t_cross_first": "cross_first",
    "t_gelu": "gelu",
    "t_heads": "heads",
    "t_hidden_scale": "hidden_scale",
    "t_layer_scale": "layer_scale",
    "t_layers": "layers",
    "t_max_period": "max_period",
    "t_norm_in": "norm_in",
    "t_norm_out": "norm_out",
    "t_weight_pos_embed": "position_weight",
}
# What each class takes where a checkpoint says nothing and our default is another.
_DEFAULTS: dict[Architecture, dict[str, Any]] = {
    "htdemucs": {"dconv_mode": 1, "segment": 10},
    "hdemucs": {"dconv_mode": 1, "segment": 40, "depth": 6, "dconv_comp": 4},
}
# They shape how a network starts, how it is trained, or a form that the last table rules out.
_WITHOUT_EFFECT = {
    "dconv_init",
    "emb_smooth",
    "end_iters",
    "multi_freqs_depth",
    "rescale",
}
_TRANSFORMER_WITHOUT_EFFECT = {
    "t_auto_sparsity",
    "t_cape_augment",
    "t_cape_glob_loc_scale",
    "t_cape_mean_normalize",
    "t_dropout",
    "t_global_window",
    "t_lr",
    "t_mask_random_seed",
    "t_mask_type",
    "t_max_positions",
    "t_sparse_attn_window",
    "t_sparsity",
    "t_weight_decay",
}
_BUILT_ONLY_AS: dict[str, Any] = {"channels_time": None, "multi_freqs": None, "rewrite": True}
_HDEMUCS_BUILT_ONLY_AS: dict[str, Any] = {"hybrid": True}
_TRANSFORMER_BUILT_ONLY_AS: dict[str, Any] = {
    "num_subbands": 1,  # MSST's own
    "t_emb": "sin",
    "t_group_norm": False,
    "t_norm_first": True,
    "t_norm_in_group": False,
    "t_sin_random_shift": 0,
    "t_sparse_cross_attn": False,
    "t_sparse_self_attn": False,
    "use_train_segment": True,
}
# Magnitudes get the mixture's phase and no filter; with `cac` these have no effect.
_MAGNITUDES_BUILT_ONLY_AS: dict[str, Any] = {"wiener_iters": 0, "wiener_residual": False}


def config_from_kwargs(klass: str, kwargs: Mapping[str, Any]) -> DemucsConfig:
    """The configuration of a checkpoint of demucs.

    Parameters
    ----------
    klass
        The class that the checkpoint names, such as `HTDemucs` or `demucs.htdemucs.HTDemucs`.
    kwargs
        The arguments of its constructor. One that the class does not know is dropped with a
        warning, as demucs does.

    Raises
    ------
    ConfigError
        The class is another, or an argument has a value that is not built here.
    """
    architecture = _CLASSES.get(klass.rpartition(".")[2])
    if architecture is None:
        raise ConfigError(f"class {klass!r} is not built here; {', '.join(_CLASSES)} are")
    is_ht = architecture == "htdemucs"
    own_fields = _FIELDS if is_ht else _FIELDS | _HDEMUCS_FIELDS
    built_only_as = _BUILT_ONLY_AS | (
        _TRANSFORMER_BUILT_ONLY_AS if is_ht else _HDEMUCS_BUILT_ONLY_AS
    )
    without_effect = _WITHOUT_EFFECT | (_TRANSFORMER_WITHOUT_EFFECT if is_ht else set())
    values = {**_DEFAULTS[architecture], **kwargs}
    if values.get("cac", True):
        without_effect |= set(_MAGNITUDES_BUILT_ONLY_AS)
    else:
        built_only_as |= _MAGNITUDES_BUILT_ONLY_AS
    for key, wanted in built_only_as.items():
        value = values.get(key, wanted)
        # An empty list of bands is as good as none.
        if value != wanted and not (wanted is None and value == []):
            raise ConfigError(f"{key}: only {wanted!r} is built here; got {value!r}")
    transformer = None
    if is_ht:
        transformer = CrossTransformerConfig(**_picked(_TRANSFORMER_FIELDS, values))
    known = {"sources", "segment", *own_fields, *built_only_as, *without_effect}
    known |= set(_TRANSFORMER_FIELDS) if is_ht else set()
    for key in sorted(set(kwargs) - known):
        warnings.warn(f"{klass} has no argument {key}; it is dropped", stacklevel=2)
    return DemucsConfig(
        architecture=architecture,
        stems=_stems(values.get("sources")),
        segment=_seconds(values["segment"]),
        transformer=transformer,
        **_picked(own_fields, values),
    )


def _picked(fields: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    return {field: values[key] for key, field in fields.items() if key in values}


def _stems(sources: object) -> tuple[str, ...]:
    if not isinstance(sources, list | tuple) or not all(isinstance(name, str) for name in sources):
        raise ConfigError(f"sources: must be a list of names; got {sources!r}")
    return tuple(sources)


def _seconds(segment: object) -> Fraction:
    """A length in seconds; a float stands for the decimal that is meant: 7.8 is 39/5."""
    if isinstance(segment, float) and isfinite(segment):
        return Fraction(repr(segment))
    if isinstance(segment, int | Fraction) and not isinstance(segment, bool):
        return Fraction(segment)
    raise ConfigError(f"segment: must be a length in seconds; got {segment!r:.100}")
