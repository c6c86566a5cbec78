"""The models of this family that are known by name."""

import json
from dataclasses import replace
from pathlib import Path

from ..model_spec import ModelSpec
from .config import AllInOneConfig, allin1_config_from_json

_WEIGHTS = Path(__file__).parent / "weights"
MINI_BEATS = ModelSpec(
    name="mini-beats",
    family="allin1",
    title="mini-beats, trained on a synthetic band",
    config=allin1_config_from_json(json.loads((_WEIGHTS / "mini_beats.json").read_text())),
    urls=(),
    sha256="bd06bf3afd0c97c0b67a0a959168f0e8de7321c71b4ccd5307567a4f9013be1c",
    size_bytes=185_122,
    licence="MIT (stemline)",
    bundled=_WEIGHTS / "mini_beats.safetensors",
    memory_arena=True,
    trained_on_stems_of="mini",
    default_rank=-1,
)

# The file names of `taejunkim/allinone`, and the one digest that is known.
_FOLDS = tuple("0vra4ys2 3ozjhtsj gmgo0nsy i92b7m8p 1bql5qo0 x4z5zeef x7t226rq qwwskhg6".split())
_FOLD0_SHA256 = "0db596dfb0995f41d62f6267d76a9d54c046f1649bd35e1dbeca0c5f9a7b8acd"
_FOLD0_BYTES = 1_400_571


def _allin1_fold(fold: int, name: str) -> ModelSpec:
    return ModelSpec(
        name=f"allin1-fold{fold}",
        family="allin1",
        title=f"All-In-One, fold {fold}",
        config=AllInOneConfig(),
        urls=(
            f"https://huggingface.co/taejunkim/allinone/resolve/main/harmonix-fold{fold}-{name}.pth",
        ),
        sha256=_FOLD0_SHA256 if fold == 0 else None,
        size_bytes=_FOLD0_BYTES if fold == 0 else None,
        licence="MIT (Taejun Kim)",
        memory_arena=True,
        fold=fold,
        trained_on_stems_of="htdemucs",
    )


ALLIN1_FOLDS = tuple(_allin1_fold(fold, name) for fold, name in enumerate(_FOLDS))
ALLIN1_MEAN = replace(
    ALLIN1_FOLDS[0],
    name="allin1",
    title="All-In-One, the mean of its eight folds",
    urls=(),
    sha256=None,
    size_bytes=None,
    folds=ALLIN1_FOLDS,
    default_rank=1,
)

MODELS = (MINI_BEATS, ALLIN1_MEAN, *ALLIN1_FOLDS)
