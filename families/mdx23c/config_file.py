"""Read the YAML that UVR and MSST keep beside a checkpoint."""

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stemline.errors import ConfigError

from ..common.architecture import other_architecture
from ..common.config_file import read_yaml
from .config import DEFAULT_OVERLAP, Mdx23cConfig

_MAX_BITS = 64
_TYPE = "mdx23c"  # MSST's name of the type, where a file has it


def read_config(path: Path) -> Mdx23cConfig:
    """The configuration in a YAML file. Raises ConfigError that names the file and the key."""
    values = read_yaml(path)
    try:
        return config_from_mapping(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def config_from_mapping(values: Mapping[str, Any]) -> Mdx23cConfig:
    """The configuration in a UVR/MSST YAML document, once parsed.

    As MSST reads it: chunk = `inference.chunk_size` if there, else `audio.chunk_size`;
    `training.target_instrument`, where set, is the one stem. Raises ConfigError.
    """
    _check_architecture(values)
    audio, model, training = (_section(values, key) for key in ("audio", "model", "training"))
    inference = values.get("inference") or {}
    if not isinstance(inference, Mapping):
        raise ConfigError("inference: must be a mapping")
    chunk = ("inference.chunk_size", inference) if "chunk_size" in inference else None
    chunk_key, chunk_section = chunk or ("audio.chunk_size", audio)
    norm = model.get("norm")
    return Mdx23cConfig(
        stems=_stems(training),
        n_fft=_integer(audio, "audio.n_fft"),
        hop_samples=_integer(audio, "audio.hop_length"),
        n_bins=_integer(audio, "audio.dim_f"),
        chunk_samples=_integer(chunk_section, chunk_key),
        sample_rate_hz=_integer(audio, "audio.sample_rate", 44100),
        audio_channels=_integer(audio, "audio.num_channels", 2),
        default_overlap=_overlap(inference),
        track_level=_flag(inference, "inference.normalize"),
        norm=None if norm in (None, "None", "none") else _word(model, "model.norm", ""),
        act=_word(model, "model.act", "gelu"),
        num_scales=_integer(model, "model.num_scales"),
        scale=_pair(model, "model.scale"),
        num_blocks_per_scale=_integer(model, "model.num_blocks_per_scale"),
        num_channels=_integer(model, "model.num_channels"),
        growth=_integer(model, "model.growth"),
        bottleneck_factor=_integer(model, "model.bottleneck_factor"),
        num_subbands=_integer(model, "model.num_subbands"),
        frequency_gain=_number(model, "model.frequency_gain", 0.0),
        level_norm=_flag(model, "model.level_norm"),
        mixture_consistency=_flag(model, "model.mixture_consistency"),
    )


def _check_architecture(values: Mapping[str, Any]) -> None:
    training = values.get("training")
    kind = training.get("model_type", _TYPE) if isinstance(training, Mapping) else _TYPE
    name = other_architecture(values) or (_shown(kind) if kind != _TYPE else "")
    if name:
        raise ConfigError(f"this is the YAML of {name}, and only that of MDX23C is read here")


def _overlap(inference: Mapping[str, Any]) -> float:
    n_overlap = inference.get("num_overlap")
    # 1 would put chunks end to end, and every seam would be audible.
    if isinstance(n_overlap, int) and n_overlap >= 2:
        return float(_integer(inference, "inference.num_overlap"))
    return DEFAULT_OVERLAP


def _section(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = values.get(key)
    if not isinstance(section, Mapping):
        raise ConfigError(f"{key}: this section is missing; is this the YAML of an MDX23C model?")
    return section


def _integer(section: Mapping[str, Any], key: str, default: int | None = None) -> int:
    name = key.partition(".")[2]
    value = section.get(name, default)
    if value is None:
        raise ConfigError(f"{key} is missing")
    if not _is_integer(value):
        raise ConfigError(f"{key} must be a whole number; got {_shown(value)}")
    return int(value)


def _number(section: Mapping[str, Any], key: str, default: float) -> float:
    value = section.get(key.partition(".")[2], default)
    if not isinstance(value, float) and not _is_integer(value):
        raise ConfigError(f"{key} must be a number; got {_shown(value)}")
    return float(value)


def _flag(section: Mapping[str, Any], key: str) -> bool:
    value = section.get(key.partition(".")[2], False)
    if not isinstance(value, bool):
        raise ConfigError(f"{key} must be true or false; got {_shown(value)}")
    return value


def _is_integer(value: object) -> bool:
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return value.bit_length() <= _MAX_BITS


def _pair(section: Mapping[str, Any], key: str) -> tuple[int, int]:
    value = section.get(key.partition(".")[2])
    pair = list(value) if isinstance(value, list | tuple) else []
    if len(pair) != 2 or not all(map(_is_integer, pair)):
        raise ConfigError(f"{key} must be two whole numbers, [2, 2]; got {_shown(value)}")
    return (pair[0], pair[1])


def _stems(training: Mapping[str, Any]) -> tuple[str, ...]:
    target = training.get("target_instrument")
    names = [target] if target else training.get("instruments")
    if not isinstance(names, list | tuple):
        raise ConfigError(f"training.instruments must be a list of names; got {_shown(names)}")
    return tuple(_stem(name) for name in names)


def _stem(name: object) -> str:
    if not isinstance(name, str):
        raise ConfigError(f"training.instruments: a name must be text; got {_shown(name)}")
    return name.lower()


def _word(section: Mapping[str, Any], key: str, default: str) -> str:
    value = section.get(key.partition(".")[2], default)
    if not isinstance(value, str):
        raise ConfigError(f"{key} must be a word; got {_shown(value)}")
    return value


_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2


def _shown(value: object) -> str:
    """A value for an error, short however long or deep it is."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # an integer of more digits than Python prints
        return f"a {type(value).__name__} too long to print"
