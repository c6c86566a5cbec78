"""Export music-audio networks to verified ONNX engines and run or serve them.

    import stemline

    with stemline.load_separator("htdemucs") as separator:
        stems = separator.separate("song.wav")  # or samples (channels, n_samples) and their rate
    stems["vocals"]  # (channels, n_samples) float32, at the rate of the song
    stems.save("separated/song", format="flac")

Public is what `__all__` names, the classes in `stemline.errors`, and what these functions return.
Each is imported when it is first used, so that `import stemline` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .beat_trackers import find_beats, load_beat_tracker
    from .client import Client
    from .errors import StemlineError
    from .separators import load_separator, separate, separate_file

    __version__: str

__all__ = [
    "Client",
    "StemlineError",
    "__version__",
    "errors",
    "find_beats",
    "load_beat_tracker",
    "load_separator",
    "separate",
    "separate_file",
]

_MODULE_OF = {
    "Client": "client",
    "StemlineError": "errors",
    "find_beats": "beat_trackers",
    "load_beat_tracker": "beat_trackers",
    "load_separator": "separators",
    "separate": "separators",
    "separate_file": "separators",
}


def _public(name: str) -> object:
    """The value of a public name. Raises AttributeError for any other."""
    if name == "__version__":
        from importlib.metadata import version

        return version("stemline")
    if name == "errors":
        return import_module("stemline.errors")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'stemline' has no attribute {name!r}")
    return getattr(import_module(f"stemline.{_MODULE_OF[name]}"), name)


if not TYPE_CHECKING:  # a checker that saw it would believe in any attribute

    def __getattr__(name: str) -> object:
        """Import what is public when it is first used, and keep it."""
        globals()[name] = value = _public(name)
        return value


def __dir__() -> list[str]:
    return list(__all__)
