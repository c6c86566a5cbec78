"""`mini` on a band it was never trained on: SoundFont instruments, and a synthesiser's speech.

The programs and the SoundFont are the distribution's; where they are missing, that is a failure
that says how to install them.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from oracles.soundfont_band import (
    INSTALL,
    N_SONGS,
    PEAK,
    SAMPLE_RATE_HZ,
    SONG_S,
    SOUNDFONT,
    STEMS,
    MissingPackageError,
    mixture,
    require_packages,
    songs,
)

from stemline.arrays import Array
from stemline.evaluation.si_sdr import is_silent, si_sdr_db
from stemline.export.export import export_model
from stemline.export.models import find_model
from stemline.serving.jobs import SeparateOptions
from stemline.serving.library import EngineOptions, Library
from stemline.serving.separator import Separator

pytestmark = pytest.mark.oracles

WANTED_DB = 4.5
OVERLAP = 2


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Separator]:
    """The exported `mini`, served from its artifact."""
    root = tmp_path_factory.mktemp("mini")
    export_model(find_model("mini"), ["fp32"], root=root)
    library = Library(root, EngineOptions(device="cpu"))
    yield library.separator("mini")
    library.close()


@pytest.fixture(scope="module")
def band() -> list[dict[str, Array]]:
    """All the songs by stem."""
    return list(songs())


def test_every_stem_comes_out_better_than_the_mixture(
    mini: Separator, band: list[dict[str, Array]]
) -> None:
    before: dict[str, list[float]] = {name: [] for name in STEMS}
    after: dict[str, list[float]] = {name: [] for name in STEMS}
    for stems in band:
        mixed = mixture(stems)
        got = mini.separate(mixed, SAMPLE_RATE_HZ, SeparateOptions(overlap=OVERLAP))
        assert set(got) == set(STEMS)
        for name in STEMS:
            if not is_silent(stems[name]):
                before[name].append(si_sdr_db(mixed, stems[name]))
                after[name].append(si_sdr_db(got[name], stems[name]))
    assert all(before.values()), "a stem is in none of the songs"
    gained = {name: np.subtract(after[name], before[name]) for name in STEMS}
    mean_db = float(np.mean([gained[name].mean() for name in STEMS]))
    lines = [f"{'SI-SDR, dB':<10} songs mixture    stem  better  (each song)"]
    for name in STEMS:
        lines.append(
            f"{name:<10} {len(gained[name]):5} {np.mean(before[name]):7.2f} "
            f"{np.mean(after[name]):7.2f} {gained[name].mean():7.2f}  "
            f"({', '.join(f'{db:.1f}' for db in gained[name])})"
        )
    table = "\n".join([*lines, f"mean over the stems: {mean_db:.2f} dB better"])
    print(table)
    assert mean_db >= WANTED_DB, table


def test_the_songs_are_whole_and_most_of_the_band_plays(band: list[dict[str, Array]]) -> None:
    assert len(band) == N_SONGS
    for stems in band:
        assert tuple(stems) == STEMS
        for stem in stems.values():
            assert (stem.shape, stem.dtype) == ((2, round(SONG_S * SAMPLE_RATE_HZ)), np.float32)
            assert np.isfinite(stem).all()
        assert sum(not is_silent(stem) for stem in stems.values()) >= 3
        assert np.abs(mixture(stems)).max() == pytest.approx(PEAK, abs=1e-5)


def test_what_is_missing_is_told_with_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert INSTALL == "apt-get install fluidsynth timgm6mb-soundfont espeak-ng"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPackageError, match=f"fluidsynth and espeak-ng .*{INSTALL}"):
        require_packages(SOUNDFONT if SOUNDFONT.is_file() else Path(__file__))
    with pytest.raises(MissingPackageError, match=rf"none\.sf2 not found: {INSTALL}"):
        next(songs(soundfont=tmp_path / "none.sf2"))
