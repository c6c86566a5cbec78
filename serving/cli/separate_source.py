"""What separates the files of `stemline separate`: a model here, or a server's."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ..files import Source
from ..jobs import SeparateOptions
from ..library import EngineOptions, Library
from .remote import ServerOptions
from .report import say, warn
from .run_info import RunInfo
from .small_model import tell_of_small_model


@dataclass(frozen=True)
class SeparationRun(RunInfo):
    """What did the work, for the summary."""

    networks: tuple[str, ...]
    """The artifacts that ran: of a bag those that count for the stems."""


@dataclass(frozen=True)
class SeparateSource:
    """What does the work, and how it is described."""

    source: Source
    describe: Callable[[], SeparationRun]
    """A server says what it runs only once it has accepted a call."""


def open_local(
    closing: ExitStack,
    artifacts: Path,
    model: str,
    engines: EngineOptions,
    options: SeparateOptions,
) -> SeparateSource:
    """Load what the files need, and say what it is; `closing` frees it."""
    library = Library(artifacts, engines)
    closing.callback(library.close)
    found = library.find(model)
    separator = library.separator(model)
    networks = separator.check(options)
    spec = separator.engine_spec
    if not found.info.trained:
        warn(f"{found.name} has random weights: what it writes is noise, not stems")
    which = ""
    if len(found.networks) > 1:
        which = f", {len(networks)} of {len(found.networks)} networks: {', '.join(networks)}"
    say(f"{found.name} on {spec.device} ({spec.provider}){which}")
    tell_of_small_model(model, found.info.model)
    run = SeparationRun(
        model=found.info.model,
        artifact=found.name,
        artifact_sha256=found.sha256,
        provider=spec.provider,
        device=spec.device,
        networks=networks,
    )
    return SeparateSource(separator, lambda: run)


def open_remote(closing: ExitStack, server: ServerOptions, model: str) -> SeparateSource:
    """Connect with the first file; `closing` ends it."""
    remote = closing.enter_context(server.connect()).model(model)

    def describe() -> SeparationRun:
        accepted = remote.accepted
        if accepted is None:
            return SeparationRun(model, "", "", "", "", ())
        return SeparationRun(
            model=accepted.model,
            artifact=accepted.artifact,
            artifact_sha256=accepted.artifact_sha256,
            provider=accepted.provider,
            device=accepted.device,
            networks=tuple(accepted.networks),
        )

    return SeparateSource(remote, describe)
