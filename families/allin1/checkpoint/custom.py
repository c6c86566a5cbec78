"""All-In-One networks that are not in the table: one fold, or a folder of several."""

from dataclasses import replace
from pathlib import Path

from stemline.errors import ConfigError, WeightsError

from ...model_spec import ModelSpec
from .fold import fold_files, read_fold


def custom_allin1(
    name: str, config_path: Path | None, weights: str | Path, licence: str
) -> tuple[ModelSpec, Path]:
    """A model made of folds at hand, and where they are: a file, or a folder of several.

    Raises ConfigError, CheckpointError, or WeightsError where there is no such file or folder.
    """
    if config_path is not None:
        raise ConfigError("--config is not for --family allin1: a fold has its own configuration")
    path = Path(weights)
    if not path.exists():
        raise WeightsError(
            f"--weights {weights}: no such file; All-In-One networks of your own are a .pth or "
            ".safetensors file, or the folder of several whose logits are averaged"
        )
    files = fold_files(path) if path.is_dir() else [path]
    folds = tuple(
        ModelSpec(
            name=name,
            family="allin1",
            title=name,
            config=read_fold(file).config,
            urls=(),
            sha256=None,
            size_bytes=None,
            licence=licence,
            memory_arena=True,
            fold=index,
        )
        for index, file in enumerate(files)
    )
    return (replace(folds[0], folds=folds) if path.is_dir() else folds[0]), path
