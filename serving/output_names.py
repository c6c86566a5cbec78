"""Names of inputs as parts of the paths of outputs."""

from pathlib import Path


def track_name(path: Path) -> str:
    """An input's file name without its suffix, as a name that stays in the folder it is put in.

    Of a name such as `...wav`, whose stem would be the folder above, it is the whole name.
    """
    return path.name if path.stem in ("", ".", "..") else path.stem
