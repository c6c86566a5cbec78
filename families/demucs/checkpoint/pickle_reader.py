"""Load a Demucs `.th` as data: every class and function it names is replaced by a stand-in.

A Demucs package names a few classes and fractions besides what any checkpoint has; see
`common/checkpoint/`. A class becomes its own name here, fractions become Python's.
"""

import pickle
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

from ...common import checkpoint

NETWORKS = ("HTDemucs", "HDemucs")
"""The classes whose packages are read."""


@dataclass(frozen=True)
class ClassName:
    """A class that a file names: it can be compared with another, and does nothing."""

    dotted: str

    def __call__(self, *_: object) -> NoReturn:
        """Raise UnpicklingError: packages name classes, they never make objects of them."""
        raise pickle.UnpicklingError(f"GLOBAL {self.dotted} is called")


def load_inert(path: Path) -> object:
    """What a `.th` holds: tensors, containers, numbers, text and ClassNames; nothing in it runs.

    Raises CheckpointError: no such file, empty, cut short, no pickle of torch's, or names in it
    that a Demucs package does not have.
    """
    return checkpoint.load_inert(path, "Demucs package", _NAMES, _network_class)


def _network_class(dotted: str) -> ClassName | None:
    """A network's class in whatever package: forks of demucs keep its names, not its modules."""
    return ClassName(dotted) if dotted.rpartition(".")[2] in NETWORKS else None


def fraction(*parts: object) -> Fraction:
    """`fractions.Fraction` as it pickles itself: "39/5", or since Python 3.11 (39, 5).

    Nothing else: Fraction("1e999999999") would fill the memory.
    """
    match parts:
        case (str() as text,) if re.fullmatch(r"-?[0-9]{1,18}(/[1-9][0-9]{0,17})?", text):
            return Fraction(text)
        case (int() as over, int() as under) if under > 0 and max(abs(over), under) < 1 << 64:
            return Fraction(over, under)
    raise ValueError("no fraction")


_CLASSES = (
    "demucs.htdemucs.HTDemucs",
    "demucs.hdemucs.HDemucs",
    "demucs.demucs.Demucs",
    "diffq.diffq.DiffQuantizer",
)
# What the official packages name, beside what any checkpoint may, and what they get instead.
_NAMES: checkpoint.Names = (
    *((ClassName(name), name) for name in _CLASSES),
    (fraction, "fractions.Fraction"),
)
