"""Run a network: named arrays in, named arrays out; knows tensors, not music."""

from .artifact import Artifact, ModelInfo, StftInfo, list_artifacts, read_artifact
from .base import (
    ArtifactError,
    DeviceError,
    Engine,
    EngineError,
    EngineInputError,
    EngineMemoryError,
    EngineSpec,
    MissingExtraError,
    TensorSpec,
)

__all__ = [
    "Artifact",
    "ArtifactError",
    "DeviceError",
    "Engine",
    "EngineError",
    "EngineInputError",
    "EngineMemoryError",
    "EngineSpec",
    "MissingExtraError",
    "ModelInfo",
    "StftInfo",
    "TensorSpec",
    "list_artifacts",
    "read_artifact",
]
