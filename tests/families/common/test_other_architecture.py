"""YAMLs of other networks are named as such, whichever family they are given to."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from export_helpers import TINY_YAML

from stemline.errors import ConfigError
from stemline.export.export import export_custom
from stemline.families.common.architecture import other_architecture
from stemline.families.common.config_file import read_yaml

ROFORMER = {"dim": 384, "depth": 6, "stereo": True, "num_stems": 1, "dim_head": 64, "heads": 8}
SECTIONS: dict[str, Any] = {
    "audio": {"chunk_size": 352800, "sample_rate": 44100, "num_channels": 2},
    "training": {"instruments": ["vocals", "other"], "target_instrument": "vocals"},
    "inference": {"num_overlap": 4},
}
# Of each, what the `model` of MSST's own configurations has and no other network's.
MODELS: list[tuple[str, dict[str, Any]]] = [
    ("BS-RoFormer", {**ROFORMER, "time_transformer_depth": 1, "freqs_per_bands": [2, 2]}),
    ("MelBand-RoFormer", {**ROFORMER, "time_transformer_depth": 1, "num_bands": 60}),
    ("BS-Conformer", {**ROFORMER, "time_conformer_depth": 1, "freqs_per_bands": [2, 2]}),
    ("MelBand-Conformer", {**ROFORMER, "time_conformer_depth": 1, "num_bands": 60}),
    ("BS-Mamba2", {"sr": 44100, "win": 2048, "feature_dim": 80, "num_repeat_mask": 8}),
    ("SCNet", {"sources": ["vocals"], "dims": [4, 32], "nfft": 4096, "band_SR": [0.1]}),
    ("SCNet", {"dims": [4, 32], "bandsplit_ratios": [0.1], "n_sources": 4}),
    ("Bandit", {"in_channel": 1, "band_specs": "musical", "n_bands": 64, "emb_dim": 128}),
    ("Apollo", {"sr": 44100, "win": 20, "feature_dim": 256, "layer": 6}),
    ("Swin-UPerNet", {"act": "gelu", "num_channels": 16, "num_subbands": 8}),
    ("a segmentation network", {"encoder_name": "x", "decoder_type": "unet"}),
]
_ALSO: dict[str, dict[str, Any]] = {
    "num_repeat_mask": {"num_repeat_map": 4},
    "band_SR": {"band_stride": [1, 4, 16]},
    "bandsplit_ratios": {"downsample_strides": [1, 4, 16]},
}


def whole(model: dict[str, Any]) -> dict[str, Any]:
    return {
        **model,
        **{k: v for key, more in _ALSO.items() if key in model for k, v in more.items()},
    }


@pytest.mark.parametrize("family", ["mdx23c", "demucs"])
@pytest.mark.parametrize(("name", "model"), MODELS, ids=[name for name, _ in MODELS])
def test_another_network_is_named_and_no_key_is(
    name: str, model: dict[str, Any], family: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**SECTIONS, "model": whole(model)}))
    (tmp_path / "x.ckpt").write_bytes(b"weights")
    with pytest.raises(ConfigError) as caught:
        export_custom("mine", family, path, tmp_path / "x.ckpt", root=tmp_path)
    assert f"{path}: this is the YAML of {name}, and only" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"training": {"model_type": "mel_band_roformer"}}, "MelBand-RoFormer"),
        ({"model_type": "scnet_tran", "model": {}}, "SCNet"),
        ({"model": "htdemucs", "htdemucs": {}}, "HTDemucs"),
        ({"cls": "Bandit", "kwargs": {"band_type": "musical"}}, "Bandit v2"),
        ({"model": {1: 2}}, ""),
        ({"model": ["dim"], "training": 3}, ""),
        ({}, ""),
        (yaml.safe_load(TINY_YAML.replace("!!python/tuple", "")), ""),
    ],
)
def test_a_network_is_known_by_what_its_yaml_says(values: dict[str, Any], name: str) -> None:
    assert other_architecture(values) == name


@pytest.mark.parametrize("kind", ["experimental_mdx23c_stht", "of next year"])
def test_a_type_that_is_not_known_is_named_too(kind: str, tmp_path: Path) -> None:
    values = yaml.safe_load(TINY_YAML.replace("!!python/tuple", ""))
    values["training"]["model_type"] = kind
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError, match=f"this is the YAML of '{kind}'"):
        export_custom("mine", "mdx23c", path, "x.ckpt", root=tmp_path)


def test_numbers_without_a_point_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: {b: 1e-3, c: -2E4, d: 1e-3x, e: 955e717e8, f: 955717e8}\n")
    found = read_yaml(path)["a"]
    assert (found["b"], found["c"], found["d"]) == (0.001, -20000.0, "1e-3x")
    assert found["e"] == "955e717e8"
