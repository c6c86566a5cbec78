"""The threaded separation of serving is the sequential one of `pipeline.py`, to the bit."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from demucs_track_helpers import EQUAL, IDENTITY, RATE, TINY_HTDEMUCS, gain_info, write_gain_bag
from export_helpers import build_network, info_of, tensors_of, tiny_config
from helpers import GAINS, GainEngine, in_blocks, music, tiny_info

from stemline.arrays import Array
from stemline.engines import Engine, ModelInfo, open_engine
from stemline.errors import RequestError, SeparationClosedError
from stemline.export.reference import torch_engine
from stemline.families import separator_family
from stemline.families.demucs.kwargs import config_from_kwargs
from stemline.families.model_spec import NetworkConfig
from stemline.preprocessing.audio import AudioFormat
from stemline.serving.jobs import SeparatedBlock, SeparateOptions
from stemline.serving.library import Library
from stemline.serving.pipeline import separate_track
from stemline.serving.separator import Member, Separator
from stemline.serving.track_input import Mixture, TrackInput
from stemline.serving.track_output import TrackOutput

Weights = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Model:
    """A model whose networks can be opened as often as it is wanted."""

    info: ModelInfo
    networks: tuple[tuple[ModelInfo, Callable[[], Engine]], ...]
    weights: Weights

    def separator(self, batch_size: int) -> Separator:
        """With its queue and threads."""
        members = [Member(f"network {i}", *one) for i, one in enumerate(self.networks)]
        return Separator.of_members(
            self.info, members, self.weights, batch_size=batch_size, name="model.fp32"
        )

    def sequential(
        self, samples: Array, rate_hz: int, options: SeparateOptions
    ) -> Iterator[SeparatedBlock]:
        """`separate_track`, with every network loaded."""
        info = self.info
        named = {stem.lower() for stem in (*options.stems, *options.also)}
        wanted = [i for i, stem in enumerate(info.stems) if not options.stems or stem in named]
        mixture = Mixture() if options.residual else None
        audio = AudioFormat(rate_hz, samples.shape[0], samples.shape[1])
        family = separator_family(info.family, info.model)
        processing = family.processing(info, [one for one, _ in self.networks], self.weights)
        engines = {i: open_() for i, (_, open_) in enumerate(self.networks)}
        try:
            yield from separate_track(
                TrackInput(
                    in_blocks(samples, 2311),
                    audio,
                    info.sample_rate_hz,
                    info.channels,
                    reads_twice=processing.reads_twice,
                    mixture=mixture,
                ),
                processing.track(wanted, options.processing),
                engines,
                TrackOutput(
                    [info.stems[i] for i in wanted],
                    audio,
                    info.sample_rate_hz,
                    residual_of=(options.stems or info.stems) if mixture else (),
                    mixture=mixture,
                ),
            )
        finally:
            for engine in engines.values():
                engine.close()


def chunked() -> Model:
    """Of one network whose chunks overlap, as MDX23C's do."""
    info = tiny_info()
    return Model(info, ((info, lambda: GainEngine(info, GAINS)),), ((1.0, 1.0),))


def bag(root: Path, weights: Weights) -> Model:
    """Of three networks of the Demucs family; where their segments begin shows in the stems."""
    write_gain_bag(root, weights, by_place=True)
    found = Library(root).find("mine")
    networks = tuple(
        (one.info, lambda path=one.engine_path: open_engine(path, "cpu", 1))
        for one in found.artifacts
    )
    return Model(found.info, networks, found.weights)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    return {
        "chunks": chunked(),
        "a network a stem": bag(tmp_path_factory.mktemp("identity"), IDENTITY),
        "a mean of three": bag(tmp_path_factory.mktemp("equal"), EQUAL),
    }


def assert_same(
    model: Model, samples: Array, rate_hz: int, options: SeparateOptions, batch_size: int = 1
) -> list[SeparatedBlock]:
    """Block by block, sample by sample; the blocks."""
    wanted = list(model.sequential(samples, rate_hz, options))
    audio = AudioFormat(rate_hz, samples.shape[0], samples.shape[1])
    with closing(model.separator(batch_size)) as separator:
        with separator.stream(in_blocks(samples, 1777), audio, options) as separation:
            got = list(separation)
            assert separation.stems == tuple(wanted[0].stems)
    stems = [
        {name: np.concatenate([b.stems[name] for b in blocks], axis=1) for name in blocks[0].stems}
        for blocks in (wanted, got)
    ]
    assert list(stems[0]) == list(stems[1])
    for name, whole in stems[0].items():
        assert whole.shape == (min(samples.shape[0], 2), samples.shape[1])
        np.testing.assert_array_equal(stems[1][name], whole, err_msg=name)
    for blocks in (wanted, got):
        ends = np.cumsum([next(iter(block.stems.values())).shape[1] for block in blocks])
        assert [block.offset_samples for block in blocks] == [0, *ends[:-1]]
    return wanted


KINDS = ("chunks", "a network a stem", "a mean of three")


@pytest.mark.parametrize("rate_hz", [RATE, 48_000, 22_051, 8_000])
@pytest.mark.parametrize("kind", KINDS)
def test_at_any_rate(kind: str, rate_hz: int, models: dict[str, Model]) -> None:
    samples = music(rate_hz // 2 + 7, 2, rate_hz) + np.float32(0.02)
    assert_same(models[kind], samples, rate_hz, SeparateOptions())


@pytest.mark.parametrize("n_samples", [1, 2, 3967, 3968, 3969, 4409, 4410, 4411, 30_001])
@pytest.mark.parametrize("kind", KINDS)
def test_at_any_length(kind: str, n_samples: int, models: dict[str, Model]) -> None:
    for rate_hz in (RATE, 44_101):
        assert_same(models[kind], music(n_samples), rate_hz, SeparateOptions())


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_of_any_channels(kind: str, channels: int, models: dict[str, Model]) -> None:
    assert_same(models[kind], music(20_003, channels), 44_100, SeparateOptions(residual=True))


@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_in_batches_of_any_size(kind: str, batch_size: int, models: dict[str, Model]) -> None:
    samples = music(40_009)
    assert_same(models[kind], samples, RATE, SeparateOptions(residual=True), batch_size)


@pytest.mark.parametrize("overlap", [None, 2, 8, 0.1, 0.9])
@pytest.mark.parametrize("kind", KINDS)
def test_at_any_overlap(kind: str, overlap: float | None, models: dict[str, Model]) -> None:
    assert_same(models[kind], music(20_003), 48_000, SeparateOptions(overlap=overlap))


@pytest.mark.parametrize("options", [{}, {"residual": True}, {"stems": ("drums",)}], ids=str)
@pytest.mark.parametrize(("shifts", "seed"), [(1, 0), (1, 7), (3, 7)])
@pytest.mark.parametrize("kind", KINDS[1:])
def test_of_any_shifts(
    kind: str, shifts: int, seed: int, options: dict[str, object], models: dict[str, Model]
) -> None:
    chosen = SeparateOptions(shifts=shifts, seed=seed, **options)  # type: ignore[arg-type]
    assert_same(models[kind], music(9_001), 22_051, chosen)


def test_of_shifts_where_there_are_none_both_refuse(models: dict[str, Model]) -> None:
    model, options = models["chunks"], SeparateOptions(shifts=1)
    with pytest.raises(RequestError, match="has no shifts"):
        list(model.sequential(music(100), RATE, options))
    with closing(model.separator(1)) as separator, pytest.raises(RequestError, match="no shifts"):
        separator.stream([music(100)], AudioFormat(RATE, 2, 100), options)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("also", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_of_one_stem_its_residual_and_others(
    kind: str, residual: bool, also: bool, models: dict[str, Model]
) -> None:
    model = models[kind]
    first, *_, last = model.info.stems
    options = SeparateOptions((last,), residual, also=(first,) if also else ())
    blocks = assert_same(model, music(20_003) + np.float32(0.05), 48_000, options)
    stems = [*([first] if also else []), last, *([f"no_{last}"] if residual else [])]
    assert list(blocks[0].stems) == stems


@pytest.mark.parametrize(
    "config",
    [tiny_config(), config_from_kwargs("HTDemucs", TINY_HTDEMUCS)],
    ids=lambda config: config.family,
)
def test_of_real_networks(config: NetworkConfig) -> None:
    info, network = info_of(config), build_network(config)

    def open_network() -> Engine:
        return torch_engine(network, tensors_of(config), threads=1)

    model = Model(info, ((info, open_network),), ((1.0,) * len(info.stems),))
    assert_same(model, music(20_003), 48_000, SeparateOptions(residual=True))


# Given up ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_closed_early_has_begun_as_the_sequential_one(
    kind: str, models: dict[str, Model]
) -> None:
    model, samples = models[kind], music(60_001)
    wanted = next(model.sequential(samples, RATE, SeparateOptions()))
    with closing(model.separator(1)) as separator:
        separation = separator.stream(in_blocks(samples, 1777), AudioFormat(RATE, 2, 60_001))
        with separation:
            first = next(separation)
        with pytest.raises(SeparationClosedError):
            list(separation)
        assert separator.n_queued == 0
    n_samples = min(block.stems["vocals"].shape[1] for block in (first, wanted))
    assert n_samples > 0
    for stem in wanted.stems:
        np.testing.assert_array_equal(
            first.stems[stem][:, :n_samples], wanted.stems[stem][:, :n_samples]
        )


def test_the_small_models_are_what_they_are_taken_for(models: dict[str, Model]) -> None:
    assert models["chunks"].info.family == "mdx23c"
    assert {models[kind].info.family for kind in KINDS[1:]} == {gain_info().family} == {"demucs"}
    assert [len(models[kind].networks) for kind in KINDS] == [1, 3, 3]
