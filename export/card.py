"""The card of an artifact: how well it agrees with PyTorch and separates, and how fast it is."""

import os
import platform
from collections import Counter
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from stemline.errors import ParityError
from stemline.evaluation.beat_quality import BeatQuality, beat_quality_from_json
from stemline.evaluation.parity import Parity
from stemline.evaluation.quality import Quality, quality_from_json

from .precisions import Budget

_LATER = ("quality", "quality_skipped", "beat_agreement", "beat_quality")
"""Fields that older cards lack."""
_PACKAGES = ("stemline", "torch", "onnx", "onnxscript", "onnxruntime", "numpy")


@dataclass(frozen=True)
class Card:
    """The measurements of one artifact; `card` in manifest.json."""

    reference: str
    """What it was compared with: `pytorch`, or `golden`, the values that export stored."""
    budget_db: float
    parity: tuple[Parity, ...]
    node_dtypes: dict[str, float]
    """Share of the graph's nodes by the dtype they compute in."""
    weight_dtypes: dict[str, float]
    """Share of the weights' bytes by dtype."""
    size_bytes: int
    seconds: float
    """Seconds of one chunk at batch 1 in ONNX Runtime; the best of the check's runs."""
    reference_seconds: float | None
    """Seconds of the chunk in PyTorch; None when it was not run."""
    machine: dict[str, str | int]
    versions: dict[str, str]
    quality: Quality | None = None
    """Quality on held-out songs; None for random weights, for stems that the songs do not have, and
    where measuring would have taken long."""
    quality_skipped: str = ""
    """Why quality was not measured though it could have been, and the command that does."""
    beat_agreement: float | None = None
    """F-measure of the beats and downbeats found, the lowest of all runs, against those that the
    reference's logits decode to; None for a separator, and where the reference was not run."""
    beat_quality: BeatQuality | None = None
    """Beats' quality on held-out songs; None for a separator and for random weights."""

    @property
    def snr_db(self) -> float:
        """SNR of the worst stem in dB; NaN counts as worst."""
        return min((row.snr_db for row in self.parity), key=lambda db: -np.inf if db != db else db)

    @property
    def latency_ratio(self) -> float | None:
        """PyTorch's seconds over ONNX Runtime's: above 1, the artifact is faster."""
        return None if self.reference_seconds is None else self.reference_seconds / self.seconds

    def check(self, name: str, budget: Budget) -> None:
        """Raise ParityError when a stem, or what is decoded, lies below the budget."""
        for row in self.parity:
            if not row.snr_db >= budget.snr_db:  # also for NaN
                raise ParityError(
                    f"{name}: stem {row.stem!r} of output {row.output!r} agrees with "
                    f"{self.reference} to {row.snr_db:.1f} dB at batch {row.batch}; "
                    f"the budget is {budget.snr_db:.0f} dB"
                )
        if self.beat_agreement is not None and self.beat_agreement < budget.beat_agreement:
            raise ParityError(
                f"{name}: its beats agree with those of {self.reference} to an F-measure of "
                f"{self.beat_agreement:.3f}; the budget is {budget.beat_agreement:g}"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain values; an infinite SNR becomes null: JSON has no infinity."""
        values = asdict(self)
        for row in values["parity"]:
            row["snr_db"] = _finite(row["snr_db"])
        values["snr_db"] = _finite(self.snr_db)
        values["latency_ratio"] = self.latency_ratio
        values["quality"] = None if self.quality is None else self.quality.to_json()
        beats = self.beat_quality
        values["beat_quality"] = None if beats is None else beats.to_json()
        return values


def card_from_json(values: dict[str, Any]) -> Card:
    """A card from a manifest's values. Raises KeyError, TypeError or ValueError when it is none."""
    kept = {name: values[name] for name in Card.__dataclass_fields__ if name not in _LATER}
    rows = [{**row, "snr_db": _infinite(row["snr_db"])} for row in kept["parity"]]
    quality, skipped = values.get("quality"), values.get("quality_skipped", "")
    beats = values.get("beat_quality")
    if not isinstance(skipped, str):
        raise TypeError(f"quality_skipped is text; got {skipped!r}")
    return Card(
        **{**kept, "parity": tuple(Parity(**row) for row in rows)},
        quality=None if quality is None else quality_from_json(quality),
        quality_skipped=skipped,
        beat_agreement=values.get("beat_agreement"),
        beat_quality=None if beats is None else beat_quality_from_json(beats),
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _infinite(value: float | None) -> float:
    return float("inf") if value is None else value


def graph_dtypes(path: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Shares of an ONNX file's nodes and of its weights' bytes, each by dtype.

    A node counts for the dtype of its first output.
    """
    import onnx

    def name_of(dtype: int) -> str:
        return str(onnx.helper.tensor_dtype_to_np_dtype(dtype)) if dtype else "unknown"

    graph = onnx.load(path).graph
    dtype_of = {
        value.name: value.type.tensor_type.elem_type
        for value in (*graph.value_info, *graph.output, *graph.input)
    }
    nodes = Counter(name_of(dtype_of.get(node.output[0], 0)) for node in graph.node)
    weights: Counter[str] = Counter()
    for tensor in graph.initializer:
        weights[name_of(tensor.data_type)] += tensor.ByteSize()
    return _shares(nodes), _shares(weights)


def _shares(counts: Counter[str]) -> dict[str, float]:
    total = sum(counts.values())
    return {name: round(count / total, 6) for name, count in counts.most_common()}


def this_machine() -> dict[str, str | int]:
    """The CPU's model and how many of its threads this process may use."""
    return {"cpu": _cpu_model(), "threads": len(os.sched_getaffinity(0))}


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def package_versions() -> dict[str, str]:
    """The versions that shape an artifact; a package that is absent is left out."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
