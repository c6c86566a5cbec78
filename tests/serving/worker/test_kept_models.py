"""The least recently used models close where memory is short, and none that is in use."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from demucs_track_helpers import gain_info, write_gains
from worker_helpers import write_models

from stemline.errors import ArtifactError
from stemline.serving.library import EngineOptions, Library
from stemline.serving.worker.kept_models import FACTOR, KeptModels, Lease, memory_bytes

NAMES = ("a", "b", "c")


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    library = Library(write_models(tmp_path, *NAMES), EngineOptions("cpu", 1))
    yield library
    library.close()


def open_names(library: Library) -> list[str]:
    return [name for name in NAMES if library.is_open(library.named(name))]


def kept_for(library: Library, n_models: float) -> KeptModels:
    """A budget for so many of them."""
    return KeptModels(library, n_models * memory_bytes(library.named("a")))


def use(kept: KeptModels, name: str) -> bool:
    """Open a model for one request; whether it was open."""
    with kept.lease() as lease:
        lease.separator(name)
        return lease.is_cached


def test_a_model_counts_with_the_files_of_its_engine(library: Library, tmp_path: Path) -> None:
    model = library.named("a")
    engine = model.artifacts[0].engine_path
    assert memory_bytes(model) == FACTOR * engine.stat().st_size
    engine.with_name(f"{engine.name}.data").write_bytes(bytes(1000))
    engine.with_name("notes").write_bytes(bytes(77))
    assert memory_bytes(model) == FACTOR * (engine.stat().st_size + 1000)


def test_the_least_recently_used_is_closed(library: Library) -> None:
    kept = kept_for(library, 2)
    assert [use(kept, name) for name in ("a", "b", "a")] == [False, False, True]
    assert open_names(library) == ["a", "b"]
    assert not use(kept, "c")
    assert open_names(library) == ["a", "c"]
    assert not use(kept, "b")
    assert open_names(library) == ["b", "c"]
    assert [one.model.info.model for one in kept.kept()] == ["c", "b"]


def test_room_is_made_before_another_is_opened(library: Library) -> None:
    kept = kept_for(library, 1)
    use(kept, "a")
    with kept.lease() as lease:
        lease._take(library.named("b"))
        assert open_names(library) == []


def test_a_model_in_use_stays_open_whatever_the_budget(library: Library) -> None:
    kept = kept_for(library, 1)
    samples = np.ones((2, 4410), np.float32)
    with kept.lease() as lease:
        separator = lease.separator("a")
        use(kept, "b")
        assert open_names(library) == ["a"]  # what is too much is closed as soon as it is idle
        assert "drums" in separator.separate(samples, 44100)
        with kept.lease() as other:
            other.separator("b")
            assert open_names(library) == ["a", "b"]
    assert len(open_names(library)) <= 1


def test_a_model_larger_than_the_budget_runs_and_is_closed_after(library: Library) -> None:
    kept = kept_for(library, 0.5)
    with kept.lease() as lease:
        lease.separator("a")
        assert open_names(library) == ["a"]
    assert open_names(library) == []
    assert kept.kept() == []


def test_a_model_that_two_requests_use_waits_for_both(library: Library) -> None:
    kept = kept_for(library, 0)
    first, second = kept.lease(), kept.lease()
    separator = first.separator("a")
    assert second.separator("a") is separator
    first.close()
    assert open_names(library) == ["a"]
    second.close()
    assert open_names(library) == []


def test_a_model_that_cannot_be_opened_is_not_kept(tmp_path: Path) -> None:
    folder = write_gains(tmp_path, gain_info("a"), (1.0, 1.0, 1.0))
    (folder / "1" / "model.onnx").write_bytes(b"no graph")
    library = Library(tmp_path)
    kept = KeptModels(library)
    with pytest.raises(ArtifactError), kept.lease() as lease:
        lease.separator("a")
    assert kept.kept() == []
    library.close()


def test_many_requests_at_once_never_meet_a_closed_model(library: Library) -> None:
    kept = kept_for(library, 1)
    samples = np.ones((2, 500), np.float32)
    failed: list[BaseException] = []

    def run(seed: int) -> None:
        rng = np.random.default_rng(seed)
        try:
            for _ in range(30):
                with kept.lease() as lease:
                    lease.separator(NAMES[rng.integers(len(NAMES))]).separate(samples, 44100)
        except BaseException as error:  # noqa: BLE001 - reported by the test
            failed.append(error)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(open_names(library)) <= 1


def test_a_lease_opens_nothing_of_its_own(library: Library) -> None:
    lease: Lease = KeptModels(library).lease()
    assert lease.separator("a") is library.separator("a")
    assert lease.is_open(library.named("a"))
