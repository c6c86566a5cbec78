"""What holds for every test."""

import os
import signal
from collections.abc import Iterator

import pytest
from core_helpers import keep_to_own_core

# pytest names the test that runs; torch, the folder of its compiler's cache.
_OTHERS = ("PYTEST_", "TORCHINDUCTOR_")


@pytest.fixture(autouse=True)
def the_process_is_left_as_it_was() -> Iterator[None]:
    """Code that changes its process's environment or SIGTERM for good changes what runs next.

    A trainer that left its settings of malloc behind once made another file's memory test fail.
    """
    environment, on_termination = dict(os.environ), signal.getsignal(signal.SIGTERM)
    yield
    changed = {
        name
        for name in environment.keys() | os.environ.keys()
        if environment.get(name) != os.environ.get(name) and not name.startswith(_OTHERS)
    }
    assert not changed, f"the environment was changed for good: {sorted(changed)}"
    assert signal.getsignal(signal.SIGTERM) is on_termination


def pytest_configure(config: pytest.Config) -> None:
    if config.option.markexpr == "oracles":  # they compute; other tests also measure several cores
        keep_to_own_core()
