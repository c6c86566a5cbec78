"""A training in progress, and the weights it ends with, as files."""

from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from stemline.atomic_files import replaced
from stemline.errors import ResumeError
from stemline.families.mdx23c.config import Mdx23cConfig

from .recipe import Recipe


def save(
    path: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    next_step: int,
    recipe: Recipe,
    config: Mdx23cConfig,
) -> None:
    """Write all that `resume` needs, in one file that is whole or not there."""
    with replaced(path) as temporary:
        torch.save(
            {
                "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": next_step,
                "recipe": asdict(recipe),
                "config": config.to_json(),
            },
            temporary,
        )


def check_resumable(path: Path, recipe: Recipe, config: Mdx23cConfig) -> None:
    """Raise ResumeError when there is a checkpoint that `recipe` would not have come to."""
    if not path.is_file():
        return
    state = torch.load(path, weights_only=True, mmap=True)
    step = state["step"]
    if state["config"] != config.to_json():
        raise ResumeError(f"{path} is of another configuration; choose another --folder")
    if not recipe.same_until(Recipe(**state["recipe"]), step):
        raise ResumeError(
            f"{path} has come to step {step} by another recipe, {state['recipe']}; choose another "
            "--folder"
        )


def resume(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Load a checkpoint -> the step to continue with; 0 where there is no checkpoint."""
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def keep(network: nn.Module, path: Path) -> None:
    """Write the weights as they ship: half precision, safetensors."""
    from safetensors.torch import save_file

    state = {key: value.half().cpu() for key, value in network.state_dict().items()}
    with replaced(path) as temporary:
        save_file(state, temporary)
        temporary.chmod(0o644)
