"""Read a bag of one's own: the YAML that demucs keeps for one, and its networks in a folder."""

import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from stemline.errors import BagError, CheckpointError, ConfigError

from ...common.config_file import load_yaml
from ...common.digest import file_sha256
from ..bags import Bag

_MAX_MEMBERS = 64


def read_bag(path: Path) -> Bag:
    """The bag in a YAML file: `models`, and where they are given `weights` and `segment`.

    Raises ConfigError that names the file and the key.
    """
    # A bag is a few lines, and has no alias.
    values = load_yaml(path, "is it the YAML of a bag?", most_bytes=1 << 16, most_aliases=0)
    if not isinstance(values, Mapping) or "models" not in values:
        raise ConfigError(
            f"{path} is no bag of Demucs networks: it has no `models`, and no `model` as MSST's"
        )
    try:
        return Bag(
            members=_members(values["models"]),
            weights=_weights(values.get("weights")),
            segment_s=_segment(values.get("segment")),
        )
    except BagError as error:
        raise ConfigError(f"{path}: {error}") from error


def find_member(folder: Path, signature: str) -> Path:
    """The file of a network in a folder, by demucs' rule for local models.

    It is SIGNATURE.safetensors, SIGNATURE.th or SIGNATURE-CHECKSUM.th, where CHECKSUM is how the
    file's SHA-256 begins. Raises CheckpointError: none, several, or not the file it was.
    """
    safe = folder / f"{signature}.safetensors"
    if safe.is_file():
        return safe
    found = [path for path in sorted(folder.glob("*.th")) if _signed(path)[0] == signature]
    if not found:
        raise CheckpointError(
            f"{folder} has no network {signature}; put {signature}.th or {safe.name} there"
        )
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise CheckpointError(f"{folder} has network {signature} more than once: {names}")
    checksum = _signed(found[0])[1]
    if not file_sha256(found[0]).startswith(checksum):
        raise CheckpointError(
            f"{found[0]} is not the file it was: its SHA-256 does not begin with {checksum}"
        )
    return found[0]


def _signed(path: Path) -> tuple[str, str]:
    """The signature and the checksum, which may be empty, in the name of a `.th`."""
    signature, _, checksum = path.stem.rpartition("-")
    return (signature, checksum) if signature else (checksum, "")


def _members(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MAX_MEMBERS:
        raise BagError(f"models: must be a list of up to {_MAX_MEMBERS} signatures")
    for name in value:
        if not isinstance(name, str) or not re.fullmatch(r"\w{1,64}", name):
            raise BagError("models: a signature is a word in quotes, such as '955717e8'")
    return tuple(value)


def _weights(value: object) -> tuple[tuple[float, ...], ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        raise BagError("weights: must be a list of rows, one for each model")
    return tuple(tuple(_number(item, "weights") for item in row) for row in value)


def _segment(value: object) -> Fraction | None:
    if value is None:
        return None
    seconds = _number(value, "segment")
    if not 0 < seconds <= 3600:
        raise BagError(f"segment: must be more than 0 and at most 3600 seconds; got {seconds}")
    return Fraction(str(value))  # 7.8 is 39/5, which the float is not


def _number(value: object, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BagError(f"{key}: must be numbers; got a {type(value).__name__}")
    try:
        return float(value)
    except OverflowError:
        raise BagError(f"{key}: a number is too large") from None
