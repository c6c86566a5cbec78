"""`stemline serve`: the gRPC server."""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from stemline.errors import FAILED, UnknownModelError

from ..allocator import few_arenas
from ..artifact_folders import artifact_folders
from ..library import EngineOptions, Library
from . import serve_options as option
from .report import say
from .small_model import tell_of_small_model

if TYPE_CHECKING:
    from ..rpc.settings import ServerSettings

    _Serve = Callable[[Library, ServerSettings, Callable[[str], None], Callable[[], None]], bool]


def serve(
    models: option.Models = None,
    host: option.Host = None,
    port: option.Port = None,
    artifacts: option.Artifacts = None,
    device: option.Device = None,
    threads: option.Threads = None,
    batch_size: option.BatchSize = None,
    allow_untrained: option.AllowUntrained = None,
    max_streams: option.MaxStreams = None,
    max_upload_mb: option.MaxUploadMb = None,
    max_audio_s: option.MaxAudioS = None,
    max_beats_s: option.MaxBeatsS = None,
    max_beats_total_s: option.MaxBeatsTotalS = None,
    max_memory_mb: option.MaxMemoryMb = None,
    max_disk_mb: option.MaxDiskMb = None,
    idle_s: option.IdleS = None,
    unread_s: option.UnreadS = None,
    min_bytes_s: option.MinBytesS = None,
    grace_s: option.GraceS = None,
    tls_cert: option.TlsCert = None,
    tls_key: option.TlsKey = None,
    tls_client_ca: option.TlsClientCa = None,
    token_file: option.TokenFile = None,
    insecure: option.Insecure = None,
    reflection: option.Reflection = None,
) -> None:
    """Serve stems, beats and the list of models over gRPC until SIGTERM.

    Then finish what was accepted. A second SIGTERM stops at once.

    Every option is also an environment variable: --max-streams is STEMLINE_MAX_STREAMS.
    """
    flags = dict(locals())  # every option is a setting of the same name
    from ..rpc.server import serve as serve_until_stopped
    from ..rpc.settings import load_settings
    from ..rpc.watchdog import Watchdog

    few_arenas()
    _run(serve_until_stopped, load_settings(**flags), Watchdog().pat)


def _run(
    serve_until_stopped: "_Serve", settings: "ServerSettings", while_ending: Callable[[], None]
) -> None:
    """Serve the models of one folder; raise typer.Exit where accepted calls were broken off."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    engines = EngineOptions(
        settings.device, settings.threads, settings.batch_size, settings.allow_untrained
    )
    library = Library(artifact_folders(settings.artifacts), engines, where="on this server")

    def ready(where: str) -> None:
        say(f"serving on {where}")
        if not settings.models:
            with suppress(UnknownModelError):  # several, and no default: calls must name one
                tell_of_small_model("", library.find().info.model)

    try:
        finished = serve_until_stopped(library, settings, ready, while_ending)
    finally:
        library.close()
    if not finished:
        raise typer.Exit(FAILED)
