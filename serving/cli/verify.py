"""`stemline verify`: measure artifacts again, against PyTorch or the stored golden values."""

from pathlib import Path
from typing import Annotated

import typer

from stemline.engines import ArtifactError

from ..errors import FAILED
from ..library import Library
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
    from stemline.export.card import ParityError
    from stemline.export.verify import verify_artifact

    library = Library(artifacts)
    failed = False
    for name in names:
        given = Path(name)
        folder = given if given.is_dir() else library.find(name).engine_path.parent.parent
        try:
            card = verify_artifact(folder, weights)
        except (ParityError, ArtifactError) as error:
            failed = True
            if as_json:
                print_json({"artifact": folder.name, "ok": False, "error": str(error)})
            else:
                print_table("failed", ("artifact", "why"), [(folder.name, str(error))])
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
    if failed:
        raise typer.Exit(FAILED)
