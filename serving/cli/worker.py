"""`stemline worker`: one resident process for whoever starts it, by lines of JSON."""

import logging
from typing import Annotated

import typer

from stemline.errors import FAILED

from .options import AllowUntrained, BatchSize, Device, FindArtifacts, Threads, Verbose

Jobs = Annotated[int, typer.Option("-j", "--jobs", min=1, help="Requests at work at once.")]
MemoryMb = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Open models are kept up to this, 10⁶ bytes; half of the machine's or container's "
        "memory if unset.",
    ),
]
_MB = 1e6
_SHARE = 0.5


def worker(
    jobs: Jobs = 1,
    memory_mb: MemoryMb = None,
    artifacts: FindArtifacts = None,
    device: Device = "auto",
    threads: Threads = None,
    batch_size: BatchSize = None,
    allow_untrained: AllowUntrained = False,
    verbose: Verbose = False,
) -> None:
    """Take requests as lines of JSON on standard input, and answer them so.

    Methods: load_model, separate, beats, analyze, models, cancel, stats, exit; docs/worker.md has
    the fields of each. Standard output holds nothing else. The end of the input, exit and SIGTERM
    let what was accepted finish; a second SIGTERM stops.
    """
    from ..worker.standard_streams import take_standard_streams

    streams = take_standard_streams()  # before a library is loaded that might print
    from ..allocator import few_arenas
    from ..artifact_folders import artifact_folders
    from ..library import EngineOptions, Library
    from ..machine_memory import usable_memory_bytes
    from ..worker.serve import serve_lines

    few_arenas()
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
    )
    budget_bytes = _SHARE * usable_memory_bytes() if memory_mb is None else memory_mb * _MB
    engines = EngineOptions(device, threads, batch_size, allow_untrained)
    library = Library(artifact_folders(artifacts), engines)
    try:
        finished = serve_lines(library, streams, n_jobs=jobs, budget_bytes=budget_bytes)
    finally:
        library.close()
    if not finished:
        raise typer.Exit(FAILED)
