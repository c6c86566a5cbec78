"""What separates the files of `stemline separate`: a model here, or a server's."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from stemline.engines.artifact import DEFAULT_PRECISION
from stemline.postprocessing.stems import residual_name

from ..artifact_folders import artifact_folders
from ..client.client import task_of
from ..files import Source
from ..jobs import SeparateOptions
from ..library import EngineOptions, Library
from ..stem_places import model_in_paths
from .remote import ServerOptions
from .report import say, warn
from .run_info import RunInfo
from .separate_plan import Made
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
    made: Callable[[], Made | None]
    """What is made of every file; None where a server has to choose the model first."""


def open_local(
    closing: ExitStack,
    artifacts: Path | None,
    model: str,
    engines: EngineOptions,
    options: SeparateOptions,
) -> SeparateSource:
    """Load what the files need, and say what it is; `closing` frees it."""
    library = Library(artifact_folders(artifacts), engines)
    closing.callback(library.close)
    found = library.find(model, by_text=bool(options.text))
    separator = library.separator_of(found)
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
    made = Made(path_name(run), _made_stems(separator.stems, options))
    return SeparateSource(separator, lambda: run, lambda: made)


def open_remote(
    closing: ExitStack, server: ServerOptions, model: str, options: SeparateOptions
) -> SeparateSource:
    """Connect with the first file; `closing` ends it."""
    client = closing.enter_context(server.connect())
    remote = client.model(model)

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

    def made() -> Made | None:
        separators = [one for one in client.list_models() if task_of(one) == "separate"]
        separators = [one for one in separators if one.takes_text == bool(options.text)]
        found = [one for one in separators if not model or model in (one.artifact, one.name)]
        usual = [one for one in found if one.precision == DEFAULT_PRECISION]
        if len(found) != 1 and len(usual) != 1:
            return None
        (one,) = found if len(found) == 1 else usual
        name = model_in_paths(one.name, one.artifact)
        return Made(name, _made_stems(one.stems, options))

    return SeparateSource(remote, describe, made)


def path_name(run: RunInfo) -> str:
    """What a model is called in paths: an artifact of the usual precision by the model's name."""
    return model_in_paths(run.model, run.artifact)


def _made_stems(stems: Iterable[str], options: SeparateOptions) -> tuple[str, ...]:
    """The stems that these options ask for, of all those of a model."""
    wanted = {stem.lower() for stem in options.stems}
    of_model = [stem for stem in stems if not wanted or stem.lower() in wanted]
    found = options.text or tuple(of_model)
    return (*found, residual_name(found)) if options.residual else found
