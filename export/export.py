"""A model to its verified artifacts: the order of things, read this first.

weights -> network -> graph -> card -> folder; nothing is left behind where a step fails.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from stemline.engines.artifact import DEFAULT_PRECISION, read_manifest
from stemline.errors import ArtifactError, ConfigError, MissingExtraError
from stemline.families import FAMILIES, find_family
from stemline.families.family import GraphTarget
from stemline.families.model_spec import ModelSpec

from .card import Card
from .fingerprint import fingerprint
from .manifest import GOLDEN, stored_card, write_manifest
from .model_info import model_info
from .models import MODELS
from .precisions import find_precision
from .staging import staged_folder
from .triton import config_pbtxt
from .verify import against_reference, first_beat_quality, first_quality, new_card

try:
    from stemline.families.common.graph import OPSET

    from .carried import carried_files
    from .download import cached_checkpoint
    from .reference import torch_engine
    from .torch_to_onnx import trace
    from .weights import Weights, load_network, member_weights, resolve_weights
except ImportError as error:
    raise MissingExtraError(error.name or "torch", "export") from error

ENGINE_FILE = "1/model.onnx"
CUSTOM_LICENCE = "unknown (custom checkpoint)"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")

Report = Callable[[str], None]


@dataclass(frozen=True)
class ExportResult:
    """The outcome of exporting one artifact."""

    artifact: str
    folder: Path
    status: Literal["exported", "unchanged", "kept"]
    """Whether it was written; `kept`: its trained weights could not be fetched again, so the older
    artifact stays."""
    trained: bool
    reason: str
    """Why its weights are random though nobody asked for that, or why it was kept."""
    card: Card
    seconds: float
    """Seconds that this export took."""


def export_model(
    spec: ModelSpec,
    variants: Sequence[str] = (DEFAULT_PRECISION,),
    weights: str | Path = "auto",
    root: Path = Path("artifacts"),
    report: Report = lambda _: None,
) -> list[ExportResult]:
    """Export a model of the table into `root`, one artifact a variant; unchanged ones are kept.

    A bag makes one artifact for each of its networks. `weights` may be a file, for a bag a folder
    of its networks' files.

    Raises
    ------
    UnknownVariantError, WeightsError
        No such variant; no such weights.
    DownloadError, IntegrityError, CacheError, CheckpointError
        The checkpoint cannot be had, is not the right file, or does not fit.
    ParityError, OnnxExportError
        The graph does not agree with PyTorch, or is not what an artifact must be.
    ArtifactWriteError
        `root` cannot be written.
    """
    for variant in variants:
        find_precision(variant)
    return [
        _export_variant(network, variant, member_weights(spec, network, weights), root, report)
        for variant in variants
        for network in spec.networks
    ]


def export_custom(
    name: str,
    family: str,
    config_path: Path | None,
    weights: str | Path,
    variants: Sequence[str] = (DEFAULT_PRECISION,),
    root: Path = Path("artifacts"),
    report: Report = lambda _: None,
) -> list[ExportResult]:
    """Export a checkpoint that is not in the table; `weights` is its file.

    What `config_path` and `weights` may be is the family's: see `Family.custom`.

    Raises ConfigError, and what `export_model` raises.
    """
    if family not in FAMILIES:
        raise ConfigError(f"--family {family!r} is not known; there is {', '.join(FAMILIES)}")
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no name for a model; use a-z, 0-9, '.', '-' and '_'")
    taken = {network.artifact_stem for spec in MODELS.values() for network in spec.networks}
    if name in taken | set(MODELS):
        raise ConfigError(f"{name} is a model of the table; choose another name for your own")
    spec, found = find_family(family).custom(name, config_path, weights, CUSTOM_LICENCE)
    return export_model(spec, variants, found, root, report)


def _export_variant(
    spec: ModelSpec, variant: str, choice: str | Path, root: Path, report: Report
) -> ExportResult:
    start = time.monotonic()
    folder = root / f"{spec.artifact_stem}.{variant}"
    previous = _previous(folder)
    weights = _weights_at_hand(spec, choice)
    digest = weights.sha256 if weights else _expected_digest(spec, previous)
    reason = ""
    if not _is_unchanged(previous, spec, variant, digest):
        fetched = weights or resolve_weights(spec, choice, report)
        reason = fetched.reason
        if weights is None and not fetched.trained and previous and previous["model"]["trained"]:
            return _result(folder, previous, "kept", reason, start)
        if not _is_unchanged(previous, spec, variant, fetched.sha256):
            _write(spec, variant, fetched, root, report)
            return _result(folder, read_manifest(folder), "exported", reason, start)
    return _result(folder, read_manifest(folder), "unchanged", reason, start)


def _write(spec: ModelSpec, variant: str, weights: Weights, root: Path, report: Report) -> None:
    name = f"{spec.artifact_stem}.{variant}"
    report(f"{name}: loading the weights ({weights.kind})")
    family, precision = find_family(spec.family), find_precision(variant)
    loaded = load_network(spec, weights)
    for note in loaded.notes:
        report(f"{name}: {note}")
    config = loaded.config
    info = model_info(replace(spec, config=config), variant, weights.sha256)
    tensors = family.tensors(info)
    carried = family.carried(config, carried_files(spec, weights, report))
    with staged_folder(root, name) as folder:
        engine_path = folder / ENGINE_FILE
        engine_path.parent.mkdir()
        report(f"{name}: writing the graph")
        target = GraphTarget(engine_path, tensors, {**info.to_metadata(), **carried})
        graph = family.write_graph(loaded.network, info, target, trace)
        if precision.rewrite is not None:
            precision.rewrite(engine_path)
        report(f"{name}: comparing with PyTorch")
        reference = torch_engine(loaded.network, tensors, name=name)
        del loaded  # the engine's alone: it is freed when the engine is closed
        measured = against_reference(engine_path, info, reference)
        card = new_card(engine_path, info, measured)
        card.check(name, precision.budgets[family.task])
        quality, skipped = first_quality(engine_path, info, card.seconds, report)
        beats = first_beat_quality(engine_path, info, report)
        card = replace(card, quality=quality, quality_skipped=skipped, beat_quality=beats)
        measured.golden.save(folder / GOLDEN)
        (folder / "config.pbtxt").write_text(config_pbtxt(name, tensors.inputs, tensors.outputs))
        write_manifest(
            folder,
            engine=ENGINE_FILE,
            info=info,
            config=config,
            weights=_weights_json(weights),
            graph={"opset": OPSET, **graph},
            fingerprint=fingerprint(spec, variant, weights.sha256, _is_by_songs(card)),
            card=card,
        )


def _is_by_songs(card: Card) -> bool:
    """Whether a card has figures that the band's songs decide."""
    return card.quality is not None or card.beat_quality is not None


def _previous(folder: Path) -> dict[str, Any] | None:
    """The manifest of the artifact already there, if it is whole."""
    try:
        manifest = read_manifest(folder)
        stored_card(manifest, folder)
        for name, facts in manifest["files"].items():
            if (folder / name).stat().st_size != facts["bytes"]:
                return None
    except (ArtifactError, OSError, KeyError):
        return None
    return manifest


def _is_unchanged(
    previous: dict[str, Any] | None, spec: ModelSpec, variant: str, digest: str | None
) -> bool:
    if previous is None or digest is None:
        return False
    card = previous["card"]
    by_songs = any(card.get(name) is not None for name in ("quality", "beat_quality"))
    wanted = fingerprint(spec, variant, digest, by_songs)
    return bool(previous.get("fingerprint") == wanted)


def _weights_at_hand(spec: ModelSpec, choice: str | Path) -> Weights | None:
    """The weights, unless they would have to be downloaded or installed."""
    if choice in ("auto", "official"):
        networks = spec.folds or (spec,)
        missing = any(one.files and cached_checkpoint(one) is None for one in networks)
        if missing or (spec.installed_package and _find_installed(spec) is None):
            return None
    return resolve_weights(spec, choice)


def _find_installed(spec: ModelSpec) -> Path | None:
    return find_family(spec.family).find_installed()


def _expected_digest(spec: ModelSpec, previous: dict[str, Any] | None) -> str | None:
    """The digest that a download would have, or an installation had.

    An artifact made of it is up to date without fetching again.
    """
    stored = (previous or {}).get("weights", {})
    if stored.get("kind") == "installed":
        return str(stored["sha256"])
    if stored.get("kind") != "official" or (spec.sha256 and not spec.other_files):
        return spec.sha256
    return str(stored["sha256"])


def _weights_json(weights: Weights) -> dict[str, Any]:
    # No path: an artifact travels, and whose machine it was made on is nobody's business.
    return {
        "kind": weights.kind,
        "sha256": weights.sha256,
        "trained": weights.trained,
        "reason": weights.reason,
        **({"parts": [part.sha256 for part in weights.parts]} if weights.parts else {}),
    }


def _result(
    folder: Path,
    manifest: dict[str, Any],
    status: Literal["exported", "unchanged", "kept"],
    reason: str,
    start: float,
) -> ExportResult:
    return ExportResult(
        artifact=folder.name,
        folder=folder,
        status=status,
        trained=bool(manifest["model"]["trained"]),
        reason=reason,
        card=stored_card(manifest, folder),
        seconds=time.monotonic() - start,
    )
