"""Train `mini` from nothing but a seed: `python -m stemline.training.mini.train --help`.

The loss is taken on waveforms, after the inverse STFT: with d the L1 distance of a stem over the
level of its mixture, log(d + 0.05). The logarithm weighs a stem that is nearly right as much as one
that is far off, as decibels do, and the constant keeps silent stems from outweighing all.

Workers share a step: each takes its own examples, the gradients are averaged, and all make the same
update, so that two cores are worth two.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.multiprocessing import get_context
from torch.multiprocessing.spawn import spawn

from stemline.band.compose import compose, excerpt
from stemline.band.dice import Dice
from stemline.band.song import STEMS, perform
from stemline.errors import ResumeError
from stemline.evaluation.si_sdr import si_sdr_improvement_db
from stemline.export.weights import random_network
from stemline.families.mdx23c.config import Mdx23cConfig
from stemline.families.mdx23c.config_file import read_config

from .checkpoint import check_resumable, keep, resume, save
from .recipe import Recipe
from .songs import example, render
from .spectrogram import Spectrogram

CHECKPOINT = "checkpoint.pt"
CONFIG = Path(__file__).parents[2] / "families" / "mdx23c" / "weights" / "mini.yaml"
# Memory is kept rather than freed after every step: a step takes two thirds of the time.
_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "2147483648",
    "MALLOC_TOP_PAD_": "67108864",
    "OPENBLAS_NUM_THREADS": "1",  # the matrices of the songs are small
}
_TRIMMED_SAMPLES = 1024  # at either end of a window, where the STFT's frames are incomplete
_LEAST_LEVEL = 1e-3
_LEAST_DISTANCE = 0.05
_HELD_OUT_SEED = 2_000_000  # not those the card is measured on: training looks at these


def train(
    recipe: Recipe, config: Mdx23cConfig, folder: Path, every: int, device: str = "cpu"
) -> None:
    """Train in `folder`; go on from its checkpoint where there is one.

    Raises ResumeError when that is of another recipe or configuration.
    """
    check_resumable(folder / CHECKPOINT, recipe, config)
    (folder / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1) + "\n")
    with _environment_of_workers(), _ordinary_termination():
        render(folder, recipe.songs, recipe.excerpt_s, recipe.workers)
        n_parameters = sum(p.numel() for p in random_network(config, recipe.seed).parameters())
        gradients = torch.zeros(recipe.workers, n_parameters)
        gradients.share_memory_()  # type: ignore[no-untyped-call]
        barrier = get_context("spawn").Barrier(recipe.workers)
        arguments = (recipe, config, folder, every, device, gradients, barrier)
        spawn(_work, arguments, recipe.workers, daemon=True)  # type: ignore[no-untyped-call]


@contextmanager
def _environment_of_workers() -> Iterator[None]:
    """Workers are new processes and begin with this environment; afterwards it is as it was."""
    missing = {name: value for name, value in _ENVIRONMENT.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            del os.environ[name]


@contextmanager
def _ordinary_termination() -> Iterator[None]:
    """SIGTERM is an ordinary exit meanwhile: workers are daemons and do not outlive this process.

    Only a main thread may say so; in another one signals stay as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _work(
    rank: int,
    recipe: Recipe,
    config: Mdx23cConfig,
    folder: Path,
    every: int,
    device: str,
    gradients: Tensor,
    barrier: Any,
) -> None:
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) >= recipe.workers:
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    songs = render(folder, recipe.songs, recipe.excerpt_s, 1)
    network = random_network(config, recipe.seed).to(device).train()
    optimizer = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, (0.9, 0.98), weight_decay=recipe.weight_decay
    )
    spectrogram, log = Spectrogram(config, device), _Log(folder / "log.jsonl", recipe)
    held_out = held_out_windows(config, recipe.held_out_songs) if rank == 0 else []
    first = resume(folder / CHECKPOINT, network, optimizer)
    mean_loss = 0.0
    for step in range(first, recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate_at(step)
        stems = np.stack(
            [
                example(songs, config.chunk_samples, Dice(recipe.seed, f"{step}.{rank}.{item}"))
                for item in range(recipe.batch)
            ]
        )
        loss = _loss(network, spectrogram, torch.from_numpy(stems).to(device))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        _share(network, gradients, rank, barrier)
        nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
        optimizer.step()
        mean_loss += (float(loss.detach()) - mean_loss) / min(step - first + 1, 200)
        if rank == 0 and ((step + 1) % every == 0 or step + 1 == recipe.steps):
            log.write(step + 1, mean_loss, evaluate(network, spectrogram, held_out))
            save(folder / CHECKPOINT, network, optimizer, step + 1, recipe, config)
    if rank == 0:
        keep(network, folder / "mini.safetensors")


def _loss(network: nn.Module, spectrogram: Spectrogram, stems: Tensor) -> Tensor:
    """Mean over examples and stems of log(mean |estimate − stem| / level of the mixture + 0.05)."""
    mixture = stems.sum(1)
    level = mixture.square().mean((1, 2)).sqrt().clamp_min(_LEAST_LEVEL)
    with torch.autocast(stems.device.type, torch.bfloat16):
        output = network(spectrogram.encode(mixture))
    error = spectrogram.decode(output.float()) - stems
    inner = error[..., _TRIMMED_SAMPLES:-_TRIMMED_SAMPLES].abs()
    distance = inner.mean((2, 3)) / level[:, None]  # (batch, S)
    return (distance + _LEAST_DISTANCE).log().mean()


def _share(network: nn.Module, gradients: Tensor, rank: int, barrier: Any) -> None:
    """Replace each gradient by the mean over the workers, added up in one order by all."""
    parameters = list(network.parameters())
    torch.cat([_gradient(p).reshape(-1) for p in parameters], out=gradients[rank])
    barrier.wait()
    mean = gradients.mean(0).to(parameters[0].device)
    barrier.wait()  # nobody writes the next ones before all have read these
    parts = torch.split(mean, [p.numel() for p in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def held_out_windows(config: Mdx23cConfig, n_songs: int, n_windows: int = 4) -> list[Any]:
    """Windows (n_windows, 4, 2, chunk_samples) of songs nobody trains on, one array a song."""
    length_s = n_windows * config.chunk_samples / config.sample_rate_hz
    found = []
    for seed in range(_HELD_OUT_SEED, _HELD_OUT_SEED + n_songs):
        score = compose(seed)
        song = perform(excerpt(score, score.duration_s / 3, length_s))
        stems = np.stack([song.stems[name] for name in STEMS])
        whole = stems[..., : n_windows * config.chunk_samples]
        windows = whole.reshape(4, 2, n_windows, config.chunk_samples).transpose(2, 0, 1, 3)
        found.append(np.ascontiguousarray(windows))
    return found


def evaluate(network: nn.Module, spectrogram: Spectrogram, songs: list[Any]) -> dict[str, float]:
    """SI-SDR improvement in dB by stem, mean over songs; without overlap: a little pessimistic."""
    network.eval()
    found: dict[str, list[float]] = {name: [] for name in STEMS}
    with torch.no_grad():
        for windows in songs:
            stems = torch.from_numpy(windows).to(spectrogram.device)
            output = spectrogram.decode(network(spectrogram.encode(stems.sum(1)))).cpu()
            mixture = windows.sum(1)
            for index, name in enumerate(STEMS):
                found[name].append(
                    si_sdr_improvement_db(output[:, index].numpy(), windows[:, index], mixture)
                )
    network.train()
    return {name: float(np.nanmean(values)) for name, values in found.items()}


class _Log:
    """One JSON line each time, and the same on the terminal."""

    def __init__(self, path: Path, recipe: Recipe) -> None:
        self._path, self._recipe = path, recipe
        self._began = time.monotonic()

    def write(self, step: int, loss: float, improvement_db: dict[str, float]) -> None:
        line = {
            "step": step,
            "seconds": round(time.monotonic() - self._began),
            "rate": round(self._recipe.rate_at(step), 6),
            "loss": round(loss, 4),
            "mean_db": round(float(np.mean(list(improvement_db.values()))), 2),
            **{name: round(value, 2) for name, value in improvement_db.items()},
        }
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description="Train mini on the synthetic band.")
    parser.add_argument(
        "--folder", type=Path, default=Path("training"), help="songs, checkpoint, log"
    )
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--device", default="cpu", help="cpu or cuda; not yet run on a GPU")
    parser.add_argument("--every", type=int, default=1000, help="steps between two evaluations")
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    chosen = vars(parser.parse_args())
    folder, device, every = (chosen.pop(name) for name in ("folder", "device", "every"))
    config = read_config(chosen.pop("config"))
    recipe = replace(Recipe(), **chosen)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        train(recipe, config, folder, every, device)
    except ResumeError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
