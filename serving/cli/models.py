"""`stemline models`: what is known, what is exported, what is trained."""

from collections.abc import Sequence
from typing import Any

from stemline.engines import ModelInfo
from stemline.errors import ArtifactError
from stemline.export.models import MODELS
from stemline.families import find_family
from stemline.families.family import NetworkInfo, Task
from stemline.families.model_spec import ModelSpec

from ..artifact_folders import artifact_folders
from ..models import Model, artifacts_in, models_of
from .options import FindArtifacts, Json
from .report import print_json, print_table, warn

_QUALITY = "on the synthetic band: SI-SDR improvement, or F-measure of beats"


def models(artifacts: FindArtifacts = None, as_json: Json = False) -> None:
    """List the models there are, and what of them is exported."""
    rows: dict[str, dict[str, Any]] = {spec.name: _row_of_spec(spec) for spec in MODELS.values()}
    # Not through a Library: what opens and runs models takes long to import.
    for model in models_of(artifacts_in(artifact_folders(artifacts))):
        info = model.info
        row = rows.setdefault(info.model, _row_of_model(model))
        row["artifacts"].append(
            {
                "artifact": model.name,
                "precision": info.precision,
                "trained": info.trained,
                "networks": [artifact.name for artifact in model.artifacts],
                "complete": len(model.artifacts) == len(model.networks),
                "sha256": model.sha256,
                "quality": _quality(model),
            }
        )
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
                ", ".join(filter(None, map(_measured, row["artifacts"]))),
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


def _quality(model: Model) -> dict[str, Any] | None:
    """What the card of a model of one network says; a damaged card does not withhold the model."""
    if len(model.networks) > 1:
        return None
    # Not imported where nothing is exported: a list should come at once.
    from stemline.export.manifest import stored_beat_quality, stored_quality

    folder = model.artifacts[0].engine_path.parent.parent
    try:
        read = stored_beat_quality if model.task == "beats" else stored_quality
        quality = read(folder)
    except ArtifactError as error:
        warn(str(error))
        return None
    return None if quality is None else quality.to_json()


def _measured(artifact: dict[str, Any]) -> str:
    """`12.1 dB (drums 11.0, bass 13.2)`, the mean first; `beats 0.9, downbeats 0.8 in mixtures`."""
    quality = artifact["quality"]
    if quality is None:
        return ""
    if "beat" in quality:
        return (
            f"beats {quality['beat']:.2f}, downbeats {quality['downbeat']:.2f} in "
            f"{quality['inputs']}"
        )
    stems = ", ".join(f"{stem['stem']} {stem['improvement_db']:.1f}" for stem in quality["stems"])
    return f"{quality['mean_improvement_db']:.1f} dB ({stems})"


def _exported(artifact: dict[str, Any]) -> str:
    notes = [] if artifact["trained"] else ["random weights"]
    if not artifact["complete"]:
        notes.append("networks are missing")
    return str(artifact["precision"]) + (f" ({', '.join(notes)})" if notes else "")
