"""The folders' arrows: who may import whom, and that running needs no torch."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_helpers import run_without_torch

ROOT = Path(__file__).parent.parent
FOLDERS = (
    "stemline",
    "band",
    "bench",
    "engines",
    "evaluation",
    "export",
    "families",
    "postprocessing",
    "preprocessing",
    "serving",
    "training",
)

# Folder → the folders it may import besides itself. The command line (serving/cli) is the one
# place that knows both sides, and what it takes from export and bench it takes when called.
MAY_IMPORT: dict[str, set[str]] = {
    "stemline": {"serving"},
    "band": {"arrays", "errors"},
    "preprocessing": {"arrays", "errors"},
    "engines": {"arrays", "errors"},
    "postprocessing": {"arrays", "errors"},
    "families": {"preprocessing", "engines", "postprocessing", "arrays", "errors"},
    "evaluation": {
        "families",
        "preprocessing",
        "engines",
        "postprocessing",
        "band",
        "arrays",
        "errors",
    },
    "serving": {"families", "preprocessing", "engines", "postprocessing", "arrays", "errors"},
    "export": {
        "evaluation",
        "families",
        "preprocessing",
        "engines",
        "postprocessing",
        "arrays",
        "errors",
    },
}
# Third-party modules that one folder alone may import, wherever in a file.
ONLY_IN: dict[str, set[str]] = {
    "torch": {"export", "bench"},
    "grpc": {"serving", "bench"},
    "typer": {"serving/cli"},
    "matplotlib": {"bench", "serving"},
}
# The reference engine is torch's own runtime and imports it when it is made.
TORCH_ENGINE = "engines/pytorch.py"


def sources() -> list[Path]:
    return [
        path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "protos" not in path.parts
    ]


def room_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return "serving/cli" if relative.parts[:2] == ("serving", "cli") else relative.parts[0]


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, absolute; relative ones resolved."""
    package = ["stemline", *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_only_point_down(path: Path) -> None:
    room = room_of(path)
    own = {room, room.partition("/")[0]}
    for module in imports(path):
        parts = module.split(".")
        if parts[0] == "stemline" and len(parts) > 1:
            assert parts[1] in MAY_IMPORT[room] | own, f"{path} imports {module}"
        if parts[0] in ONLY_IN and str(path.relative_to(ROOT)) != TORCH_ENGINE:
            assert own & ONLY_IN[parts[0]], f"{path} imports {module}"


def test_every_folder_of_code_has_its_arrows() -> None:
    assert {room_of(path) for path in sources()} == set(MAY_IMPORT)


@pytest.mark.parametrize(
    "verb", ["demo", "models", "separate", "beats", "serve", "export", "verify", "bench", "band"]
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


def test_importing_the_server_does_not_import_torch() -> None:
    code = (
        "import sys; import stemline.serving.rpc.server, stemline.serving.cli.app; "
        "heavy = {'torch', 'onnx', 'yaml', 'matplotlib'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
