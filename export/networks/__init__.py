"""One network a file, written for inference and export."""

from .build import build_network, random_network

__all__ = ["build_network", "random_network"]
