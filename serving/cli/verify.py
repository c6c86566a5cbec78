"""`stemline verify`: measure artifacts again, against PyTorch or the stored golden values.

Where export measured their stems against the truth of held-out songs, that is measured too.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemline.errors import FAILED, StemlineError

from ..artifact_folders import artifact_folders
from ..library import Library
from .batch import attempt
from .options import FindArtifacts, Json
from .report import print_json, print_table, say, warn

if TYPE_CHECKING:
    from stemline.evaluation.beat_quality import BeatQuality
    from stemline.evaluation.quality import Quality
    from stemline.export.card import Card


Names = Annotated[
    list[str], typer.Argument(metavar="ARTIFACT...", help="Artifacts, models or folders.")
]
Weights = Annotated[
    Path | None,
    typer.Option(
        help="The checkpoint, or the folder of a bag's or of folds, when not in the cache."
    ),
]


def verify(
    names: Names,
    weights: Weights = None,
    artifacts: FindArtifacts = None,
    as_json: Json = False,
) -> None:
    """Check every file's digest, measure parity and stems anew; exit 1 when a bound is missed."""
    library = Library(artifact_folders(artifacts))
    failures: list[int] = []

    def failed(shown: str, error: Exception) -> None:
        failures.append(error.exit_code if isinstance(error, StemlineError) else FAILED)
        if as_json:
            print_json({"artifact": shown, "ok": False, "error": str(error)})
        else:
            print_table("failed", ("artifact", "why"), [(shown, str(error))])

    folders: list[Path] = []
    for name in names:
        found = attempt(partial(_folders_of, name, library))
        if isinstance(found, Exception):
            failed(name, found)
        else:
            folders += found
    for folder in folders:
        error = attempt(partial(_verify_one, folder, weights, as_json))
        if error is not None:
            failed(folder.name, error)
    if failures:
        raise typer.Exit(failures[0] if len(names) == 1 else FAILED)


def _folders_of(name: str, library: Library) -> list[Path]:
    """The artifacts that a name means: one, or all that a model is made of."""
    folder = Path(name)
    if folder.is_dir():
        return [folder]
    return [artifact.engine_path.parent.parent for artifact in library.named(name).parts]


def _verify_one(folder: Path, weights: Path | None, as_json: bool) -> None:
    """Measure one artifact and print what was found. Raises StemlineError or OSError."""
    from stemline.export.manifest import stored_quality
    from stemline.export.verify import verify_artifact

    stored = stored_quality(folder)
    card = verify_artifact(folder, weights)
    if stored and card.quality and not card.quality.has_songs_of(stored):
        warn(
            f"{folder.name}: the band of this version plays other songs than export's; how "
            "well it separates them was measured, and not compared"
        )
    if as_json:
        print_json({"artifact": folder.name, "ok": True, "card": card.to_json()})
    else:
        _print_card(folder.name, card, stored)


def _print_card(name: str, card: "Card", stored: "Quality | None") -> None:
    print_table(
        f"{name} against {card.reference}, budget {card.budget_db:.0f} dB",
        ("output", "stem", "batch", "SNR", "largest difference"),
        [
            (row.output, row.stem, str(row.batch), f"{row.snr_db:.1f} dB", f"{row.max_abs:.2e}")
            for row in card.parity
        ],
    )
    if card.beat_agreement is not None:
        say(
            f"{name}: beats agree with those of {card.reference} to an F-measure of "
            f"{card.beat_agreement:.3f}"
        )
    if card.beat_quality:
        say(f"{name}: {_words_of(card.beat_quality)}")
    if card.quality:
        _print_quality(name, card.quality, stored)
    elif card.quality_skipped:
        say(f"{name}: not measured how well it separates: {card.quality_skipped}")


def _print_quality(name: str, quality: "Quality", stored: "Quality | None") -> None:
    exported = {stem.stem: stem for stem in stored.stems} if stored else {}
    print_table(
        f"{name} on {len(quality.seeds)} held-out songs of the synthetic band, "
        f"{quality.seconds_each:g} s each, at overlap {quality.overlap:g}: mean improvement "
        f"{quality.mean_improvement_db:.2f} dB",
        ("stem", "SI-SDR", "improvement", "at export", "songs"),
        [
            (
                stem.stem,
                f"{stem.si_sdr_db:.2f} dB",
                f"{stem.improvement_db:+.2f} dB",
                f"{exported[stem.stem].improvement_db:+.2f} dB" if stem.stem in exported else "",
                str(stem.n_songs),
            )
            for stem in quality.stems
        ],
    )


def _words_of(beats: "BeatQuality") -> str:
    words = (
        f"in the {beats.inputs} of {len(beats.seeds)} held-out songs of {beats.seconds_each:g} s, "
        f"F-measure of beats {beats.beat:.3f}, of downbeats {beats.downbeat:.3f}"
    )
    if beats.boundary is not None and beats.label is not None:
        words += (
            f", of sections within 3 s {beats.boundary:.3f}; {beats.label:.0%} of the time has the "
            "right label"
        )
    return words
