"""Measure an artifact against PyTorch, or against the golden values where PyTorch is absent."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemline.engines import (
    ArtifactError,
    Engine,
    open_engine,
    read_artifact,
    read_onnx_metadata,
)
from stemline.engines.artifact import info_from_metadata
from stemline.preprocessing.mdx23c import network_input
from stemline.preprocessing.stft import Stft

from .card import BUDGET_DB, Card, graph_dtypes, package_versions, this_machine
from .config import INPUT, OUTPUT, Mdx23cConfig
from .manifest import GOLDEN, check_files, read_manifest, stored_card, stored_config
from .parity import Golden, Parity, at_golden, compare, load_golden, sample_golden
from .signal import music_like

Array = NDArray[np.float32]

SEED = 0
_BATCHES = (1, 3)


@dataclass(frozen=True)
class Reference:
    """What PyTorch made of the test signal."""

    outputs: tuple[Array, ...]
    """Of rows that differ, each (1, S, 2C, F, T)."""
    seconds: float
    """Of the fastest run at batch 1."""

    @property
    def golden(self) -> Golden:
        """What of it is kept beside the artifact."""
        return sample_golden(self.outputs[0][0], SEED)


def verify_artifact(folder: Path, weights: Path | None = None) -> Card:
    """Check an artifact's files, and measure it anew on this machine.

    Against PyTorch where that is installed and the weights are at hand (`weights`, the cache, or
    random ones), else against the golden values that export stored.

    Raises
    ------
    ParityError
        A stem lies below the budget of the artifact's precision.
    ArtifactError
        A file is missing, damaged, or not what the manifest says.
    WeightsError
        `weights` are others than the artifact's.
    """
    manifest = read_manifest(folder)
    artifact = read_artifact(folder)
    check_files(manifest, folder)
    inside = info_from_metadata(read_onnx_metadata(artifact.engine_path), str(artifact.engine_path))
    if inside != artifact.info:
        raise ArtifactError(f"{folder}: the graph's metadata and the manifest do not agree")
    config, stored = stored_config(manifest, folder), stored_card(manifest, folder)
    budget_db = BUDGET_DB[artifact.info.precision]
    reference = _reference(folder, config, weights)
    engine = open_engine(artifact.engine_path, device="cpu")
    if reference is not None:
        parity, seconds = against_reference(engine, config, reference)
    else:
        parity, seconds = against_golden(engine, config, _golden(folder))
    engine.close()
    card = Card(
        reference="golden" if reference is None else "pytorch",
        budget_db=budget_db,
        parity=parity,
        node_dtypes=stored.node_dtypes,
        weight_dtypes=stored.weight_dtypes,
        size_bytes=artifact.engine_path.stat().st_size,
        seconds=seconds,
        reference_seconds=None if reference is None else reference.seconds,
        machine=this_machine(),
        versions=package_versions(),
    )
    card.check(folder.name)
    return card


def new_card(path: Path, precision: str, config: Mdx23cConfig, reference: Reference) -> Card:
    """Measure a graph that was just written; nothing is judged yet."""
    nodes, weights = graph_dtypes(path)
    engine = open_engine(path, device="cpu")
    parity, seconds = against_reference(engine, config, reference)
    engine.close()
    return Card(
        reference="pytorch",
        budget_db=BUDGET_DB[precision],
        parity=parity,
        node_dtypes=nodes,
        weight_dtypes=weights,
        size_bytes=path.stat().st_size,
        seconds=seconds,
        reference_seconds=reference.seconds,
        machine=this_machine(),
        versions=package_versions(),
    )


def run_reference(engine: Engine, config: Mdx23cConfig) -> Reference:
    """PyTorch over the rows of the test signal, one at a time: what a batch must give too."""
    outputs, seconds = [], []
    for row in signal_rows(config):
        output, elapsed_s = _timed(engine, row)
        outputs.append(output)
        seconds.append(elapsed_s)
    return Reference(tuple(outputs), min(seconds))


def against_reference(
    engine: Engine, config: Mdx23cConfig, reference: Reference
) -> tuple[tuple[Parity, ...], float]:
    """The parity at each batch size, and the seconds of the fastest run at batch 1."""
    rows = signal_rows(config)
    parity: tuple[Parity, ...] = ()
    for batch in _BATCHES:
        output, _ = _timed(engine, np.concatenate(rows[:batch]))
        wanted = np.concatenate(reference.outputs[:batch])
        parity += compare(OUTPUT, config.stems, wanted, output, batch)
    return parity, _best_seconds(engine, rows[0])


def against_golden(
    engine: Engine, config: Mdx23cConfig, golden: Golden
) -> tuple[tuple[Parity, ...], float]:
    """As `against_reference`, over the first row's golden values."""
    rows = signal_rows(config, golden.seed)
    parity: tuple[Parity, ...] = ()
    for batch in _BATCHES:
        output, _ = _timed(engine, np.concatenate(rows[:batch]))
        got = at_golden(output[0], golden)
        parity += compare(OUTPUT, config.stems, golden.values[None], got[None], batch)
    return parity, _best_seconds(engine, rows[0])


def signal_rows(config: Mdx23cConfig, seed: int = SEED) -> Sequence[Array]:
    """Three different chunks of the test signal, each as `mixture` (1, 2C, F, T)."""
    stft = Stft(config.n_fft, config.hop_samples, config.n_bins)
    return [
        network_input(
            music_like(
                config.chunk_samples, config.sample_rate_hz, config.audio_channels, seed + row
            )[None],
            stft,
        )
        for row in range(max(_BATCHES))
    ]


def _timed(engine: Engine, mixture: Array) -> tuple[Array, float]:
    start = time.perf_counter()
    output = engine.run({INPUT: mixture})[OUTPUT]
    return output, time.perf_counter() - start


def _best_seconds(engine: Engine, mixture: Array) -> float:
    return min(_timed(engine, mixture)[1] for _ in range(2))


def _reference(folder: Path, config: Mdx23cConfig, weights: Path | None) -> Reference | None:
    """PyTorch's answer, or None where torch or the weights are not at hand."""
    try:
        from .reference import reference_engine
        from .weights import WeightsError
    except ImportError:
        return None
    try:
        engine = reference_engine(folder, weights)
    except WeightsError:
        if weights is not None:
            raise
        return None
    reference = run_reference(engine, config)
    engine.close()
    return reference


def _golden(folder: Path) -> Golden:
    try:
        return load_golden(folder / GOLDEN)
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"{folder / GOLDEN} cannot be read: {error}") from error
