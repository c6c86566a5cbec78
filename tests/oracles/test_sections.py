"""Sections, tempo and what goes into the DBN are All-In-One's own."""

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from stemline.bench.studies.beats_against_madmom import original_postprocessing
from stemline.families.allin1.activations import downbeat_activations
from stemline.postprocessing.dbn import DownbeatTracker
from stemline.postprocessing.sections import find_sections
from stemline.postprocessing.tempo import tempo_bpm

pytestmark = pytest.mark.oracles

SETTINGS = SimpleNamespace(
    min_hops_per_beat=24, fps=100, hop_size=441, sample_rate=44100, best_threshold_downbeat=0.19
)


@pytest.fixture(scope="module")
def originals() -> Iterator[dict[str, Any]]:
    """Its modules of post-processing by name; forgotten afterwards."""
    try:
        yield {name: original_postprocessing(name) for name in ("functional", "metrical", "tempo")}
    except ImportError as error:
        pytest.fail(f"{error}; make test-oracles installs it")
    for name in [name for name in sys.modules if name.split(".")[0] in ("allin1", "madmom")]:
        del sys.modules[name]
    sys.modules.pop("librosa", None)


def logits(seed: int, n_frames: int) -> tuple[Any, Any]:
    """Of boundaries and of labels, float32; some with few levels, some certain beyond float32."""
    random = np.random.default_rng(seed)
    boundaries = random.normal(-6, 1.5, n_frames)
    sections = random.integers(0, n_frames, max(1, n_frames // 1500))
    boundaries[sections] += random.uniform(3, 9, len(sections))
    labels = np.repeat(random.normal(0, 2, (10, n_frames // 500 + 1)), 500, axis=1)[:, :n_frames]
    labels += random.normal(0, 0.5, labels.shape)
    if seed % 4 == 1:
        boundaries = np.round(boundaries)
    if seed % 4 == 2:
        boundaries, labels = 20 * boundaries, 20 * labels
    if seed % 4 == 3:
        boundaries[:] = 0  # a probability that no float32 rounds
    return boundaries.astype(np.float32), labels.astype(np.float32)


@pytest.mark.parametrize("n_frames", [100, 1500, 6000, 18000])
@pytest.mark.parametrize("seed", range(12))
def test_sections_are_the_originals(originals: dict[str, Any], seed: int, n_frames: int) -> None:
    boundaries, labels = logits(seed, n_frames)
    outputs = SimpleNamespace(
        logits_section=torch.from_numpy(boundaries)[None],
        logits_function=torch.from_numpy(labels)[None],
    )
    try:
        theirs = originals["functional"].postprocess_functional_structure(outputs, SETTINGS)
        wanted = [(section.start, section.end, section.label) for section in theirs]
    except IndexError:  # no boundary at all
        wanted = [(0.0, n_frames / 100, find_sections(boundaries, labels)[0].label)]
    got = find_sections(boundaries, labels)
    assert [(section.start, section.end, section.label) for section in got] == wanted


@pytest.mark.parametrize("seed", range(30))
def test_tempo_is_the_originals(originals: dict[str, Any], seed: int) -> None:
    random = np.random.default_rng(seed)
    n_beats = int(random.integers(0, 60))
    beats = np.cumsum(np.round(random.uniform(0.3, 0.9) + random.normal(0, 0.01, n_beats), 2))
    assert tempo_bpm(beats) == originals["tempo"].estimate_tempo_from_beats(beats.tolist())


@pytest.mark.parametrize("seed", range(6))
def test_beats_from_logits_are_those_of_the_originals_activations(
    originals: dict[str, Any], seed: int
) -> None:
    random, n_frames = np.random.default_rng(seed), 3000
    beat, downbeat = random.normal(-5, 1, (2, n_frames)).astype(np.float32)
    beat[seed :: 40 + seed], downbeat[seed :: 4 * (40 + seed)] = 3, 3
    outputs = SimpleNamespace(
        logits_beat=torch.from_numpy(beat)[None], logits_downbeat=torch.from_numpy(downbeat)[None]
    )
    theirs = originals["metrical"].postprocess_metrical_structure(outputs, SETTINGS)
    got = DownbeatTracker(threshold=0.19)(downbeat_activations(beat, downbeat))
    assert got[:, 0].tolist() == theirs["beats"]
    assert got[:, 1].tolist() == theirs["beat_positions"]
