"""Stems that a server has encoded, written to files."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from stemline.atomic_files import replaced
from stemline.postprocessing.encode import OutputFormat

from ..stem_output import paths_in
from .call_parts import log_faults
from .remote_call import RemoteCall
from .remote_separation import OnProgress


def written_stems(
    call: RemoteCall[Any],
    stems: Iterable[str],
    folder: Path,
    output: OutputFormat,
    on_progress: OnProgress | None,
    take: Callable[[Any], None] = lambda message: None,
) -> dict[str, Path]:
    """Write stems that come as files; returns name → `folder/<stem>.<container>`, all or none.

    The folder is made where it is missing, and removed again where no stem is written. `take` is
    called with every other message. Raises RemoteError or OSError.
    """
    with ExitStack() as stack:
        stack.callback(call.close)
        for made in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
            stack.callback(_remove_if_empty, made)
        folder.mkdir(parents=True, exist_ok=True)
        paths = paths_in(folder, stems, output)
        files = {
            stem: stack.enter_context(stack.enter_context(replaced(path)).open("wb"))
            for stem, path in paths.items()
        }
        for message in call:
            match message.WhichOneof("response"):
                case "stem_block":
                    files[message.stem_block.stem].write(message.stem_block.data)
                case "progress":
                    if on_progress is not None:
                        on_progress(message.progress)
                case "summary":
                    log_faults(message.summary.input_faults)
                case _:
                    take(message)
        for file in files.values():  # all are whole before the first takes its place
            file.close()
    return paths


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # it holds something, or was never made
        folder.rmdir()
