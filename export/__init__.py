"""Trained weights to verified artifacts; the only folder that needs torch."""

from stemline.errors import ConfigError, UnknownModelError
from stemline.families.model_spec import ModelSpec

from .models import MODELS, find_model

# What is here needs no torch; the rest is imported from its own file, by those that export.
__all__ = [
    "MODELS",
    "ConfigError",
    "ModelSpec",
    "UnknownModelError",
    "find_model",
]
