"""Read the YAML that MSST keeps beside a checkpoint of HTDemucs or HDemucs.

Its `model` is the name of the network, and the section of that name has the arguments of its class;
the stems, the rate, the channels and the segment are under `training`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stemline.errors import ConfigError

from ..common.architecture import other_architecture
from ..common.config_file import read_yaml
from .config import DemucsConfig
from .kwargs import config_from_kwargs

_KLASSES = {"htdemucs": "HTDemucs", "hdemucs": "HDemucs"}
# Arguments of the class under `training`, and MSST's names for them.
_OF_TRAINING = {"samplerate": "samplerate", "audio_channels": "channels", "segment": "segment"}


def read_msst(path: Path) -> DemucsConfig | None:
    """The configuration in a YAML of MSST's; None for the YAML of a bag, or of something else.

    Raises ConfigError that names the file and the key, or the network where it is another one's.
    """
    try:
        values = read_yaml(path)
    except ConfigError:  # what is wrong with it the reader of bags says
        return None
    klass = _KLASSES.get(str(values.get("model")))
    try:
        if klass is not None:
            return _config(values, str(values["model"]), klass)
        name = other_architecture(values)
        if name:
            raise ConfigError(
                f"this is the YAML of {name}, and only those of {' and '.join(_KLASSES.values())} "
                "are read here"
            )
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return None


def _config(values: Mapping[str, Any], section: str, klass: str) -> DemucsConfig:
    training, arguments = (_section(values, key) for key in ("training", section))
    instruments = training.get("instruments")
    if not isinstance(instruments, list | tuple) or not all(
        isinstance(name, str) for name in instruments
    ):
        raise ConfigError("training.instruments must be a list of names")
    kwargs = {
        **{name: training[key] for name, key in _OF_TRAINING.items() if key in training},
        # MSST runs chunks of the training's length alone, for which it makes no difference.
        **{name: value for name, value in arguments.items() if name != "use_train_segment"},
        "sources": [name.lower() for name in instruments],
    }
    if "segment" not in kwargs:
        raise ConfigError("training.segment is missing: the length of a chunk in seconds")
    return config_from_kwargs(klass, kwargs)


def _section(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = values.get(key)
    if not isinstance(section, Mapping):
        raise ConfigError(f"{key}: this section is missing")
    return section
