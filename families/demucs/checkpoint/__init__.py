"""Packages that demucs wrote, safetensors and quantised ones too, read without running anything."""
