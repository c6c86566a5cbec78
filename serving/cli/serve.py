"""`stemline serve`: the gRPC server."""

import logging
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from stemline.engines import device_names
from stemline.errors import FAILED, UnknownModelError

from ..library import EngineOptions, Library
from .report import say
from .small_model import tell_of_small_model


def serve(
    models: Annotated[
        str | None,
        typer.Option(help="Loaded at the start, by commas; the first of each kind is the default."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="127.0.0.1 if unset.")] = None,
    port: Annotated[int | None, typer.Option(help="8500 if unset; 0 takes a free one.")] = None,
    artifacts: Annotated[Path | None, typer.Option(help="artifacts/ if unset.")] = None,
    device: Annotated[str | None, typer.Option(help=f"{device_names()}.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads in one operation.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Chunks run at once.")] = None,
    allow_untrained: Annotated[
        bool | None,
        typer.Option("--allow-untrained", help="Serve random weights too: noise, not stems."),
    ] = None,
    max_streams: Annotated[int | None, typer.Option(help="Calls at once; 64 if unset.")] = None,
    max_upload_mb: Annotated[float | None, typer.Option(help="Of one call, 10⁶ bytes.")] = None,
    max_audio_s: Annotated[float | None, typer.Option(help="Of one call, seconds.")] = None,
    max_beats_s: Annotated[
        float | None, typer.Option(help="The same where beats are found; 1200 if unset.")
    ] = None,
    max_beats_total_s: Annotated[
        float | None,
        typer.Option(
            help="Of all calls at once where beats are found, seconds: 8 to 16 MB of memory a "
            "minute beside the network's own; 7200 if unset, 1 to 2 GB."
        ),
    ] = None,
    idle_s: Annotated[
        float | None, typer.Option(help="Wait for a client's next message, seconds; 60 if unset.")
    ] = None,
    grace_s: Annotated[
        float | None,
        typer.Option(help="What accepted calls get to finish on SIGTERM; no limit if unset."),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Server certificate, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option(help="Clients must be signed by this authority, PEM.")
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="Holds the bearer token.")] = None,
    insecure: Annotated[
        bool | None,
        typer.Option("--insecure", help="Listen beyond loopback without TLS."),
    ] = None,
    reflection: Annotated[bool | None, typer.Option(help="gRPC reflection; on.")] = None,
) -> None:
    """Serve stems, beats and the list of models over gRPC until SIGTERM.

    Then finish what was accepted. A second SIGTERM stops at once.

    Every option is also an environment variable: --max-streams is STEMLINE_MAX_STREAMS.
    """
    from ..rpc.server import serve as serve_until_told
    from ..rpc.settings import load_settings

    settings = load_settings(
        models=models,
        host=host,
        port=port,
        artifacts=artifacts,
        device=device,
        threads=threads,
        batch_size=batch_size,
        allow_untrained=allow_untrained,
        max_streams=max_streams,
        max_upload_mb=max_upload_mb,
        max_audio_s=max_audio_s,
        max_beats_s=max_beats_s,
        max_beats_total_s=max_beats_total_s,
        idle_s=idle_s,
        grace_s=grace_s,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_client_ca=tls_client_ca,
        token_file=token_file,
        insecure=insecure,
        reflection=reflection,
    )
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    library = Library(
        settings.artifacts,
        EngineOptions(
            settings.device, settings.threads, settings.batch_size, settings.allow_untrained
        ),
    )

    def ready(where: str) -> None:
        say(f"serving on {where}")
        if not settings.models:
            with suppress(UnknownModelError):  # several, and no default: calls must name one
                tell_of_small_model("", library.find().info.model)

    try:
        finished = serve_until_told(library, settings, ready)
    finally:
        library.close()
    if not finished:
        raise typer.Exit(FAILED)
