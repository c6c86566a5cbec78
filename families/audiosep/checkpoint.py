"""AudioSep's checkpoints: Lightning's file with both networks, or a file of its own for each.

Of the rest in such files, a tower for audio and an optimizer's state, nothing is read: a file is
mapped, and only the tensors that are taken are ever touched.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from stemline.errors import CheckpointError

from ..common.checkpoint import load_strictly, read_checkpoint
from ..family import LoadedNetwork
from ..model_spec import ModelSpec
from .config import AudioSepConfig, SeparatorConfig
from .network import build_audiosep

# A key that the separating network has, and those of the text tower: CLAP's, and transformers'.
_SEPARATOR = "base.pre_conv.weight"
_CLAP = "text_branch.embeddings.word_embeddings.weight"
_TRANSFORMERS = "text_model.embeddings.word_embeddings.weight"
# Constants of Fourier transforms, which are not learnt.
_CONSTANTS = ("base.stft.", "base.istft.")
# What transformers keeps, or kept, as buffers: 0, 1, 2, ... and zeros.
_BUFFERS = ("text_branch.embeddings.position_ids", "text_branch.embeddings.token_type_ids")
_RENAMED = (
    ("text_model.", "text_branch."),
    ("text_projection.linear1.", "text_projection.0."),
    ("text_projection.linear2.", "text_projection.2."),
)
_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin", ".safetensors")


def load(spec: ModelSpec, path: Path) -> LoadedNetwork:
    """One of a model's two networks with the weights in a file. Raises CheckpointError."""
    config: AudioSepConfig = spec.config  # type: ignore[assignment]
    state = read_checkpoint(path)
    if isinstance(config, SeparatorConfig):
        own = separator_state(state, path)
    else:
        own = text_state(state, path)
    del state
    with torch.device("meta"):  # shapes only: the file brings the numbers
        network = build_audiosep(config)
    return LoadedNetwork(network, config, load_strictly(network, own, str(path)))


def separator_state(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The separating network's part of a checkpoint. Raises CheckpointError where it has none."""
    prefix = _prefix(state, _SEPARATOR)
    if prefix is None:
        raise CheckpointError(
            f"{path} holds no network of AudioSep that separates: no key ends in {_SEPARATOR}"
        )
    own = _below(state, prefix, ("base.", "film."))
    return {key: value for key, value in own.items() if not key.startswith(_CONSTANTS)}


def text_state(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The text tower's part of a checkpoint. Raises CheckpointError where it has none."""
    prefix = _prefix(state, _CLAP)
    if prefix is not None:
        own = _below(state, prefix, ("text_branch.", "text_projection."))
    else:
        prefix = _prefix(state, _TRANSFORMERS)
        if prefix is None:
            raise CheckpointError(
                f"{path} holds no encoder of texts: no key ends in {_CLAP}; give the folder that "
                "holds CLAP's checkpoint beside AudioSep's: --weights FOLDER"
            )
        own = _below(state, prefix, ("text_model.", "text_projection."))
        for theirs, ours in _RENAMED:
            own = {
                ours + key.removeprefix(theirs) if key.startswith(theirs) else key: value
                for key, value in own.items()
            }
    return {key: value for key, value in own.items() if key not in _BUFFERS}


def part_file(folder: Path, encodes_text: bool) -> Path:
    """The file in a folder that holds the text tower, or the network that separates.

    Where one file has both and another the text tower alone, the text tower is taken from that.
    Raises CheckpointError where none holds it, or several do.
    """
    separators: list[Path] = []
    encoders: list[Path] = []
    both: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.suffix not in _SUFFIXES:
            continue
        state = read_checkpoint(path)
        separates = _prefix(state, _SEPARATOR) is not None
        encodes = any(_prefix(state, key) is not None for key in (_CLAP, _TRANSFORMERS))
        if separates:
            separators.append(path)
        if encodes:
            (both if separates else encoders).append(path)
    found = (encoders or both) if encodes_text else separators
    what = "an encoder of texts" if encodes_text else "AudioSep's network that separates"
    if len(found) != 1:
        names = ", ".join(path.name for path in found)
        raise CheckpointError(
            f"{folder} must hold one file with {what}; "
            + (f"it holds {names}" if found else f"none of its {', '.join(_SUFFIXES)} files is one")
        )
    return found[0]


def _prefix(state: Mapping[str, Tensor], ending: str) -> str | None:
    """What stands before a network's own key; None where no key ends in it."""
    for key in state:
        if key == ending or key.endswith(f".{ending}"):
            return key.removesuffix(ending)
    return None


def _below(state: Mapping[str, Tensor], prefix: str, parts: tuple[str, ...]) -> dict[str, Tensor]:
    """Those with the prefix that are of these parts, without it."""
    wanted = tuple(prefix + part for part in parts)
    return {
        key.removeprefix(prefix): value for key, value in state.items() if key.startswith(wanted)
    }
