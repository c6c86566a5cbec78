"""What the command imports before it answers: what takes long is imported by who needs it."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
sys.argv = ["stemline", *sys.argv[1:]]
from stemline.serving.cli.app import main
try:
    main()
except SystemExit:
    pass
sys.stderr.write("imported: " + " ".join(sys.modules))
"""
HEAVY = {"grpc", "matplotlib", "numpy", "onnxruntime", "scipy", "soundfile", "soxr", "torch"}


def imported(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout
    return set(done.stderr.rpartition("imported: ")[2].split())


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], ["-V"]])
def test_help_and_version_import_nothing_that_takes_long(arguments: list[str]) -> None:
    assert imported(*arguments) & HEAVY == set()


def test_version_is_said_before_typer_reads_any_option() -> None:
    assert "pydantic" not in imported("--version")


def test_a_list_of_models_imports_numpy_and_nothing_that_takes_longer() -> None:
    assert imported("models", "--artifacts", "nowhere") & HEAVY == {"numpy"}


def test_what_a_list_reads_of_exported_models_imports_numpy_alone_too() -> None:
    script = "import sys, stemline.export.manifest; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) & HEAVY == {"numpy"}
