"""The originals, imported once for the tests that compare with them; and the order of files."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from core_helpers import longest_first
from oracle_helpers import tfc_tdf_module


@pytest.fixture(scope="module")
def original() -> Iterator[Any]:
    """The module of audio-separator's TFC_TDF_net; forgotten afterwards."""
    yield tfc_tdf_module()
    for name in [name for name in sys.modules if name.startswith("audio_separator")]:
        del sys.modules[name]


# A file stays in one process, so those that take minutes begin, and short ones fill what is left.
LONGEST_FIRST = (
    "test_real_weights.py",
    "test_demix.py",
    "test_audiosep.py",
    "test_demucs_networks.py",
    "test_allin1.py",
    "test_dbn.py",
    "test_demucs_tracks.py",
    "test_mini.py",
    "test_soundfont.py",
    "test_madmom_downbeats.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest_first(items, LONGEST_FIRST)
