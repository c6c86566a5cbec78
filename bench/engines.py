"""The engines that can be measured: a row each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemline.engines import Artifact, Engine
from stemline.engines.artifact import DEFAULT_PRECISION, MANIFEST
from stemline.engines.device import AUTO, one_of, served_device
from stemline.engines.runtimes import RUNTIMES, all_runtimes, open_with
from stemline.errors import BenchError, MissingExtraError, RequestError
from stemline.export.precisions import PRECISIONS
from stemline.families import find_family

if TYPE_CHECKING:
    from torch import nn

REFERENCE = "torch"
"""What speed and fidelity of the others are compared with."""


@dataclass(frozen=True)
class Opening:
    """How a worker is to open an engine."""

    engine_path: Path
    weights: Path | None
    """The checkpoint, where PyTorch needs it and the cache does not have it."""
    device: str
    threads: int


@dataclass(frozen=True)
class Opened:
    """A loaded engine."""

    engine: Engine
    size_bytes: int
    """What was loaded: a graph's file, or a network's weights."""


@dataclass(frozen=True)
class BenchEngine:
    """One engine by the name that `--engines` takes."""

    name: str
    precision: str
    """The artifact's that it opens."""
    served: bool
    """Whether `separate` and `serve` can run it: only such an engine has a whole track timed."""
    open: Callable[[Opening], Opened]


def _open_served(runtime: str, opening: Opening) -> Opened:
    everyone = all_runtimes()
    devices = [AUTO, *(device for each in everyone for device in each.devices)]
    served_device(opening.device, devices, by=one_of([each.name for each in everyone]))
    engine = open_with(runtime, opening.engine_path, opening.device, opening.threads)
    return Opened(engine, opening.engine_path.stat().st_size)


def _open_torch(opening: Opening) -> Opened:
    try:
        import torch

        from stemline.errors import CheckpointError, WeightsError
        from stemline.export.reference import reference_engine
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", "export") from error
    # As export writes it: the engine is FOLDER/1/model.onnx.
    folder = opening.engine_path.resolve().parent.parent
    if not (folder / MANIFEST).is_file():
        raise BenchError(
            f"{opening.engine_path}: PyTorch is rebuilt from a {MANIFEST}, which a lone file has "
            "not; name an artifact, or leave torch out of --engines"
        )
    try:
        engine = reference_engine(
            folder, opening.weights, device=opening.device, threads=opening.threads
        )
    except WeightsError as error:
        raise BenchError(str(error), exit_code=3) from error
    except CheckpointError as error:
        raise BenchError(str(error)) from error
    with torch.device("meta"):  # shapes alone, for their size
        state = _stored_network(folder).state_dict()
    return Opened(engine, sum(tensor.nbytes for tensor in state.values()))


def _stored_network(folder: Path) -> "nn.Module":
    from stemline.engines.artifact import read_manifest
    from stemline.export.manifest import stored_config

    manifest = read_manifest(folder)
    return find_family(manifest["model"]["family"]).build(stored_config(manifest, folder))


def engine_names() -> list[str]:
    """What `--engines` takes: PyTorch, and every runtime with every precision, `onnx-int8`.

    The default precision goes without saying.
    """
    return [
        REFERENCE,
        *(
            runtime if precision == DEFAULT_PRECISION else f"{runtime}-{precision}"
            for runtime in RUNTIMES
            for precision in PRECISIONS
        ),
    ]


def find_engine(name: str) -> BenchEngine:
    """The engine of this name. Raises RequestError that lists those there are."""
    if name not in engine_names():
        there_are = ", ".join(engine_names())
        raise RequestError("engines", f"no engine {name!r}; there are {there_are}")
    if name == REFERENCE:
        return BenchEngine(name, DEFAULT_PRECISION, served=False, open=_open_torch)
    runtime, _, precision = name.partition("-")
    how = partial(_open_served, runtime)
    return BenchEngine(name, precision or DEFAULT_PRECISION, served=True, open=how)


def opened(engine: str, values: dict[str, Any]) -> Opened:
    """Open an engine by its name, as `processes.opening_values` has it travel to a worker."""
    weights = values["weights"]
    return find_engine(engine).open(
        Opening(
            engine_path=Path(values["engine_path"]),
            weights=None if weights is None else Path(weights),
            device=values["device"],
            threads=values["threads"],
        )
    )


@dataclass(frozen=True)
class Subject:
    """One engine of one model, and the artifact it runs."""

    engine: BenchEngine
    artifact: Artifact

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.engine.name} of {self.artifact.name}"


def reference_first(subjects: Iterable[Subject]) -> list[Subject]:
    """PyTorch before those that are compared with it, else in the order given."""
    return sorted(subjects, key=lambda subject: subject.engine.name != REFERENCE)
