"""Checkpoints of any family: read as data, freed of training tools' wrapping, loaded strictly."""

from .bounds import FileTensors
from .inert_pickle import Names, first_bytes, load_inert
from .state_dict import load_strictly, read_checkpoint, read_file, state_dict_in

__all__ = [
    "FileTensors",
    "Names",
    "first_bytes",
    "load_inert",
    "load_strictly",
    "read_checkpoint",
    "read_file",
    "state_dict_in",
]
