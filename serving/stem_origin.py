"""Which model made a file of stems: in an extended attribute, and in its tags.

Thus a second model can be written to a folder of its own without a file more in the first one's.
The attribute is there without tags, too; the tags are there where the file system keeps no
attributes, and stay with a file that is copied. With neither the model of a file is not known.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from stemline.tags import MODEL

from .audio_suffixes import AUDIO_SUFFIXES

_ATTRIBUTE = "user.stemline.model"
_CAN_MARK = hasattr(os, "setxattr")


def mark(paths: Iterable[Path], model: str) -> None:
    """Note for these files which model made them, where that can be noted beside them."""
    if not _CAN_MARK:
        return
    for path in paths:
        with suppress(OSError):
            os.setxattr(path, _ATTRIBUTE, model.encode())


def models_in(folder: Path) -> set[str]:
    """The models that made files right in a folder, as far as that was noted."""
    if not folder.is_dir():
        return set()
    return {name for path in folder.iterdir() if path.is_file() and (name := _model_of(path))}


def _model_of(path: Path) -> str:
    if _CAN_MARK:
        with suppress(OSError):
            return os.getxattr(path, _ATTRIBUTE).decode(errors="replace")
    if path.suffix.lower() not in AUDIO_SUFFIXES:
        return ""
    from stemline.preprocessing.tags import read_tags  # 0.1 s, which most folders need not

    return read_tags(path).tags.fields.get(MODEL, ("",))[0]
