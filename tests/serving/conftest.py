"""A small exported network, shared by the tests of the command."""

from pathlib import Path

import pytest
from cli_helpers import CONFIG, run


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one small network of random weights, `tiny`."""
    root = tmp_path_factory.mktemp("exported")
    (root / "tiny.yaml").write_text(CONFIG)
    done = run(
        "export", "tiny", "--family", "mdx23c", "--config", root / "tiny.yaml",
        "--weights", "random", "--artifacts", root / "artifacts",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "RANDOM WEIGHTS" in done.stderr
    return root / "artifacts"
