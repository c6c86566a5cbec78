"""The originals, imported once for the tests that compare with them."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from oracle_helpers import tfc_tdf_module


@pytest.fixture(scope="module")
def original() -> Iterator[Any]:
    """The module of audio-separator's TFC_TDF_net; forgotten afterwards."""
    yield tfc_tdf_module()
    for name in [name for name in sys.modules if name.startswith("audio_separator")]:
        del sys.modules[name]
