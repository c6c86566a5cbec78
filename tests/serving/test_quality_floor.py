"""What `mini` is worth, through every way it is run: a broken STFT, border or order cannot pass.

The floors lie 0.2 dB below what was measured when the weights were committed. Runtimes and
instruction sets move an SI-SDR by less than 0.01 dB and the band's samples by about as little,
while the least of the faults tried below costs one of the stems 0.7 dB.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from grpc_helpers import running_server

from stemline.arrays import Array
from stemline.band import play
from stemline.evaluation.held_out import held_out
from stemline.evaluation.si_sdr import si_sdr_improvement_db
from stemline.export import verify
from stemline.export.export import export_model
from stemline.export.models import find_model
from stemline.export.reference import reference_engine
from stemline.preprocessing.audio import AudioFormat
from stemline.serving.client.client import StemlineClient
from stemline.serving.library import EngineOptions, Library
from stemline.serving.separator import Separator

Separate = Callable[[Array], dict[str, Array]]

SEEDS = range(1_000_100, 1_000_104)
SONG_S = 8.0
MARGIN_DB = 0.2
MEASURED_DB = {"drums": 10.21, "bass": 9.61, "other": 12.76, "vocals": 10.69}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """The artifact of `mini` alone."""
    root = tmp_path_factory.mktemp("mini")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "CARD_SONGS", held_out(1, 1.5))  # the card is tested elsewhere
        export_model(find_model("mini"), root=root)
    library = Library(root, EngineOptions(device="cpu"))
    yield library
    library.close()


@pytest.fixture(scope="module")
def songs() -> list[tuple[Array, dict[str, Array]]]:
    """Mixture and stems of songs that no training has heard."""
    return [(song.mixture, song.stems) for song in (play(seed, SONG_S) for seed in SEEDS)]


def improvements_db(
    separate: Separate, songs: list[tuple[Array, dict[str, Array]]]
) -> dict[str, float]:
    """The mean over songs of each stem's improvement."""
    found: dict[str, list[float]] = {name: [] for name in MEASURED_DB}
    for mixture, stems in songs:
        separated = separate(mixture)
        for name in found:
            found[name].append(si_sdr_improvement_db(separated[name], stems[name], mixture))
    return {name: float(np.nanmean(values)) for name, values in found.items()}


def below_the_floor(found: dict[str, float]) -> list[str]:
    return [
        f"{name}: {db:.2f} dB, measured {MEASURED_DB[name]:.2f} dB"
        for name, db in found.items()
        if not db >= MEASURED_DB[name] - MARGIN_DB
    ]


def through_the_pipeline(separator: Separator) -> Separate:
    return lambda mixture: separator.separate(mixture, 44100)


def test_stems_are_as_good_as_they_were_through_the_engine(
    library: Library, songs: list[tuple[Array, dict[str, Array]]]
) -> None:
    assert below_the_floor(improvements_db(through_the_pipeline(library.separator()), songs)) == []


def test_stems_are_as_good_as_they_were_over_grpc(
    library: Library, songs: list[tuple[Array, dict[str, Array]]]
) -> None:
    def over_grpc(mixture: Array) -> dict[str, Array]:
        with client.model("mini").stream(iter([mixture]), AudioFormat(44100, 2, None)) as blocks:
            found = [block.stems for block in blocks]
        return {name: np.concatenate([stems[name] for stems in found], 1) for name in found[0]}

    with running_server(library=library) as (address, _), StemlineClient(address) as client:
        assert below_the_floor(improvements_db(over_grpc, songs)) == []


def test_stems_are_as_good_as_they_were_through_pytorch(
    library: Library, songs: list[tuple[Array, dict[str, Array]]]
) -> None:
    (artifact,) = library.find("mini").artifacts
    folder = Path(artifact.engine_path).parent.parent
    separator = Separator(reference_engine(folder), artifact.info)
    try:
        assert below_the_floor(improvements_db(through_the_pipeline(separator), songs)) == []
    finally:
        separator.close()


def test_silence_within_a_song_stays_silence(library: Library) -> None:
    # Six chunks of digital silence in a row: a level of zero must not spoil what lies around it.
    mixture = play(SEEDS[0], 6.0).mixture
    gap = np.zeros((2, 6 * 32256), np.float32)
    stems = library.separator().separate(np.concatenate([mixture, gap, mixture], 1), 44100)
    middle = mixture.shape[1] + gap.shape[1] // 2
    for name, samples in stems.items():
        assert np.isfinite(samples).all(), name
        assert not samples[:, middle - 32256 : middle + 32256].any(), name


def _stems_in_another_order(stems: dict[str, Array]) -> dict[str, Array]:
    return dict(zip(stems, [*list(stems.values())[1:], next(iter(stems.values()))], strict=True))


def _channels_swapped(stems: dict[str, Array]) -> dict[str, Array]:
    return {name: samples[::-1] for name, samples in stems.items()}


def _late(n_samples: int) -> Callable[[dict[str, Array]], dict[str, Array]]:
    return lambda stems: {
        name: np.pad(samples, ((0, 0), (n_samples, 0)))[:, : samples.shape[1]]
        for name, samples in stems.items()
    }


def _chunks_ending_too_soon(stems: dict[str, Array]) -> dict[str, Array]:
    gate = np.ones(64512, np.float32)
    gate[-1024:] = 0
    return {name: samples * np.resize(gate, samples.shape[1]) for name, samples in stems.items()}


def _few_digits(stems: dict[str, Array]) -> dict[str, Array]:
    return {name: np.round(samples * 24) / 24 for name, samples in stems.items()}


@pytest.mark.parametrize(
    "fault",
    [_stems_in_another_order, _channels_swapped, _late(1), _chunks_ending_too_soon, _few_digits],
)
def test_faults_that_the_floor_is_for_fall_below_it(
    fault: Callable[[dict[str, Array]], dict[str, Array]],
    library: Library,
    songs: list[tuple[Array, dict[str, Array]]],
) -> None:
    separate = through_the_pipeline(library.separator())
    assert below_the_floor(improvements_db(lambda mixture: fault(separate(mixture)), songs))
