"""`stemline export`: trained weights to verified artifacts. Needs the `export` extra."""

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemline.engines.artifact import DEFAULT_PRECISION
from stemline.engines.device import one_of
from stemline.errors import FAILED, ExportError, RequestError, StemlineError
from stemline.export.models import MODELS, find_model
from stemline.families import all_families

from .options import DEFAULT_ARTIFACTS, Artifacts, Json, split_names
from .report import fail, print_json, print_table, say, warn

if TYPE_CHECKING:
    from stemline.export.export import ExportResult


Models = Annotated[
    list[str] | None, typer.Argument(help="Models of the table, or a new NAME with --family.")
]
Everything = Annotated[bool, typer.Option("--all", help="Every model of the table.")]
Variants = Annotated[str, typer.Option(help="Precisions, separated by commas.")]
Weights = Annotated[
    str,
    typer.Option(
        help="auto, official, random, a checkpoint, or the folder of a bag's or of folds."
    ),
]
_CUSTOM = [family for family in all_families() if family.takes_custom]
FamilyName = Annotated[
    str,
    typer.Option(
        help="Of a checkpoint that is not in the table: "
        f"{one_of([family.name for family in _CUSTOM])}."
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        help=f"{'; '.join(family.config_help for family in _CUSTOM if family.config_help)}."
    ),
]
Jobs = Annotated[int, typer.Option(min=1, help="Models exported at once.")]


def export(
    models: Models = None,
    everything: Everything = False,
    variants: Variants = DEFAULT_PRECISION,
    weights: Weights = "auto",
    family: FamilyName = "",
    config: Config = None,
    jobs: Jobs = 1,
    artifacts: Artifacts = DEFAULT_ARTIFACTS,
    as_json: Json = False,
) -> None:
    """Export models to ONNX and verify each against PyTorch; what is unchanged is kept."""
    names = list(MODELS) if everything else list(models or [])
    if everything and models:
        raise RequestError("models", "--all and a list of models exclude each other")
    _check(names, weights, family, config)

    import stemline.export.export  # the one that says which package is missing  # noqa: F401

    precisions = split_names(variants)
    work = {
        name: partial(_export_one, name, precisions, weights, family, config, artifacts)
        for name in names
    }
    if not family:
        for name in names:
            find_model(name)
    results: list[ExportResult] = []
    failures: dict[str, StemlineError] = {}
    for name, result in _run(work, jobs):
        if isinstance(result, StemlineError):
            failures[name] = result
        else:
            results.extend(result)
    _report(results, failures, artifacts.absolute(), as_json)
    if failures:
        codes = {failure.exit_code for failure in failures.values()}
        raise typer.Exit(codes.pop() if len(failures) == len(names) == 1 else FAILED)


def _check(names: list[str], weights: str, family: str, config: Path | None) -> None:
    """Raise RequestError where the options do not go together."""
    if not names:
        raise RequestError("models", f"name a model or --all; there are {', '.join(MODELS)}")
    if weights not in ("auto", "official", "random") and len(names) > 1:
        raise RequestError("weights", f"--weights {weights} is one checkpoint, for one model")
    if config is not None and not family:
        raise RequestError("config", "--config needs --family, the kind of network it describes")
    if family and len(names) > 1:
        raise RequestError("family", "--family is of one model, which --weights are for")


def _export_one(
    name: str,
    variants: tuple[str, ...],
    weights: str,
    family: str,
    config: Path | None,
    artifacts: Path,
) -> "list[ExportResult] | StemlineError":
    """One model; also run in a process of its own, which its import of torch stays in."""
    from stemline.export.export import export_custom, export_model

    try:
        if family:
            return export_custom(name, family, config, weights, variants, artifacts, say)
        return export_model(find_model(name), variants, weights, artifacts, say)
    except ExportError as error:
        return error


def _run(
    work: "Mapping[str, Callable[[], list[ExportResult] | StemlineError]]", jobs: int
) -> "Iterator[tuple[str, list[ExportResult] | StemlineError]]":
    if jobs == 1:
        for name, call in work.items():
            yield name, call()
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=jobs, mp_context=context) as pool:
        futures = {name: pool.submit(call) for name, call in work.items()}
        for name, future in futures.items():
            yield name, future.result()


def _report(
    results: "list[ExportResult]",
    failures: dict[str, StemlineError],
    folder: Path,
    as_json: bool,
) -> None:
    if as_json:
        print_json(
            {
                "artifacts": [_json_of(result) for result in results],
                "failed": {name: str(failure) for name, failure in failures.items()},
            }
        )
    elif results:
        print_table(
            "artifacts",
            ("artifact", "status", "weights", "parity", "size", "against PyTorch", "took"),
            [_row(result) for result in results],
        )
        say(f"the artifacts are in {folder}")
    for name, failure in failures.items():
        fail(f"{name}: {failure}")
    for result in results:
        if not result.trained:
            warn(
                f"{result.artifact} has RANDOM WEIGHTS, it is NOT A TRAINED MODEL: its speed and "
                f"shapes are real, what it gives is noise. {result.reason}".rstrip()
            )
        elif result.status == "kept":
            warn(
                f"{result.artifact} is out of date but was kept: its trained weights cannot be "
                f"fetched again. {result.reason}"
            )


def _row(result: "ExportResult") -> tuple[str, ...]:
    card = result.card
    speed = f"{card.reference_seconds / card.seconds:.2f}× faster" if card.reference_seconds else ""
    return (
        result.artifact,
        result.status,
        "trained" if result.trained else "RANDOM, NOT TRAINED",
        f"{card.snr_db:.1f} dB",
        f"{card.size_bytes / 1e6:.0f} MB",
        speed,
        f"{result.seconds:.1f} s",
    )


def _json_of(result: "ExportResult") -> dict[str, Any]:
    return {
        "artifact": result.artifact,
        "folder": str(result.folder.absolute()),
        "status": result.status,
        "trained": result.trained,
        "reason": result.reason,
        "card": result.card.to_json(),
        "seconds": round(result.seconds, 3),
    }
