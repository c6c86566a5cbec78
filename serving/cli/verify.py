"""`stemline verify`: measure artifacts again, against PyTorch or the stored golden values."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import FAILED, STATUS_AND_EXIT
from ..library import Library
from .export import weights_exit_codes
from .options import DEFAULT_ARTIFACTS, Artifacts, Json
from .report import print_json, print_table


def verify(
    names: Annotated[
        list[str], typer.Argument(metavar="ARTIFACT...", help="Artifacts, models or folders.")
    ],
    weights: Annotated[
        Path | None, typer.Option(help="The checkpoint, when it is not in the cache.")
    ] = None,
    artifacts: Artifacts = DEFAULT_ARTIFACTS,
    as_json: Json = False,
) -> None:
    """Check every file's digest and recompute the parity card; exit 1 when a budget is missed."""
    from stemline.export.verify import verify_artifact

    library = Library(artifacts)
    exit_codes = _exit_codes()
    failures: list[int] = []
    for name in names:
        given = Path(name)
        shown = name
        try:
            folder = given if given.is_dir() else library.find(name).engine_path.parent.parent
            shown = folder.name
            card = verify_artifact(folder, weights)
        except tuple(exit_codes) as error:
            failures.append(
                next(exit_codes[kind] for kind in type(error).__mro__ if kind in exit_codes)
            )
            if as_json:
                print_json({"artifact": shown, "ok": False, "error": str(error)})
            else:
                print_table("failed", ("artifact", "why"), [(shown, str(error))])
            continue
        if as_json:
            print_json({"artifact": folder.name, "ok": True, "card": card.to_json()})
            continue
        print_table(
            f"{folder.name} against {card.reference}, budget {card.budget_db:.0f} dB",
            ("stem", "batch", "SNR", "largest difference"),
            [
                (row.stem, str(row.batch), f"{row.snr_db:.1f} dB", f"{row.max_abs:.2e}")
                for row in card.parity
            ],
        )
    if failures:
        raise typer.Exit(failures[0] if len(names) == 1 else FAILED)


def _exit_codes() -> dict[type[Exception], int]:
    """What may be wrong with one artifact and must not keep the others from being verified."""
    from stemline.export.card import ParityError

    codes = {kind: code for kind, (_, code) in STATUS_AND_EXIT.items()}
    codes |= {ParityError: FAILED, OSError: FAILED}
    try:
        return codes | weights_exit_codes()
    except ImportError:  # then no weights are loaded either
        return codes
