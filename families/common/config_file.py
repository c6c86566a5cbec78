"""Read the YAML that trainers keep beside a checkpoint: a configuration in sections, as data."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from stemline.errors import ConfigError

# Such files are a few kilobytes; a checkpoint given by mistake is not read to its end.
_MAX_BYTES = 1 << 20
# Nested aliases and merge keys double what they name, again and again: none of these files has any.
_MAX_ALIASES = 16


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, with Python's tuples and numbers such as 1e-3. No other object."""

    most_aliases = _MAX_ALIASES
    _n_aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            self._n_aliases += 1
            if self._n_aliases > self.most_aliases:
                few = f"there are over {self.most_aliases} aliases"
                raise yaml.YAMLError(few if self.most_aliases else "aliases are not read")
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def _tuple(loader: _Loader, node: yaml.Node) -> tuple[Any, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise yaml.constructor.ConstructorError(
            None, None, "a python/tuple must be a sequence", node.start_mark
        )
    return tuple(loader.construct_sequence(node, deep=True))


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _tuple)
# YAML 1.1 takes 1e-3 for a word, for want of a point; OmegaConf and YAML 1.2 for a number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]{1,20}[eE][-+]?[0-9]{1,3}$"),
    list("-+0123456789"),
)


def read_yaml(path: Path) -> Mapping[str, Any]:
    """The sections of a YAML file. Raises ConfigError that names the file."""
    values = load_yaml(path, "is it the YAML, not the checkpoint?")
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path} is no configuration: it holds no sections")
    return values


def load_yaml(
    path: Path, hint: str, *, most_bytes: int = _MAX_BYTES, most_aliases: int = _MAX_ALIASES
) -> Any:
    """What a YAML file holds, as data. `hint` asks what a file that is too large may be.

    Raises ConfigError that names the file.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > most_bytes:
        raise ConfigError(f"{path} is over {most_bytes} bytes; {hint}")
    try:
        loader = _Loader(data)
        loader.most_aliases = most_aliases
        return loader.get_single_data()
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path} is no YAML that is read here: {reason}") from error
