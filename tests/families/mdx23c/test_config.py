from pathlib import Path
from typing import Any

import pytest
import yaml
from export_helpers import TINY_YAML, tiny_config

from stemline.errors import ConfigError
from stemline.export.models import MODELS
from stemline.families.mdx23c.config import config_from_json
from stemline.families.mdx23c.config_file import config_from_mapping, read_config
from stemline.training.mini.train import CONFIG as MINI_YAML


def parsed() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(TINY_YAML.replace("!!python/tuple", ""))
    return values


def test_a_yaml_with_a_python_tuple_is_read(yaml_file: Path) -> None:
    assert read_config(yaml_file) == tiny_config(default_overlap=8.0)


def test_the_chunk_of_inference_goes_before_that_of_audio() -> None:
    values = parsed()
    values["inference"]["chunk_size"] = 256 * 35
    assert config_from_mapping(values).chunk_samples == 256 * 35


def test_a_target_instrument_is_the_one_stem() -> None:
    values = parsed()
    values["training"]["target_instrument"] = "Vocals"
    assert config_from_mapping(values).stems == ("vocals",)


def test_a_config_survives_json() -> None:
    config = tiny_config(norm=None, act="elu0.5", scale=(2, 4))
    assert config_from_json(config.to_json()) == config


@pytest.mark.parametrize("norm", [None, "None"])
def test_no_norm_may_be_null_or_the_word(norm: str | None) -> None:
    values = parsed()
    values["model"]["norm"] = norm
    assert config_from_mapping(values).norm is None


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system [echo]",
        "!!python/name:os.system",
        "!!python/object/new:tuple [[1]]",
        "!!python/module:os",
    ],
)
def test_a_yaml_that_would_make_other_objects_is_refused(tag: str, tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text(f"audio: {tag}\n")
    with pytest.raises(ConfigError, match="no YAML that is read here"):
        read_config(path)


@pytest.mark.parametrize(
    "text", ["", "just text", "[1, 2]", "a: [", "\x00", "!!python/tuple {a: 1}", "audio: 3"]
)
def test_what_is_no_configuration_is_a_config_error_that_names_the_file(
    text: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"x\.yaml") as caught:
        read_config(path)
    assert "\n" not in str(caught.value)


def doubled(times: int) -> list[Any]:
    """What nested YAML aliases make: a few objects that are 2 ** times long when written out."""
    value: list[Any] = ["x" * 50]
    for _ in range(times):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("audio", "n_fft"),
        ("model", "scale"),
        ("model", "norm"),
        ("model", "act"),
        ("training", "instruments"),
        ("training", "target_instrument"),
    ],
)
def test_what_nested_aliases_make_is_a_short_error(section: str, key: str) -> None:
    values = parsed()
    values[section][key] = doubled(16)  # 3 MB when written out, and not 3 GB where this fails
    with pytest.raises(ConfigError) as caught:
        config_from_mapping(values)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "level", ["[*a{0}, *a{0}]", "{{<<: [*a{0}, *a{0}]}}", "{{? !!python/tuple [*a{0}, *a{0}] : 1}}"]
)
def test_a_yaml_of_many_aliases_is_refused_before_it_is_expanded(
    level: str, tmp_path: Path
) -> None:
    first = "[x]" if level.startswith("[") else "{x: 1}"
    lines = [f"a{i + 1}: &a{i + 1} {level.format(i)}" for i in range(15)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join([f"a0: &a0 {first}", *lines]))
    with pytest.raises(ConfigError, match="over 16 aliases"):
        read_config(path)


def test_a_few_aliases_may_be_used(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        TINY_YAML.replace("chunk_size: 7936", "chunk_size: &chunk 7936").replace(
            "{batch_size: 1,", "{batch_size: 1, chunk_size: *chunk,"
        )
    )
    assert read_config(path) == tiny_config(default_overlap=8.0)


def test_a_missing_file_and_a_checkpoint_given_as_yaml_are_config_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "none.yaml")
    (tmp_path / "big.ckpt").write_bytes(bytes(2 << 20))
    with pytest.raises(ConfigError, match="not the checkpoint"):
        read_config(tmp_path / "big.ckpt")


@pytest.mark.parametrize("value", [True, False])
def test_normalize_takes_the_level_of_the_whole_track(value: bool) -> None:
    values = parsed()
    assert not config_from_mapping(values).track_level
    values["inference"]["normalize"] = value
    assert config_from_mapping(values).track_level == value
    values["inference"]["normalize"] = "yes, please"
    with pytest.raises(ConfigError, match=r"inference\.normalize must be true or false"):
        config_from_mapping(values)


@pytest.mark.parametrize(
    ("section", "key", "value", "named"),
    [
        ("audio", "chunk_size", 7937, "audio.chunk_size"),  # no multiple of the hop
        ("audio", "chunk_size", 256 * 32, "audio.chunk_size"),  # 33 frames
        ("audio", "chunk_size", 256, "audio.chunk_size"),  # too short to reflect
        ("audio", "dim_f", 258, "audio.dim_f"),  # more than n_fft has
        ("audio", "dim_f", 204, "audio.dim_f"),  # 51 bins in a scale of 2
        ("audio", "n_fft", 511, "audio.n_fft"),
        ("audio", "n_fft", "512", "audio.n_fft"),
        ("audio", "hop_length", 512, "audio.hop_length"),  # no overlap: no inverse
        ("audio", "hop_length", None, "audio.hop_length"),
        ("audio", "num_channels", 0, "audio.num_channels"),
        ("audio", "num_channels", 3, "audio.num_channels"),  # no separate could run it
        ("inference", "num_overlap", 100, "inference.num_overlap"),  # nor this
        pytest.param("inference", "num_overlap", 10**400, "inference.num_overlap", id="no float"),
        ("model", "num_subbands", 3, "model.num_subbands"),
        ("model", "num_scales", 10**9, "model.num_scales"),
        ("model", "scale", 2, "model.scale"),
        ("model", "scale", [2, 0], "model.scale"),
        ("model", "growth", -8, "model.growth"),
        ("model", "bottleneck_factor", 64, "model.bottleneck_factor"),
        ("model", "num_channels", True, "model.num_channels"),
        pytest.param(  # more digits than Python prints
            "model", "num_channels", 16**5000, "model.num_channels", id="unprintable"
        ),
        ("model", "norm", "LayerNorm", "model.norm"),
        ("model", "norm", ["InstanceNorm"], "model.norm"),
        ("model", "norm", "GroupNorm", "model.norm"),
        ("model", "norm", "GroupNorm3", "model.norm"),  # does not divide 8
        ("model", "act", "swish", "model.act"),
        ("model", "act", "elu", "model.act"),
        ("model", "act", None, "model.act"),
        ("training", "instruments", [], "training.instruments"),
        ("training", "instruments", "vocals", "training.instruments"),
        ("training", "instruments", ["Vocals", "vocals"], "training.instruments"),
        ("training", "instruments", [None], "training.instruments"),
        ("training", "target_instrument", ["Vocals"], "training.instruments"),
    ],
)
def test_a_number_that_does_not_fit_is_named_by_its_key(
    section: str, key: str, value: object, named: str
) -> None:
    values = parsed()
    values[section][key] = value
    with pytest.raises(ConfigError, match=rf"^{named.replace('.', '[.]')}\b"):
        config_from_mapping(values)


def test_the_yaml_of_mini_is_its_row_of_the_table() -> None:
    assert read_config(MINI_YAML) == MODELS["mini"].config


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("frequency_gain", "high", "model.frequency_gain must be a number"),
        ("frequency_gain", 3.0, "model.frequency_gain: must be 0 to 2"),
        ("frequency_gain", float("nan"), "model.frequency_gain: must be 0 to 2"),
        ("level_norm", 1, "model.level_norm must be true or false"),
        ("mixture_consistency", "yes", "model.mixture_consistency must be true or false"),
    ],
)
def test_what_is_no_value_of_our_own_keys_is_named(key: str, value: object, message: str) -> None:
    values = parsed()
    values["model"][key] = value
    with pytest.raises(ConfigError, match=message):
        config_from_mapping(values)
