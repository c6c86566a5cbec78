"""The manifest that export writes beside a graph: configuration, weights, card, digests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from stemline.engines import ModelInfo
from stemline.engines.artifact import MANIFEST, SCHEMA_VERSION, read_manifest
from stemline.errors import ArtifactError, ConfigError
from stemline.evaluation.beat_quality import BeatQuality, beat_quality_from_json
from stemline.evaluation.quality import Quality, quality_from_json
from stemline.families import find_family
from stemline.families.common.digest import file_sha256
from stemline.families.model_spec import NetworkConfig

from .card import Card, card_from_json

GOLDEN = "golden.npz"
_Found = TypeVar("_Found")


def write_manifest(
    folder: Path,
    *,
    engine: str,
    info: ModelInfo,
    config: NetworkConfig,
    weights: dict[str, Any],
    graph: dict[str, int],
    fingerprint: str,
    card: Card,
) -> None:
    """Describe every file now in `folder`; the manifest itself is written last."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "engine": engine,
        "model": info.to_json(),
        "config": config.to_json(),
        "weights": weights,
        "graph": graph,
        "fingerprint": fingerprint,
        "files": {
            path.relative_to(folder).as_posix(): {
                "sha256": file_sha256(path),
                "bytes": path.stat().st_size,
            }
            for path in files
        },
        "card": card.to_json(),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, allow_nan=False) + "\n")


def stored_card(manifest: dict[str, Any], folder: Path) -> Card:
    """The card that export wrote. Raises ArtifactError."""
    try:
        return card_from_json(manifest["card"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{folder}: its manifest holds no card; export it again") from error


def stored_quality(folder: Path) -> Quality | None:
    """How well an artifact separates, as export measured it; None where it did not.

    Raises ArtifactError.
    """
    return _of_card(folder, "quality", quality_from_json)


def stored_beat_quality(folder: Path) -> BeatQuality | None:
    """How well an artifact finds beats, as export measured it; None where it did not.

    Raises ArtifactError.
    """
    return _of_card(folder, "beat_quality", beat_quality_from_json)


def _of_card(folder: Path, name: str, read: Callable[[dict[str, Any]], _Found]) -> _Found | None:
    card = read_manifest(folder).get("card") or {}
    try:
        values = card.get(name)
        return None if values is None else read(values)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{folder}: its card is damaged; export it again") from error


def stored_config(manifest: dict[str, Any], folder: Path) -> NetworkConfig:
    """The configuration that export wrote. Raises ArtifactError."""
    try:
        return find_family(manifest["model"]["family"]).config_from_json(manifest["config"])
    except (KeyError, TypeError, ConfigError) as error:
        raise ArtifactError(f"{folder}: its manifest holds no configuration: {error}") from error


def check_files(manifest: dict[str, Any], folder: Path) -> None:
    """Raise ArtifactError that names the first file that is missing or not what was written."""
    for name, facts in manifest.get("files", {}).items():
        path = folder / name
        if not path.is_file():
            raise ArtifactError(f"{path} is missing; export it again")
        if file_sha256(path) != facts["sha256"]:
            raise ArtifactError(f"{path} is not what export wrote: its SHA-256 differs")
