"""Which network a YAML of MSST's or UVR's describes, where it is one that has a name of its own.

The files seldom say it: they differ in what their `model` has. A family that reads such files asks
here first, so that an error names the network and not a key that is missing.
"""

from collections.abc import Mapping, Set
from typing import Any

_BY_TYPE = {
    "apollo": "Apollo",
    "bandit": "Bandit",
    "bandit_v2": "Bandit v2",
    "bs_conformer": "BS-Conformer",
    "bs_mamba2": "BS-Mamba2",
    "bs_roformer": "BS-RoFormer",
    "bs_roformer_experimental": "BS-RoFormer",
    "conformer": "Conformer",
    "hdemucs": "HDemucs",
    "htdemucs": "HTDemucs",
    "mel_band_conformer": "MelBand-Conformer",
    "mel_band_roformer": "MelBand-RoFormer",
    "mel_band_roformer_experimental": "MelBand-RoFormer",
    "moises_light": "Moises-Light",
    "scnet": "SCNet",
    "scnet_masked": "SCNet",
    "scnet_tran": "SCNet",
    "scnet_unofficial": "SCNet",
    "segm_models": "a segmentation network",
    "swin_upernet": "Swin-UPerNet",
    "torchseg": "a segmentation network",
}
"""MSST's names of types of networks, as `--model_type` and `training.model_type` have them."""

# Keys of `model`, all of which a network's YAML has; the first that fits counts.
_BY_KEYS: tuple[tuple[Set[str], str], ...] = (
    ({"freqs_per_bands", "time_transformer_depth"}, "BS-RoFormer"),
    ({"freqs_per_bands", "time_conformer_depth"}, "BS-Conformer"),
    ({"num_bands", "time_transformer_depth"}, "MelBand-RoFormer"),
    ({"num_bands", "time_conformer_depth"}, "MelBand-Conformer"),
    ({"time_module_depth", "freq_module_depth"}, "BS-Mamba2"),
    ({"num_repeat_mask", "num_repeat_map"}, "BS-Mamba2"),
    ({"time_transformer_depth", "dim_head"}, "a RoFormer"),
    ({"band_SR", "band_stride"}, "SCNet"),
    ({"bandsplit_ratios", "downsample_strides"}, "SCNet"),
    ({"band_specs", "emb_dim"}, "Bandit"),
    ({"feature_dim", "layer"}, "Apollo"),
    ({"n_split_enc", "n_split_dec"}, "Moises-Light"),
    ({"freq_bins", "conv_kernel_size"}, "Conformer"),
    ({"encoder_name", "decoder_type"}, "a segmentation network"),
)
_SWIN = {"act", "num_channels", "num_subbands"}


def other_architecture(values: Mapping[str, Any]) -> str:
    """The name of the network in a YAML's sections; empty where it is none of these."""
    training, model = values.get("training"), values.get("model")
    said = [training.get("model_type")] if isinstance(training, Mapping) else []
    for word in (*said, values.get("model_type"), model):
        if isinstance(word, str) and word.lower() in _BY_TYPE:
            return _BY_TYPE[word.lower()]
    if isinstance(values.get("kwargs"), Mapping) and "band_type" in values["kwargs"]:
        return "Bandit v2"
    if not isinstance(model, Mapping):
        return ""
    keys = {key for key in model if isinstance(key, str)}
    if keys == _SWIN:
        return "Swin-UPerNet"
    return next((name for wanted, name in _BY_KEYS if wanted <= keys), "")
