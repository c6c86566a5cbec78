"""Folds converted for MLX, back in the form of their authors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from allin1_helpers import small_allin1

from stemline.bench.studies.real.folds import converted_folds, write_fold
from stemline.families.allin1.checkpoint.fold import read_fold


def test_a_converted_fold_is_the_authors_again(tmp_path: Path) -> None:
    network = small_allin1()
    arrays = {name: value.numpy() for name, value in network.state_dict().items()}
    for name, value in arrays.items():
        if name.startswith("embeddings.conv") and value.ndim == 4:  # MLX has channels last
            arrays[name] = value.transpose(0, 2, 3, 1)
    np.savez(tmp_path / "fold3.npz", **arrays)
    (tmp_path / "fold3.yaml").write_text(
        "model: allin1\ndepth: 3\ndim_embed: 8\nmlp_ratio: 2\nbest_threshold_downbeat: 0.22\n"
    )
    fold = read_fold(write_fold(tmp_path, 3, tmp_path))
    assert fold.path.name == "fold3.pth"
    assert fold.config.best_threshold_downbeat == 0.22
    for name, value in network.state_dict().items():
        assert torch.equal(fold.state[name], value), name


def test_the_variable_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMLINE_FOLDS", str(tmp_path))
    assert converted_folds() == tmp_path
