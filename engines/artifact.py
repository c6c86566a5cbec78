"""Read what export wrote of a model, from a manifest or from a single `.onnx` file."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from stemline.errors import ArtifactError

from .beat_info import BeatInfo
from .text_info import TextInfo
from .typed_json import from_json

_log = logging.getLogger(__name__)

SCHEMA_VERSION = 2
METADATA_PREFIX = "stemline."
MANIFEST = "manifest.json"
_MOST_NAME_CHARS = 100
_MOST_MANIFEST_BYTES = 16 << 20  # a card of a bag with every stem of every song has some 10⁵
DEFAULT_PRECISION = "fp32"
"""The precision that is meant where a model is named without one."""


@dataclass(frozen=True)
class StftInfo:
    """The short-time Fourier transform a network was trained on."""

    n_fft: int
    hop_samples: int
    n_bins: int
    """Bins kept, from 0 upward; the rest are zero in the inverse."""
    complex_as_channels: bool = True
    """Whether the network sees real and imaginary parts; else magnitudes alone."""
    zero_ends: bool = False
    """Whether the signal is zero beyond its ends, where others are mirrored."""


@dataclass(frozen=True)
class MemberInfo:
    """The place of one network in a bag: a model whose stems are a mean over several networks."""

    signature: str
    """What this network is called among its bag's."""
    signatures: tuple[str, ...]
    """The signatures of all networks of the bag, in order."""
    weights: tuple[tuple[float, ...], ...]
    """(n_networks, n_stems) for the whole bag: stem s = Σ w[m][s]·y_m[s] / Σ w[m][s]."""

    @property
    def index(self) -> int:
        """Its place among the bag's networks."""
        return self.signatures.index(self.signature)


@dataclass(frozen=True)
class ModelInfo:
    """All that a run needs to know of an artifact; it is stored in the ONNX file too."""

    model: str
    family: str
    precision: str
    stems: tuple[str, ...]
    """In the order of the network's output; empty for one that finds beats or encodes texts."""
    sample_rate_hz: int
    channels: int
    chunk_samples: int
    default_overlap: float
    """N of 2 or more: hop = chunk // N. Below 1: hop = chunk × (1 − fraction)."""
    stft: StftInfo | None
    trained: bool
    """False for seeded random weights: such an artifact shows speed and shapes, not music."""
    weights_sha256: str
    """Digest of the checkpoint file, or `random:SEED`."""
    licence: str
    exporter: str
    """Package and version that wrote the artifact."""
    graph_optimization: str = "extended"
    """ONNX Runtime's level that measured fastest for this network: basic, extended or all."""
    memory_arena: bool = False
    """Whether ONNX Runtime keeps a CPU's memory between operators and runs, where that measured
    faster and no larger for this network."""
    dynamic_length: bool = False
    """Whether the network takes chunks of any length, `chunk_samples` being the usual one."""
    track_level: bool = False
    """Whether a track's mean and deviation are taken out before its chunks are made, and put back
    into the stems, where the network's family does not do it anyway."""
    member: MemberInfo | None = None
    """Its place in the bag that has the model's name; None for a network that is no part of one."""
    beats: BeatInfo | None = None
    """What finding beats needs besides; None for a network that separates."""
    text: TextInfo | None = None
    """What separating by a text needs besides; None for a model that is asked for stems by name."""

    @property
    def task(self) -> Literal["separate", "beats"]:
        """What the model does."""
        return "separate" if self.beats is None else "beats"

    @property
    def artifact_stem(self) -> str:
        """The artifact's name without its precision: `htdemucs`, `htdemucs_ft-04573f0d`."""
        return artifact_stem(self.model, self.member, self.encodes_text)

    @property
    def encodes_text(self) -> bool:
        """Whether it is the network of a model that encodes texts, and separates nothing."""
        return self.text is not None and self.text.is_encoder

    def to_metadata(self) -> dict[str, str]:
        """The `metadata_props` of the ONNX file: one `stemline.<field>` a field, JSON values."""
        values = asdict(self)
        return {METADATA_PREFIX + name: json.dumps(value) for name, value in values.items()}

    def to_json(self) -> dict[str, Any]:
        """The object under `model` in manifest.json."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


def artifact_stem(model: str, member: MemberInfo | None, encodes_text: bool) -> str:
    """The name of an artifact without its precision, from what its network is of its model."""
    if encodes_text:
        return f"{model}-text"
    return f"{model}-{member.signature}" if member else model


def info_from_json(values: Mapping[str, Any], source: str) -> ModelInfo:
    """The info of a model from JSON values; `source` names the file in an error.

    Fields that a later stemline added are ignored. Raises ArtifactError that names the first field
    missing or of a wrong kind.
    """
    if "any_length" in values:  # a name of version 0.1
        raise ArtifactError(f"{source} was written by an older stemline; export it again")
    try:
        if values.get("beats") is not None:
            family = values.get("family")
            values = {**values, "beats": {**values["beats"], "family": family}}
        info = from_json(ModelInfo, values)
        _check_numbers(info)
        if info.member is not None:
            _check_member(info.member, len(info.stems))
    except (TypeError, ValueError) as error:
        raise ArtifactError(f"{source}: {error}; export it again") from error
    return info


def _check_numbers(info: ModelInfo) -> None:
    """Raise ValueError for numbers that no network has, and for a model without a name."""
    positive = {
        name: getattr(info, name) for name in ("sample_rate_hz", "channels", "chunk_samples")
    }
    if info.stft is not None:
        positive |= {
            f"stft.{name}": getattr(info.stft, name) for name in ("n_fft", "hop_samples", "n_bins")
        }
    if info.task == "separate" and not info.encodes_text:
        positive["default_overlap"] = info.default_overlap
    if info.text is not None:
        positive |= {"text.n_embedding": info.text.n_embedding}
        if info.text.is_encoder:
            positive |= {"text.most_tokens": info.text.most_tokens}
    for name, value in positive.items():
        if value <= 0:
            raise ValueError(f"{name} must be above 0; got {value}")
    for name in ("model", "family", "precision"):
        _check_name(name, getattr(info, name))
    for stem in info.stems:
        _check_name("a stem", stem)


def _check_name(what: str, name: str) -> None:
    """Raise ValueError for a name that nobody can read, or that no file can have."""
    if not name or len(name) > _MOST_NAME_CHARS or not name.isprintable():
        raise ValueError(f"{what} cannot be called {name[:_MOST_NAME_CHARS]!r}")


def _check_member(member: MemberInfo, n_stems: int) -> None:
    """Raise ValueError for a place that no bag has."""
    rows = member.weights
    fits = len(rows) == len(member.signatures) and all(len(row) == n_stems for row in rows)
    if not fits or member.signature not in member.signatures:
        raise ValueError("its place in its bag is none")


def info_from_metadata(metadata: Mapping[str, str], source: str) -> ModelInfo:
    """The info of a model from an ONNX file's `metadata_props`.

    Raises ArtifactError when the file was not written by stemline's export.
    """
    ours = {
        key.removeprefix(METADATA_PREFIX): value
        for key, value in metadata.items()
        if key.startswith(METADATA_PREFIX)
    }
    if not ours:
        raise ArtifactError(
            f"{source} carries no stemline metadata: it was not written by `stemline export`"
        )
    try:
        values = {name: json.loads(value) for name, value in ours.items()}
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{source}: damaged metadata ({error})") from error
    return info_from_json(values, source)


@dataclass(frozen=True)
class Artifact:
    """One exported engine on disk."""

    name: str
    """Its folder's name, `mdx23c.fp32`; a lone file's stem."""
    engine_path: Path
    """The file a runtime opens."""
    info: ModelInfo
    sha256: str
    """Digest of the engine file as export recorded it; empty for a lone file."""


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest in a folder that export wrote, as plain JSON.

    Raises ArtifactError when it is missing, damaged or of another schema.
    """
    path = folder / MANIFEST
    try:
        if path.exists() and not path.is_file():  # a pipe that nobody writes, a device without end
            raise ArtifactError(f"{path} is no file; export it again")
        with path.open("rb") as file:
            text = file.read(_MOST_MANIFEST_BYTES + 1)
        if len(text) > _MOST_MANIFEST_BYTES:
            raise ArtifactError(f"{path} is damaged: over {_MOST_MANIFEST_BYTES} bytes long")
        manifest = json.loads(text)
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder} is no artifact: it has no {MANIFEST}") from error
    except (OSError, ValueError, RecursionError) as error:  # not there, not text, not JSON, endless
        raise ArtifactError(f"{path} cannot be read: {error}") from error
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if version != SCHEMA_VERSION:
        raise ArtifactError(
            f"{path} has schema version {version!r}, this stemline reads {SCHEMA_VERSION}; "
            "export it again"
        )
    found: dict[str, Any] = manifest
    return found


def read_artifact(folder: Path) -> Artifact:
    """The artifact in a folder that export wrote.

    Raises ArtifactError when the manifest is missing, damaged or of another schema.
    """
    path, manifest = folder / MANIFEST, read_manifest(folder)
    try:
        engine = _engine_in(manifest)
        artifact = Artifact(
            name=folder.name,
            engine_path=folder / engine,
            info=info_from_json(manifest["model"], str(path)),
            sha256=str(manifest["files"][engine]["sha256"]),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is damaged ({error!r:.200}); export it again") from error
    if not artifact.engine_path.is_file():
        raise ArtifactError(f"{artifact.engine_path} is missing; export it again")
    return artifact


def _engine_in(manifest: Mapping[str, Any]) -> str:
    """The engine's path below its folder. Raises KeyError, or TypeError for what is none."""
    engine = manifest["engine"]
    if (
        not isinstance(engine, str)
        or not engine
        or "\0" in engine
        or len(engine) > _MOST_NAME_CHARS
    ):
        raise TypeError("its engine is no path")
    path = PurePosixPath(engine)
    if path == PurePosixPath() or path.is_absolute() or ".." in path.parts:
        raise TypeError("its engine is not in its folder")
    return engine


def list_artifacts(root: Path) -> list[Artifact]:
    """Every artifact below `root`, by name.

    Folders without a manifest are skipped; so are damaged artifacts, with a warning, since one of
    them is no reason to withhold the others.
    """
    if not root.is_dir():
        return []
    artifacts = []
    for path in sorted(root.glob(f"*/{MANIFEST}")):
        try:
            artifacts.append(read_artifact(path.parent))
        except ArtifactError as error:
            _log.warning("%s", error)
    return artifacts
