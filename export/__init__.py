"""Trained weights to verified artifacts; the only folder that needs torch."""

from .config import ConfigError, Mdx23cConfig
from .models import MODELS, ModelSpec, UnknownModelError, find_model

# What is here needs no torch; the rest is imported from its own file, by those that export.
__all__ = [
    "MODELS",
    "ConfigError",
    "Mdx23cConfig",
    "ModelSpec",
    "UnknownModelError",
    "find_model",
]
