"""`stemline models`: what is known, what is exported, what is trained."""

from typing import Any

from stemline.engines import Artifact, ArtifactError
from stemline.export.models import MODELS

from ..library import Library
from .options import DEFAULT_ARTIFACTS, Artifacts, Json
from .report import print_json, print_table, warn

_IMPROVEMENT = "SI-SDR improvement on the synthetic band"


def models(artifacts: Artifacts = DEFAULT_ARTIFACTS, as_json: Json = False) -> None:
    """List the models there are, and what of them is exported."""
    rows: dict[str, dict[str, Any]] = {
        spec.name: {
            "model": spec.name,
            "family": spec.family,
            "stems": list(spec.stems),
            "sample_rate_hz": spec.config.sample_rate_hz,
            "licence": spec.licence,
            "artifacts": [],
        }
        for spec in MODELS.values()
    }
    for offer in Library(artifacts).offers():
        info = offer.info
        row = rows.setdefault(
            info.model,
            {
                "model": info.model,
                "family": info.family,
                "stems": list(info.stems),
                "sample_rate_hz": info.sample_rate_hz,
                "licence": info.licence,
                "artifacts": [],
            },
        )
        row["artifacts"].append(
            {
                "artifact": offer.name,
                "precision": info.precision,
                "trained": info.trained,
                "networks": [artifact.name for artifact in offer.artifacts],
                "complete": len(offer.artifacts) == len(offer.networks),
                "sha256": offer.sha256,
                "quality": _quality(offer.artifacts[0]) if len(offer.networks) == 1 else None,
            }
        )
    if as_json:
        print_json(list(rows.values()))
        return
    print_table(
        "models",
        ("model", "family", "stems", "rate", "exported", _IMPROVEMENT, "licence"),
        [
            (
                row["model"],
                row["family"],
                ", ".join(row["stems"]),
                f"{row['sample_rate_hz']} Hz",
                ", ".join(_exported(artifact) for artifact in row["artifacts"]) or "no",
                ", ".join(filter(None, map(_improvement, row["artifacts"]))),
                row["licence"],
            )
            for row in rows.values()
        ],
    )


def _quality(artifact: Artifact) -> dict[str, Any] | None:
    """As its card has it; a damaged card is no reason to withhold the artifact."""
    from stemline.export.manifest import stored_quality

    try:
        quality = stored_quality(artifact.engine_path.parent.parent)
    except ArtifactError as error:
        warn(str(error))
        return None
    return None if quality is None else quality.to_json()


def _improvement(artifact: dict[str, Any]) -> str:
    """`12.1 dB (drums 11.0, bass 13.2)`, the mean first."""
    quality = artifact["quality"]
    if quality is None:
        return ""
    stems = ", ".join(f"{stem['stem']} {stem['improvement_db']:.1f}" for stem in quality["stems"])
    return f"{quality['mean_improvement_db']:.1f} dB ({stems})"


def _exported(artifact: dict[str, Any]) -> str:
    notes = [] if artifact["trained"] else ["random weights"]
    if not artifact["complete"]:
        notes.append("networks are missing")
    return str(artifact["precision"]) + (f" ({', '.join(notes)})" if notes else "")
