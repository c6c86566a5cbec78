"""Measure an artifact against PyTorch, or against the golden values where PyTorch is absent.

And, where the band has the truth for its stems, against that.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stemline.arrays import Arrays
from stemline.engines import Engine, ModelInfo, open_engine, read_artifact, read_onnx_metadata
from stemline.engines.artifact import info_from_metadata, read_manifest
from stemline.engines.runtimes import DEFAULT_RUNTIME
from stemline.errors import ArtifactError, MissingExtraError, UnknownVariantError
from stemline.evaluation.beat_quality import (
    CARD_BEAT_SONGS,
    BeatQuality,
    agreement,
    can_measure_beats,
    measure_beats,
)
from stemline.evaluation.held_out import HeldOut
from stemline.evaluation.parity import (
    Golden,
    Parity,
    at_golden,
    compare,
    load_golden,
    sample_output,
)
from stemline.evaluation.quality import (
    CARD_SONGS,
    Quality,
    can_measure,
    estimated_seconds,
    measure_quality,
)
from stemline.evaluation.signal import music_like
from stemline.families import beat_decoder, family_of

from .card import Card, graph_dtypes, package_versions, this_machine
from .manifest import GOLDEN, check_files, stored_card, stored_config
from .precisions import Budget, find_precision

SEED = 0
LONGEST_QUALITY_S = 120.0
"""The longest that quality may take to measure: the largest models would need an hour."""
_N_ROWS = 3


@dataclass(frozen=True)
class Measured:
    """The results of running an artifact on the test signal."""

    parity: tuple[Parity, ...]
    seconds: float
    """Seconds of the fastest run at batch 1."""
    reference_seconds: float | None
    """Seconds of the fastest run in PyTorch, alternating with it; None when it was not run."""
    golden: Golden
    """The values of PyTorch's output that are kept beside the artifact."""
    beat_agreement: float | None = None
    """See `Card.beat_agreement`."""


def verify_artifact(folder: Path, weights: Path | None = None) -> Card:
    """Check an artifact's files, and measure it anew on this machine.

    Against PyTorch where that is installed and the weights are at hand (`weights`, the cache, or
    random ones), else against the golden values that export stored. Where the stored card has its
    quality, that is measured again on the same songs.

    Raises
    ------
    ParityError
        A stem lies below the budget of the artifact's precision.
    QualityError, BeatQualityError
        It separates, or finds beats, worse than when it was exported.
    ArtifactError
        A file is missing, damaged, or not what the manifest says.
    WeightsError
        `weights` are others than the artifact's.
    CheckpointError, IntegrityError, CacheError
        The checkpoint given, or the cached one, is not what it should be.
    MissingExtraError
        `weights` are given, and PyTorch is not installed.
    """
    manifest = read_manifest(folder)
    artifact = read_artifact(folder)
    check_files(manifest, folder)
    inside = info_from_metadata(read_onnx_metadata(artifact.engine_path), str(artifact.engine_path))
    if inside != artifact.info:
        raise ArtifactError(f"{folder}: the graph's metadata and the manifest do not agree")
    stored_config(manifest, folder)  # it is read, or the artifact is damaged
    info, stored = artifact.info, stored_card(manifest, folder)
    budget = _budget(info)
    reference = _reference(folder, weights)
    if reference is None:
        measured = against_golden(artifact.engine_path, info, _golden(folder))
    else:
        measured = against_reference(artifact.engine_path, info, reference)
    card = _card(
        "golden" if reference is None else "pytorch",
        artifact.engine_path,
        info,
        measured,
        (stored.node_dtypes, stored.weight_dtypes),
    )
    card.check(folder.name, budget)
    if stored.beat_quality is not None:
        beats = measured_beats(artifact.engine_path, info, stored.beat_quality.songs)
        if beats is not None:
            beats.check(stored.beat_quality, folder.name)
        return replace(card, beat_quality=beats)
    if stored.quality is None:
        return replace(card, quality_skipped=stored.quality_skipped)
    quality = remeasured(artifact.engine_path, info, stored.quality)
    if quality is not None:
        quality.check(stored.quality, folder.name)
    return replace(card, quality=quality)


def first_quality(
    path: Path,
    info: ModelInfo,
    seconds_per_chunk: float,
    report: Callable[[str], None] = lambda _: None,
) -> tuple[Quality | None, str]:
    """How well a graph separates the card's songs, at the model's own overlap.

    None where the band has no truth for it, and where that would take more than LONGEST_QUALITY_S:
    then with the reason.
    """
    if not can_measure(info):
        return None, ""
    estimated_s = estimated_seconds(info, seconds_per_chunk, CARD_SONGS)
    name = f"{info.model}.{info.precision}"
    if estimated_s > LONGEST_QUALITY_S:
        skipped = (
            f"separating {len(CARD_SONGS.seeds)} songs would have taken {estimated_s:.0f} s on "
            f"this machine, more than {LONGEST_QUALITY_S:.0f} s; this measures it: "
            f"stemline bench {name} --engines {DEFAULT_RUNTIME} --quality"
        )
        report(f"{name}: quality is not measured: {skipped}")
        return None, skipped
    report(f"{name}: separating {len(CARD_SONGS.seeds)} held-out songs, {estimated_s:.0f} s")
    return _quality(path, info, CARD_SONGS, info.default_overlap), ""


def first_beat_quality(
    path: Path, info: ModelInfo, report: Callable[[str], None] = lambda _: None
) -> BeatQuality | None:
    """How well a graph finds the beats of the card's songs; None where the band has no truth."""
    if not can_measure_beats(info):
        return None
    report(f"{info.artifact_stem}.{info.precision}: finding the beats of held-out songs")
    return measured_beats(path, info, CARD_BEAT_SONGS)


def measured_beats(path: Path, info: ModelInfo, songs: HeldOut) -> BeatQuality | None:
    """How well a graph finds the beats of these songs; None for a separator."""
    if info.beats is None:
        return None
    engine = open_engine(path, device="cpu")
    try:
        return measure_beats(engine, info.beats, songs)
    finally:
        engine.close()


def remeasured(path: Path, info: ModelInfo, stored: Quality) -> Quality | None:
    """The quality of a graph on the songs and at the overlap of a stored one."""
    return _quality(path, info, stored.songs, stored.overlap)


def _quality(path: Path, info: ModelInfo, songs: HeldOut, overlap: float) -> Quality | None:
    engine = open_engine(path, device="cpu")
    try:
        return measure_quality(engine, info, songs, overlap)
    finally:
        engine.close()


def new_card(path: Path, info: ModelInfo, measured: Measured) -> Card:
    """The card of a graph that was just written; nothing is judged yet."""
    return _card("pytorch", path, info, measured, graph_dtypes(path))


def _card(
    reference: str,
    path: Path,
    info: ModelInfo,
    measured: Measured,
    dtypes: tuple[dict[str, float], dict[str, float]],
) -> Card:
    """A card without quality; `dtypes` are the shares of nodes and of weights by dtype."""
    return Card(
        reference=reference,
        budget_db=_budget(info).snr_db,
        parity=measured.parity,
        node_dtypes=dtypes[0],
        weight_dtypes=dtypes[1],
        size_bytes=path.stat().st_size,
        seconds=measured.seconds,
        reference_seconds=measured.reference_seconds,
        machine=this_machine(),
        versions=package_versions(),
        beat_agreement=measured.beat_agreement,
    )


def _budget(info: ModelInfo) -> Budget:
    """The budget of an artifact of this precision. Raises ArtifactError."""
    try:
        precision = find_precision(info.precision)
    except UnknownVariantError as error:
        raise ArtifactError(f"{info.model}: no budget is known for {info.precision}") from error
    return precision.budgets[family_of(info.family, info.model).task]


def against_reference(path: Path, info: ModelInfo, reference: Engine) -> Measured:
    """Run a graph and PyTorch alternately, and compare; `reference` is closed.

    PyTorch runs each row alone: the graph's outputs for three rows together must equal that too.
    """
    rows = signal_rows(info)
    family = family_of(info.family, info.model)
    names = [tensor.name for tensor in family.tensors(info).outputs]
    wanted: list[Arrays] = []
    alone: list[Arrays] = []
    reference_seconds: list[float] = []
    seconds: list[float] = []
    engine = open_engine(path, device="cpu")
    for row in rows:
        for runner, outputs, times in (
            (reference, wanted, reference_seconds),
            (engine, alone, seconds),
        ):
            output, elapsed_s = _timed(runner, row)
            outputs.append(output)
            times.append(elapsed_s)
    engine.close()
    reference.close()
    together = _together(path, rows)
    parity: list[Parity] = []
    for name in names:
        of_reference = np.concatenate([output[name] for output in wanted])
        one_by_one = np.concatenate([output[name] for output in alone])
        parts = family.output_parts(info, name)
        parity += compare(name, parts, of_reference, one_by_one, 1)
        parity += compare(name, parts, of_reference, together[name], len(rows))
    golden = {
        name: sample_output(wanted[0][name][0], len(family.output_parts(info, name)), SEED)
        for name in names
    }
    return Measured(
        parity=tuple(parity),
        seconds=min(seconds),
        reference_seconds=min(reference_seconds),
        golden=Golden(SEED, golden),
        beat_agreement=_beat_agreement(info, wanted, (*alone, *_rows_of(together, len(rows)))),
    )


def _rows_of(outputs: Arrays, n_rows: int) -> list[Arrays]:
    """A batch's rows, each at batch 1."""
    return [{name: a[row : row + 1] for name, a in outputs.items()} for row in range(n_rows)]


def _beat_agreement(
    info: ModelInfo, wanted: Sequence[Arrays], runs: Sequence[Arrays]
) -> float | None:
    """The lowest F-measure of beats between the runs and what was wanted of their rows."""
    if info.beats is None:
        return None
    decode = beat_decoder(info.beats)
    of_reference = [decode(_first_row(row)).beats for row in wanted]
    return min(
        agreement(of_reference[index % len(wanted)], decode(_first_row(run)).beats)
        for index, run in enumerate(runs)
    )


def _first_row(outputs: Arrays) -> Arrays:
    return {name: values[0] for name, values in outputs.items()}


def against_golden(path: Path, info: ModelInfo, golden: Golden) -> Measured:
    """Run a graph and compare its first row with the values export stored."""
    rows = signal_rows(info, golden.seed)
    family = family_of(info.family, info.model)
    engine = open_engine(path, device="cpu")
    runs = [_timed(engine, rows[0]) for _ in range(2)]
    engine.close()
    parity: tuple[Parity, ...] = ()
    together = _together(path, rows)
    for outputs, batch in ((runs[0][0], 1), (together, len(rows))):
        for name, sampled in golden.outputs.items():
            got = at_golden(outputs[name][0], sampled)
            parts = family.output_parts(info, name)
            parity += compare(name, parts, sampled.values[None], got[None], batch)
    return Measured(parity, min(seconds for _, seconds in runs), None, golden)


def _together(path: Path, rows: Sequence[Arrays]) -> Arrays:
    """All rows in one batch, by an engine of its own: the memory of one at batch 1 is freed."""
    engine = open_engine(path, device="cpu")
    outputs = engine.run({name: np.concatenate([row[name] for row in rows]) for name in rows[0]})
    engine.close()
    return outputs


def signal_rows(info: ModelInfo, seed: int = SEED) -> Sequence[Arrays]:
    """Three different chunks of the test signal, each as the network's inputs at batch 1."""
    family = family_of(info.family, info.model)
    chunk = family.test_chunk(info)
    return [
        family.encode(
            info,
            music_like(chunk.n_samples, info.sample_rate_hz, chunk.channels, seed + row)[None],
        )
        for row in range(_N_ROWS)
    ]


def _timed(engine: Engine, inputs: Arrays) -> tuple[Arrays, float]:
    start = time.perf_counter()
    outputs = engine.run(inputs)
    return outputs, time.perf_counter() - start


def _reference(folder: Path, weights: Path | None) -> Engine | None:
    """PyTorch, or None where it or the weights are not at hand, and no weights were given."""
    try:
        from stemline.errors import WeightsError

        from .reference import reference_engine
    except ImportError as error:
        if weights is not None:
            raise MissingExtraError(error.name or "torch", "export") from error
        return None
    try:
        return reference_engine(folder, weights)
    except WeightsError:
        if weights is not None:
            raise
        return None


def _golden(folder: Path) -> Golden:
    try:
        return load_golden(folder / GOLDEN)
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"{folder / GOLDEN} cannot be read: {error}") from error
