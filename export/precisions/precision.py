"""What a precision is: how a graph is rewritten for it, and what the result has to hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stemline.families.family import Task

Rewrite = Callable[[Path], None]
"""Rewrite the float32 graph in a file, in place. Raises OnnxExportError or OSError."""


@dataclass(frozen=True)
class Budget:
    """How far an artifact may differ from PyTorch in float32."""

    snr_db: float
    """Least SNR of the worst part of the outputs."""
    beat_agreement: float = 0.0
    """Least F-measure of the beats found, against those that the reference's outputs decode to."""


@dataclass(frozen=True)
class Precision:
    """One precision of artifacts."""

    name: str
    """The name in `--variants` and at the end of artifacts' names."""
    budgets: Mapping[Task, Budget]
    """Budgets by task: logits of beats are judged more strictly than samples of stems."""
    rewrite: Rewrite | None = None
    """How the float32 graph is rewritten; None where it stays as it was exported."""
