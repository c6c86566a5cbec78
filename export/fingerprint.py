"""What an artifact was made from, as one digest: equal digests, equal artifacts.

Nothing is listed by hand. The sources are those that the export of this very artifact imports: its
family, its precision, the runtime it is judged with, export and evaluation with what they stand on,
and the band where its songs decided figures of the card. The registries name their modules in
strings, so that no family's sources are another's; they and the table of models count for nothing
themselves, since one line more in them makes no other artifact of those that are there.
"""

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stemline.engines.runtimes import DEFAULT_RUNTIME, RUNTIMES
from stemline.families import FAMILIES
from stemline.families.model_spec import ModelSpec

from .model_info import model_info
from .precisions import PRECISIONS

_PACKAGE = "stemline"
_BAND = "stemline.band"
_ROOTS = ("stemline.export.export",)
# Packages that shape the graph and the inputs it is judged on.
_PACKAGES = ("numpy", "onnx", "onnx-ir", "onnxscript", "scipy", "torch")
# Of the runtime that figures are measured with, by whichever name it is installed.
_RUNTIME_PACKAGES = ("onnxruntime", "onnxruntime-gpu")
_TABLES = (
    "stemline.families",
    "stemline.engines.runtimes",
    "stemline.export.models",
    "stemline.export.precisions",
)
# What an extension module is built from lies beside it, but in a wheel.
_EXTENSION_SOURCES = ("*.pyx", "*_kernel.*", "*.inc")


def fingerprint(spec: ModelSpec, variant: str, digest: str, has_quality: bool) -> str:
    """A digest of all that decides what an artifact holds.

    The band decides it only where the card has the quality on its songs: a large network, which
    is not measured at export, is not exported again for another tune.
    """
    packages = (*_PACKAGES, *(_RUNTIME_PACKAGES if has_quality else ()))
    made_from = {
        "info": model_info(spec, variant, digest).to_json(),
        "config": spec.config.to_json(),
        "carried": [file.sha256 for file in spec.carried_files],
        "packages": {package: _version(package) for package in packages},
        "sources": _digest(sources(spec.family, variant, has_quality).values()),
    }
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def sources(family: str, variant: str, has_quality: bool) -> dict[str, Path]:
    """Module → file of everything whose change makes another artifact, by name."""
    judged_with = RUNTIMES[DEFAULT_RUNTIME]
    waiting = [*_ROOTS, FAMILIES[family], PRECISIONS[variant], judged_with]
    tables = {*_TABLES, f"{FAMILIES[family]}.models"}
    found: dict[str, Path] = {}
    while waiting:
        module = waiting.pop()
        if module in found or (not has_quality and _is_below(module, _BAND)):
            continue
        path = _file_of(module)
        if path is None:
            continue
        found[module] = path
        waiting.extend(_imports(module, path))
    return {module: found[module] for module in sorted(found) if module not in tables}


def _is_below(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


@lru_cache(maxsize=1024)
def _file_of(module: str) -> Path | None:
    """The file of a module, None for a name that is no module."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # a name inside a module
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


def _imports(module: str, path: Path) -> Iterator[str]:
    """Modules of ours that a file imports, wherever in it, and the packages they lie in."""
    if path.suffix != ".py":
        return
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for name in _names(path.read_text(), package):
        parts = name.split(".")
        if parts[0] == _PACKAGE:
            yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


@lru_cache(maxsize=1024)
def _names(source: str, package: str) -> tuple[str, ...]:
    names: list[str] = []
    for node in _nodes_run(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                parents = parents[: len(parents) - node.level + 1]
                base = ".".join([*parents, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(names)


def _nodes_run(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below this one but those that only type checkers read."""
    children: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        children = node.orelse
    for child in children:
        yield child
        yield from _nodes_run(child)


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        built_from = [path]
        if path.suffix != ".py":
            built_from = sorted(
                one for pattern in _EXTENSION_SOURCES for one in path.parent.glob(pattern)
            ) or [path]
        for one in built_from:
            digest.update(one.read_bytes())
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
