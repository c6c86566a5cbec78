"""A small AudioSep: its configurations, rows, checkpoints and vocabulary."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemline.families.audiosep.config import SeparatorConfig, TextEncoderConfig
from stemline.families.audiosep.models import AUDIOSEP, TEXT_ENCODER
from stemline.families.model_spec import CheckpointFile, ModelSpec

if TYPE_CHECKING:
    from torch import nn

SEPARATOR = SeparatorConfig(
    widths=(4, 4, 8, 8, 12, 12), n_embedding=16, n_fft=256, hop_samples=40, chunk_samples=8000
)
ENCODER = TextEncoderConfig(
    n_tokens=300,
    n_hidden=16,
    n_layers=2,
    n_heads=2,
    n_intermediate=32,
    n_positions=42,
    n_embedding=16,
)
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
# Enough of English that some words are one token and others several; "Ġ" is the space.
MERGES = "d o|do g|Ġ b|Ġb a|Ġba r|Ġbar k|i n|in g|Ġbark ing"


def pairs() -> list[tuple[str, str]]:
    return [(first, second) for first, second in (line.split() for line in MERGES.split("|"))]


def tokens(n_tokens: int = ENCODER.n_tokens) -> list[str]:
    """The small vocabulary in the order of its ids."""
    printed = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    found = [*SPECIAL, *map(chr, printed), *(chr(256 + i) for i in range(68))]
    found += ["".join(pair) for pair in pairs()]
    return [*found, *(f"unused{i}" for i in range(n_tokens - len(found) - 1)), "<mask>"]


def write_vocabulary(folder: Path, n_tokens: int = ENCODER.n_tokens) -> tuple[CheckpointFile, ...]:
    """`vocab.json` and `merges.txt` in a folder, as rows of the table name them."""
    ids = {token: place for place, token in enumerate(tokens(n_tokens))}
    lines = ["#version: 0.2", *(" ".join(pair) for pair in pairs()), ""]
    for name, text in (
        ("vocab.json", json.dumps(ids, ensure_ascii=False)),
        ("merges.txt", "\n".join(lines)),
    ):
        (folder / name).write_text(text, encoding="utf-8")
    return tuple(
        CheckpointFile(
            f"http://127.0.0.1:9/{name}", hashlib.sha256((folder / name).read_bytes()).hexdigest()
        )
        for name in ("vocab.json", "merges.txt")
    )


def small_spec(carried: tuple[CheckpointFile, ...] = (), name: str = "small") -> ModelSpec:
    """A row of the table for the small networks."""
    encoder = replace(
        TEXT_ENCODER, name=name, config=ENCODER, urls=(), other_files=(), carried_files=carried
    )
    return replace(AUDIOSEP, name=name, config=SEPARATOR, urls=(), text_encoder=encoder)


def lightning(separator: "nn.Module", encoder: "nn.Module") -> dict[str, Any]:
    """A checkpoint as Lightning writes it, with all that AudioSep's has besides the networks."""
    import torch

    weights = {
        **constants(),
        **{f"ss_model.{key}": value for key, value in separator.state_dict().items()},
        **{f"query_encoder.model.{key}": value for key, value in encoder.state_dict().items()},
        **towers("query_encoder.model."),
    }
    moments = {"step": torch.tensor(3.0), "exp_avg": torch.zeros(50_000)}
    return {
        "epoch": 7,
        "pytorch-lightning_version": "2.0.0",
        "state_dict": weights,
        "optimizer_states": [{"state": {0: moments}, "param_groups": [{"lr": 1e-3}]}],
    }


def clap(encoder: "nn.Module") -> dict[str, Any]:
    """A checkpoint as CLAP's training writes it."""
    weights = {f"module.{key}": value for key, value in encoder.state_dict().items()}
    return {"epoch": 15, "state_dict": {**weights, **towers("module.")}}


def towers(prefix: str) -> Mapping[str, Any]:
    """What stands beside the text tower in every checkpoint of CLAP."""
    import torch

    return {
        f"{prefix}text_branch.embeddings.position_ids": torch.arange(42)[None],
        f"{prefix}text_branch.embeddings.token_type_ids": torch.zeros(1, 42, dtype=torch.int64),
        f"{prefix}text_transform.sequential.0.weight": torch.ones(3, 3),
        f"{prefix}audio_branch.norm.weight": torch.ones(3),
        f"{prefix}logit_scale_a": torch.tensor(4.6),
    }


def constants() -> Mapping[str, Any]:
    """The Fourier transforms' constants that stand among the separating network's weights."""
    import torch

    return {
        "ss_model.base.stft.conv_real.weight": torch.ones(129, 1, 256),
        "ss_model.base.istft.ola_window": torch.ones(256),
    }
