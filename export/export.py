"""A model to its verified artifacts: the order of things, read this first.

weights -> network -> graph -> card -> folder; nothing is left behind where a step fails.
"""

import hashlib
import importlib.resources
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from stemline.engines import ModelInfo
from stemline.errors import ArtifactError, ConfigError, MissingExtraError, UnknownVariantError

from .card import Card
from .families import (
    ALLIN1,
    DEMUCS,
    FAMILIES,
    MADMOM,
    any_length,
    audio_channels,
    beat_info,
    default_overlap,
    input_specs,
    output_specs,
    separated_stems,
    stft_info,
    traced_lengths,
    usual_samples,
)
from .manifest import GOLDEN, read_manifest, stored_card, write_manifest
from .models import MODELS, ModelSpec
from .staging import staged_folder
from .triton import config_pbtxt
from .verify import against_reference, first_beat_quality, first_quality, new_card

try:
    from stemline.families.allin1.checkpoint.custom import custom_allin1
    from stemline.families.allin1.graph.writer import export_allin1
    from stemline.families.allin1.network.all_in_one import AllInOne, FoldMean
    from stemline.families.demucs.checkpoint.custom import custom_demucs, member_weights
    from stemline.families.madmom.checkpoint.installed import find_madmom
    from stemline.families.madmom.graph import export_madmom
    from stemline.families.madmom.network import MadmomBlstm
    from stemline.families.mdx23c.config_file import read_config

    from .download import cached_checkpoint
    from .reference import torch_engine
    from .torch_to_onnx import OPSET, export_onnx
    from .weights import Loaded, Weights, is_random, load_network, resolve_weights
except ImportError as error:
    raise MissingExtraError(error.name or "torch", "export") from error

VARIANTS = ("fp32",)
ENGINE_FILE = "1/model.onnx"
CUSTOM_LICENCE = "unknown (custom checkpoint)"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
# What of the installed and of our own code decides what is written.
_SHAPING_PACKAGES = ("torch", "onnx", "onnxscript")
_SHAPING_SOURCES = (
    "networks/*.py",
    "families.py",
    "weights.py",
    "checkpoints.py",
    "demucs_*.py",
    "diffq.py",
    "allin1_*.py",
    "madmom_*.py",
    "neighbourhood_onnx.py",
    "onnx.py",
    "onnx_graph.py",
    "triton.py",
    "manifest.py",
    "verify.py",
    "quality.py",
    "beat_quality.py",
    "beat_scores.py",
    "held_out.py",
    "separation.py",
    "si_sdr.py",
)
# What else decides the figures of a card that has its quality: the songs, the way in and out.
_QUALITY_SOURCES = {
    "stemline.band": ("**/*.py",),
    "stemline.preprocessing": (
        "channels.py",
        "chunks.py",
        "demucs.py",
        "level.py",
        "madmom_features.py",
        "mdx23c.py",
        "segments.py",
        "filterbank.py",
        "growing_rows.py",
        "spectrogram.py",
        "stft.py",
        "*.pyx",
        "*_kernel.*",
    ),
    "stemline.postprocessing": (
        "beat_states.py",
        "dbn.py",
        "demucs.py",
        "istft.py",
        "level.py",
        "mdx23c.py",
        "metrical.py",
        "overlap_add.py",
        "sections.py",
        "triangle_add.py",
        "viterbi.py",
        "viterbi_*",
        "*.pyx",
    ),
}

Report = Callable[[str], None]


@dataclass(frozen=True)
class ExportResult:
    """What came of one artifact."""

    artifact: str
    folder: Path
    status: Literal["exported", "unchanged", "kept"]
    """`kept`: its trained weights could not be fetched again, so the older artifact stays."""
    trained: bool
    reason: str
    """Why its weights are random though nobody asked for that, or why it was kept."""
    card: Card
    seconds: float
    """That this export took."""


def export_model(
    spec: ModelSpec,
    variants: Sequence[str] = VARIANTS,
    weights: str | Path = "auto",
    root: Path = Path("artifacts"),
    report: Report = lambda _: None,
) -> list[ExportResult]:
    """Export a model of the table into `root`, one artifact a variant; unchanged ones are kept.

    A bag gives one artifact for each of its networks. `weights` may be a file, for a bag a folder
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
        if variant not in VARIANTS:
            raise UnknownVariantError(
                f"variant {variant!r} is not available yet; there is {', '.join(VARIANTS)}"
            )
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
    variants: Sequence[str] = VARIANTS,
    root: Path = Path("artifacts"),
    report: Report = lambda _: None,
) -> list[ExportResult]:
    """Export a checkpoint that is not in the table; `weights` is its file.

    MDX23C's `config_path` is its YAML, and its `weights` may be `random`. A Demucs package tells
    its own configuration; a bag of them is demucs's YAML of a bag, and `weights` the folder of its
    networks. A fold of All-In-One tells its own too; `weights` may be a folder of several.

    Raises ConfigError, and what `export_model` raises.
    """
    if family not in FAMILIES:
        raise ConfigError(f"--family {family!r} is not known; there is {', '.join(FAMILIES)}")
    if family == MADMOM:
        raise ConfigError("madmom's network is in the table: stemline export madmom-downbeats")
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no name for a model; use a-z, 0-9, '.', '-' and '_'")
    taken = {network.artifact_stem for spec in MODELS.values() for network in spec.networks}
    if name in taken | set(MODELS):
        raise ConfigError(f"{name} is a model of the table; choose another name for your own")
    if family == DEMUCS:
        spec, found = custom_demucs(name, config_path, weights, CUSTOM_LICENCE)
        return export_model(spec, variants, found, root, report)
    if family == ALLIN1:
        spec, found = custom_allin1(name, config_path, weights, CUSTOM_LICENCE)
        return export_model(spec, variants, found, root, report)
    if config_path is None:
        raise ConfigError(f"--family {family} needs the network's YAML: --config FILE")
    spec = ModelSpec(
        name=name,
        family=family,
        title=name,
        config=read_config(config_path),
        urls=(),
        sha256=None,
        size_bytes=None,
        licence=CUSTOM_LICENCE,
    )
    return export_model(spec, variants, weights, root, report)


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
    loaded = load_network(spec, weights)
    config = loaded.config
    info = model_info(replace(spec, config=config), variant, weights.sha256)
    inputs, outputs = input_specs(config), output_specs(config)
    with staged_folder(root, name) as folder:
        engine_path = folder / ENGINE_FILE
        engine_path.parent.mkdir()
        report(f"{name}: writing the graph")
        n_winograd = _write_graph(loaded, engine_path, info.to_metadata())
        report(f"{name}: comparing with PyTorch")
        reference = torch_engine(loaded.network, config, name=name)
        del loaded  # the engine's alone: it is freed when the engine is closed
        measured = against_reference(engine_path, config, reference)
        card = new_card(engine_path, config, variant, measured)
        card.check(name)
        quality, skipped = first_quality(engine_path, info, card.seconds, report)
        beats = first_beat_quality(engine_path, info, report)
        card = replace(card, quality=quality, quality_skipped=skipped, beat_quality=beats)
        measured.golden.save(folder / GOLDEN)
        (folder / "config.pbtxt").write_text(config_pbtxt(name, inputs, outputs))
        write_manifest(
            folder,
            engine=ENGINE_FILE,
            info=info,
            config=config,
            weights=_weights_json(weights),
            graph={"opset": OPSET, "winograd_convolutions": n_winograd},
            fingerprint=fingerprint(spec, variant, weights.sha256, _is_by_songs(card)),
            card=card,
        )


def _write_graph(loaded: Loaded, path: Path, metadata: Mapping[str, str]) -> int:
    """The network's graph; how many of its convolutions are Winograd's."""
    network, config = loaded.network, loaded.config
    if isinstance(network, AllInOne | FoldMean):
        folds = network.networks if isinstance(network, FoldMean) else [network]
        export_allin1(folds, path, metadata)
        return 0
    if isinstance(network, MadmomBlstm):
        export_madmom(network, path, metadata)
        return 0
    return export_onnx(
        network,
        input_specs(config),
        output_specs(config),
        path,
        metadata,
        traced=traced_lengths(config),
    )


def _is_by_songs(card: Card) -> bool:
    """Whether a card has figures that the band's songs decide."""
    return card.quality is not None or card.beat_quality is not None


def model_info(spec: ModelSpec, variant: str, digest: str) -> ModelInfo:
    """The facts that travel with an artifact; `digest` is its weights' SHA-256 or `random:SEED`."""
    config = spec.config
    return ModelInfo(
        model=spec.name,
        family=spec.family,
        precision=variant,
        stems=separated_stems(config),
        sample_rate_hz=config.sample_rate_hz,
        channels=audio_channels(config),
        chunk_samples=usual_samples(config),
        default_overlap=default_overlap(config),
        stft=stft_info(config),
        trained=not is_random(digest),
        weights_sha256=digest,
        licence=spec.licence,
        exporter=f"stemline {version('stemline')}",
        graph_optimization=spec.graph_optimization,
        memory_arena=spec.memory_arena,
        any_length=any_length(config),
        member=spec.member,
        beats=beat_info(config, spec.learned_from),
    )


def fingerprint(spec: ModelSpec, variant: str, digest: str, has_quality: bool) -> str:
    """A digest of all that decides what an artifact holds; the same one, the same artifact.

    The band decides it only where the card has the quality on its songs: a large network, which
    is not measured at export, is not exported again for another tune.
    """
    facts = {
        "info": model_info(spec, variant, digest).to_json(),
        "config": spec.config.to_json(),
        "opset": OPSET,
        "packages": {package: version(package) for package in _SHAPING_PACKAGES},
        "sources": _digest(Path(__file__).parent, _SHAPING_SOURCES),
    }
    if has_quality:
        facts["quality_sources"] = {
            package: _digest(Path(str(importlib.resources.files(package))), patterns)
            for package, patterns in _QUALITY_SOURCES.items()
        }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _digest(folder: Path, patterns: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()


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
        if missing or (spec.family == MADMOM and find_madmom() is None):
            return None
    return resolve_weights(spec, choice)


def _expected_digest(spec: ModelSpec, previous: dict[str, Any] | None) -> str | None:
    """What a download would have, or an installation had.

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
