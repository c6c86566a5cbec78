"""Read the YAML that UVR and MSST keep beside a checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .config import DEFAULT_OVERLAP, ConfigError, Mdx23cConfig

# Such files are a few kilobytes; a checkpoint given by mistake is not read to its end.
_MAX_BYTES = 1 << 20


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, and Python tuples: DrumSep's `scale` is one. No other object."""


def _tuple(loader: _Loader, node: yaml.Node) -> tuple[Any, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise yaml.constructor.ConstructorError(
            None, None, "a python/tuple must be a sequence", node.start_mark
        )
    return tuple(loader.construct_sequence(node, deep=True))


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _tuple)


def read_config(path: Path) -> Mdx23cConfig:
    """The configuration in a YAML file. Raises ConfigError that names the file and the key."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path} is over {_MAX_BYTES} bytes; is it the YAML, not the checkpoint?")
    try:
        values = yaml.load(data, _Loader)  # noqa: S506 - a SafeLoader with tuples
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path} is no YAML that is read here: {reason}") from error
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path} is no configuration: it holds no sections")
    try:
        return config_from_mapping(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def config_from_mapping(values: Mapping[str, Any]) -> Mdx23cConfig:
    """The configuration in a UVR/MSST YAML document, once parsed.

    As MSST reads it: chunk = `inference.chunk_size` if there, else `audio.chunk_size`;
    `training.target_instrument`, where set, is the one stem. Raises ConfigError.
    """
    audio, model, training = (_section(values, key) for key in ("audio", "model", "training"))
    inference = values.get("inference") or {}
    if not isinstance(inference, Mapping):
        raise ConfigError("inference: must be a mapping")
    if inference.get("normalize"):
        raise ConfigError(
            "inference.normalize: true is not supported yet: it needs the mean and level of the "
            "whole track; only a model trained without it can be exported"
        )
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
        norm=None if norm in (None, "None", "none") else str(norm),
        act=str(model.get("act", "gelu")),
        num_scales=_integer(model, "model.num_scales"),
        scale=_pair(model, "model.scale"),
        num_blocks_per_scale=_integer(model, "model.num_blocks_per_scale"),
        num_channels=_integer(model, "model.num_channels"),
        growth=_integer(model, "model.growth"),
        bottleneck_factor=_integer(model, "model.bottleneck_factor"),
        num_subbands=_integer(model, "model.num_subbands"),
    )


def _overlap(inference: Mapping[str, Any]) -> float:
    n_overlap = inference.get("num_overlap")
    # 1 would put chunks end to end, and every seam would be heard.
    if isinstance(n_overlap, int) and n_overlap >= 2:
        return float(n_overlap)
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
        raise ConfigError(f"{key} must be a whole number; got {value!r}")
    return int(value)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _pair(section: Mapping[str, Any], key: str) -> tuple[int, int]:
    value = section.get(key.partition(".")[2])
    pair = list(value) if isinstance(value, list | tuple) else []
    if len(pair) != 2 or not all(map(_is_integer, pair)):
        raise ConfigError(f"{key} must be two whole numbers, [2, 2]; got {value!r}")
    return (pair[0], pair[1])


def _stems(training: Mapping[str, Any]) -> tuple[str, ...]:
    target = training.get("target_instrument")
    names = [target] if target else training.get("instruments")
    if not isinstance(names, list | tuple):
        raise ConfigError(f"training.instruments must be a list of names; got {names!r}")
    return tuple(str(name).lower() for name in names)
