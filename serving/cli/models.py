"""`stemline models`: what is known, what is exported, what is trained."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stemline.engines import ModelInfo
from stemline.engines.artifact import DEFAULT_PRECISION
from stemline.errors import ArtifactError
from stemline.export.models import MODELS
from stemline.families import find_family
from stemline.families.family import NetworkInfo, Task
from stemline.families.model_spec import ModelSpec

from ..artifact_folders import artifact_folders
from ..models import Model, artifacts_in, models_of
from .options import FindArtifacts, Json
from .report import print_json, print_table, warn

if TYPE_CHECKING:
    from stemline.evaluation.beat_quality import BeatQuality
    from stemline.evaluation.quality import Quality

_QUALITY = "quality on the synthetic band"


def models(artifacts: FindArtifacts = None, as_json: Json = False) -> None:
    """List the models there are, and what of them is exported."""
    rows: dict[str, dict[str, Any]] = {spec.name: _row_of_spec(spec) for spec in MODELS.values()}
    shown: dict[str, list[str]] = {}
    # Not through a Library: what opens and runs models takes long to import.
    for model in models_of(artifacts_in(artifact_folders(artifacts))):
        info = model.info
        quality = _quality(model)
        row = rows.setdefault(info.model, _row_of_model(model))
        row["artifacts"].append(
            {
                "artifact": model.name,
                "precision": info.precision,
                "trained": info.trained,
                "networks": [artifact.name for artifact in model.artifacts],
                "complete": len(model.artifacts) == len(model.networks),
                "sha256": model.sha256,
                "quality": quality and quality.to_json(),
            }
        )
        if quality is not None:
            from stemline.evaluation.published import cell

            shown.setdefault(info.model, []).append(cell(quality))
    if as_json:
        print_json(list(rows.values()))
        return
    print_table(
        "models",
        ("model", "family", "outputs", "rate", "exported", _QUALITY, "licence"),
        [
            (
                row["model"],
                row["family"],
                ", ".join(row["outputs"]),
                f"{row['sample_rate_hz']} Hz",
                ", ".join(_exported(artifact) for artifact in row["artifacts"]) or "no",
                ", ".join(shown.get(row["model"], [])),
                row["licence"],
            )
            for row in rows.values()
        ],
        n_optional=2,
    )


def _row_of_spec(spec: ModelSpec) -> dict[str, Any]:
    family = find_family(spec.family)
    network = family.describe(spec.config)
    return _row(spec.name, spec.family, family.task, spec.licence, network)


def _row_of_model(model: Model) -> dict[str, Any]:
    info = model.info
    return _row(info.model, info.family, model.task, info.licence, info)


def _row(
    model: str, family: str, task: Task, licence: str, network: NetworkInfo | ModelInfo
) -> dict[str, Any]:
    """A model without its artifacts."""
    beats = network.beats
    stems = list(network.stems) if beats is None else []
    return {
        "model": model,
        "family": family,
        "task": task,
        "outputs": stems if beats is None else _found(beats.labels),
        "stems": stems,
        "input_stems": [] if beats is None else list(beats.stems),
        "sample_rate_hz": network.sample_rate_hz if beats is None else beats.sample_rate_hz,
        "licence": licence,
        "artifacts": [],
    }


def _found(labels: Sequence[str]) -> list[str]:
    """What a beat model outputs; without labels it finds no sections."""
    return ["beats", "sections"] if labels else ["beats"]


def _quality(model: Model) -> "Quality | BeatQuality | None":
    """What is published of these weights, else what the card of a model of one network says.

    A damaged card does not withhold the model.
    """
    if len(model.networks) > 1:
        return None
    # Not imported where nothing is exported: a list should come at once.
    from stemline.evaluation.published import read_published
    from stemline.export.manifest import stored_beat_quality, stored_quality

    info = model.info
    spec = MODELS.get(info.model)
    if spec is not None and spec.bundled is not None and info.precision == DEFAULT_PRECISION:
        published = read_published(spec.bundled)
        if published is not None and published.weights_sha256 == info.weights_sha256:
            return published.quality
    try:
        read = stored_beat_quality if model.task == "beats" else stored_quality
        return read(model.artifacts[0].engine_path.parent.parent)
    except ArtifactError as error:
        warn(str(error))
        return None


def _exported(artifact: dict[str, Any]) -> str:
    notes = [] if artifact["trained"] else ["random weights"]
    if not artifact["complete"]:
        notes.append("networks are missing")
    return str(artifact["precision"]) + (f" ({', '.join(notes)})" if notes else "")
