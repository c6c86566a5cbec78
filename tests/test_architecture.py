"""The arrows of the house: who may import whom, who may name what; running needs no torch."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import pytest
from cli_helpers import run_without_torch

from stemline.export.precisions import PRECISIONS
from stemline.families import FAMILIES

ROOT = Path(__file__).parent.parent
FOLDERS = (
    "band",
    "bench",
    "engines",
    "evaluation",
    "export",
    "families",
    "postprocessing",
    "preprocessing",
    "serving",
    "stemline",
    "training",
)
# Folders that are rooms by themselves, and what of `stemline/` is the ground under all.
INNER = (
    "bench/studies",
    "serving/cli",
    "serving/client",
    "serving/messages",
    "serving/rpc",
    "serving/worker",
)
GROUND = (
    "arrays",
    "atomic_files",
    "checks",
    "errors",
    "file_locks",
    "tags",
    "temporary_folders",
)

_AUDIO = {"preprocessing", "postprocessing"}
_CORE = {"engines", "families", *_AUDIO}
# Room → the rooms it may import besides itself and the ground. No arrow points up, so there is no
# cycle of rooms; the command line is the one place that knows every side.
MAY_IMPORT: dict[str, set[str]] = {
    "ground": set(),
    "band": set(),
    "preprocessing": set(),
    "postprocessing": set(),
    "engines": set(),
    "families": {"engines", *_AUDIO},
    "serving": _CORE,
    "serving/messages": {"serving", "v1", *_CORE},
    "serving/client": {"serving", "serving/messages", "v1", *_AUDIO},
    "serving/rpc": {"serving", "serving/messages", "v1", *_CORE},
    "serving/worker": {"serving", *_CORE},
    "face": {"serving", "serving/client", "serving/cli", *_CORE},
    "evaluation": {"serving", "band", *_CORE},
    "export": {"evaluation", "engines", "families"},
    "bench": {"export", "evaluation", "serving", "serving/client", "serving/rpc", "v1", *_CORE},
    "training": {"export", "evaluation", "band", *_CORE},
}
MAY_IMPORT["bench/studies"] = {"bench", "band", *MAY_IMPORT["bench"]}
MAY_IMPORT["serving/cli"] = set(MAY_IMPORT) - {"face", "training", "bench/studies"} | {"v1"}

# Third-party modules that some files alone may import, wherever in them.
_TORCH_OF_FAMILIES = r"families/[a-z0-9]+/(network|checkpoint|graph)(\.py|/.*)"
ONLY_IN = {
    "torch": rf"export/.*|training/.*|bench/.*|engines/pytorch\.py|{_TORCH_OF_FAMILIES}",
    "onnx": rf"export/.*|bench/studies/.*|{_TORCH_OF_FAMILIES}",
    "onnxscript": r"export/.*",
    "yaml": r"families/[a-z0-9]+/(checkpoint/bag_file|config_file)\.py",
    "pooch": r"export/.*",
    "grpc": r"serving/(rpc|client|protos)/.*|bench/.*",
    # Studies run graphs that others wrote, which no engine of ours opens.
    "onnxruntime": r"engines/onnxruntime\.py|bench/studies/.*",
    "typer": r"serving/cli/.*",
    "tokenizers": r"families/audiosep/texts\.py",
    "matplotlib": r"bench/.*|serving/.*",
}


@lru_cache(maxsize=1)
def sources() -> tuple[Path, ...]:
    return tuple(
        path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "protos" not in path.parts
    )


@lru_cache(maxsize=1)
def modules() -> dict[str, Path]:
    return {module_of(path): path for path in sources()}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(parts if parts[0] == "stemline" else ("stemline", *parts))


def room_of(module: str) -> str:
    """The room of a module of ours by its dotted name."""
    parts = module.split(".")[1:]
    if parts and parts[0] in GROUND:
        return "ground"
    if parts and parts[0] == "v1":
        return "v1"
    if not parts or parts[0] not in FOLDERS:
        return "face"
    inner = "/".join(parts[:2])
    return inner if inner in INNER else parts[0]


@lru_cache(maxsize=512)
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports(path: Path, *, run_time_only: bool = False) -> Iterator[str]:
    """Every module that a file imports, type-checking imports included; relative ones resolved."""
    module = module_of(path)
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    left_out = {
        id(inner)
        for node in ast.walk(tree_of(path))
        if run_time_only and is_type_checking(node)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree_of(path)):
        if id(node) in left_out:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            found = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{found}.{alias.name}"
                yield inner if inner in modules() or inner.startswith("stemline.v1") else found


def cycles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Sets of two nodes or more that reach each other."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for target in graph.get(waiting.pop(), set()) - seen:
                seen.add(target)
                waiting.append(target)
        return seen

    reach = {node: reached(node) for node in graph}
    found: list[set[str]] = []
    for node in graph:
        loop = {other for other in reach[node] if node in reach.get(other, set())}
        if loop and loop not in found:
            found.append(loop)
    return found


@pytest.mark.parametrize("path", sources(), ids=relative)
def test_arrows_only_point_down(path: Path) -> None:
    room = room_of(module_of(path))
    for module in imports(path):
        if module.split(".")[0] == "stemline":
            assert room_of(module) in MAY_IMPORT[room] | {room, "ground"}, f"imports {module}"
    for module in imports(path, run_time_only=True):
        top = module.split(".")[0]
        if top in ONLY_IN:
            assert re.fullmatch(ONLY_IN[top], relative(path)), f"imports {module}"


def test_every_room_has_its_arrows() -> None:
    assert {room_of(module) for module in modules()} == set(MAY_IMPORT)


def test_the_arrows_themselves_have_no_cycle() -> None:
    assert cycles(MAY_IMPORT) == []


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = {
        module: {found for found in imports(path) if found in modules()} - {module}
        for module, path in modules().items()
    }
    assert cycles(graph) == []


def code_strings(path: Path) -> Iterator[tuple[int, str]]:
    """Strings and names of a file's code, docstrings left out, each with its line."""
    documentation = {
        id(node.value)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in documentation:
                yield node.lineno, node.value
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.lineno, node.arg or ""


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sources()
        if not re.match(r"families/|training/|bench/studies/", relative(path))
    ],
    ids=relative,
)
def test_no_family_is_named_outside_its_folder(path: Path) -> None:
    named = re.compile(rf"(?<![a-z0-9-])({'|'.join(FAMILIES)})(?![a-z0-9-])", re.IGNORECASE)
    assert [found for found in code_strings(path) if named.search(found[1])] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_no_family_names_another(family: str) -> None:
    for path in (ROOT / "families" / family).rglob("*.py"):
        others = {f"stemline.families.{other}" for other in FAMILIES if other != family}
        assert not any(module.startswith(tuple(others)) for module in imports(path)), path


def test_a_precision_is_named_in_its_file_and_as_the_default_alone() -> None:
    allowed = r"export/precisions/.*|engines/artifact\.py|bench/studies/.*|training/.*"
    for path in sources():
        if not re.fullmatch(allowed, relative(path)):
            found = [found for found in code_strings(path) if found[1] in PRECISIONS]
            assert found == [], relative(path)


def test_nothing_asks_what_kind_of_configuration_it_has() -> None:
    asked = re.compile(r"isinstance\([^()]*\bconfig\b,|isinstance\([^()]*Config\b")
    for path in sources():
        if not relative(path).startswith(("families/", "training/")):
            assert not asked.search(path.read_text()), relative(path)


def test_functions_are_short() -> None:
    """At most 60 lines, but for the band's sounds and the families' networks."""
    exempt = r"band/.*|families/[a-z0-9]+/network(\.py|/.*)"
    long = [
        (relative(path), node.name, node.end_lineno - node.lineno + 1)
        for path in sources()
        if not re.fullmatch(exempt, relative(path))
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= 60
    ]
    assert long == []


@pytest.mark.parametrize(
    "verb",
    ["demo", "models", "separate", "beats", "serve", "worker", "export", "verify", "bench", "band"],
)
def test_every_verb_explains_itself_with_torch_absent(verb: str) -> None:
    done = run_without_torch(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_the_models_are_listed_with_torch_absent(tmp_path: Path) -> None:
    done = run_without_torch("models", "--artifacts", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "mdx23c-drumsep" in done.stdout


def test_exporting_with_torch_absent_says_what_to_install(tmp_path: Path) -> None:
    done = run_without_torch("export", "mdx23c", "--artifacts", str(tmp_path))
    assert done.returncode == 3
    assert "pip install 'stemline[export]'" in done.stderr
    assert "Traceback" not in done.stderr


def loaded_by(code: str, *packages: str) -> set[str]:
    """Which of the packages a process has loaded once it has run `code`."""
    told = f"import sys\n{code}\nprint(*({set(packages)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_server_does_not_import_torch() -> None:
    code = "import stemline.serving.rpc.server, stemline.serving.cli.app"
    assert loaded_by(code, "torch", "onnx", "yaml", "matplotlib") == set()


def test_the_core_knows_no_transport() -> None:
    code = "import stemline.serving.job_runs, stemline.serving.library"
    assert loaded_by(code, "grpc", "typer", "stemline.serving.rpc.server") == set()


def test_the_client_needs_nothing_of_the_server() -> None:
    code = "import stemline.serving.client.client"
    server = ("stemline.serving.rpc", "stemline.serving.library", "onnxruntime")
    assert loaded_by(code, *server) == set()
