"""`stemline models`: what is known, what is exported, what is trained."""

from collections.abc import Sequence
from typing import Any

from stemline.errors import ArtifactError
from stemline.export.manifest import stored_beat_quality, stored_quality
from stemline.export.models import MODELS
from stemline.families import find_family
from stemline.families.model_spec import ModelSpec

from ..library import Library
from ..models import Model
from .options import DEFAULT_ARTIFACTS, Artifacts, Json
from .report import print_json, print_table, warn

_QUALITY = "on the synthetic band: SI-SDR improvement, or F-measure of beats"


def models(artifacts: Artifacts = DEFAULT_ARTIFACTS, as_json: Json = False) -> None:
    """List the models there are, and what of them is exported."""
    rows: dict[str, dict[str, Any]] = {spec.name: _row_of_spec(spec) for spec in MODELS.values()}
    for model in Library(artifacts).models():
        info = model.info
        row = rows.setdefault(info.model, _row_of_offer(model))
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
        ("model", "family", "gives", "rate", "exported", _QUALITY, "licence"),
        [
            (
                row["model"],
                row["family"],
                ", ".join(row["gives"]),
                f"{row['sample_rate_hz']} Hz",
                ", ".join(_exported(artifact) for artifact in row["artifacts"]) or "no",
                ", ".join(filter(None, map(_measured, row["artifacts"]))),
                row["licence"],
            )
            for row in rows.values()
        ],
    )


def _row_of_spec(spec: ModelSpec) -> dict[str, Any]:
    network = find_family(spec.family).describe(spec.config)
    if network.beats is None:
        return _row(
            spec.name, spec.family, network.sample_rate_hz, spec.licence, stems=network.stems
        )
    return _row(
        spec.name,
        spec.family,
        network.beats.sample_rate_hz,
        spec.licence,
        gives=_found(network.beats.labels),
        hears=network.beats.stems,
    )


def _row_of_offer(model: Model) -> dict[str, Any]:
    info = model.info
    if info.beats is None:
        return _row(info.model, info.family, info.sample_rate_hz, info.licence, stems=info.stems)
    return _row(
        info.model,
        info.family,
        info.beats.sample_rate_hz,
        info.licence,
        gives=_found(info.beats.labels),
        hears=info.beats.stems,
    )


def _row(
    model: str,
    family: str,
    sample_rate_hz: int,
    licence: str,
    *,
    stems: Sequence[str] = (),
    gives: Sequence[str] = (),
    hears: Sequence[str] = (),
) -> dict[str, Any]:
    """A model of which nothing is exported yet."""
    return {
        "model": model,
        "family": family,
        "gives": list(gives or stems),
        "stems": list(stems),
        "hears": list(hears),
        "sample_rate_hz": sample_rate_hz,
        "licence": licence,
        "artifacts": [],
    }


def _found(labels: Sequence[str]) -> list[str]:
    """What a beat model gives; without labels it tells no sections."""
    return ["beats", "sections"] if labels else ["beats"]


def _quality(model: Model) -> dict[str, Any] | None:
    """As its card has it, of a model of one network; a damaged card is no reason to withhold it."""
    if len(model.networks) > 1:
        return None
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
            f"{quality['heard']}"
        )
    stems = ", ".join(f"{stem['stem']} {stem['improvement_db']:.1f}" for stem in quality["stems"])
    return f"{quality['mean_improvement_db']:.1f} dB ({stems})"


def _exported(artifact: dict[str, Any]) -> str:
    notes = [] if artifact["trained"] else ["random weights"]
    if not artifact["complete"]:
        notes.append("networks are missing")
    return str(artifact["precision"]) + (f" ({', '.join(notes)})" if notes else "")
