"""A new precision is a file and a line: here it is this file, from export to the command.

The toy rounds every weight to a 64th, and is allowed what that costs.
"""

import json
from pathlib import Path

import pytest
import soundfile
from cli_helpers import CONFIG
from helpers import music
from toy_helpers import Extended

from stemline.export.precisions import Budget, Precision


def round_weights(path: Path) -> None:
    """Rewrite a graph in place."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            rounded = np.round(values * 64) / 64
            tensor.CopyFrom(numpy_helper.from_array(rounded.astype(np.float32), tensor.name))
    onnx.save(model, path)


PRECISION = Precision(
    name="sixty-fourths",
    # Rounding to a 64th changes weights of a tenth by several per cent: 10 dB and more are left.
    budgets={"separate": Budget(snr_db=10.0), "beats": Budget(snr_db=10.0)},
    rewrite=round_weights,
)


@pytest.fixture(scope="module")
def stemline(tmp_path_factory: pytest.TempPathFactory) -> Extended:
    folder = tmp_path_factory.mktemp("toy")
    (folder / "tiny.yaml").write_text(CONFIG)
    extended = Extended(
        folder, "stemline.export.precisions:PRECISIONS", "sixty-fourths", "test_toy_precision"
    )
    extended.run(
        "export", "tiny", "--family", "mdx23c", "--config", folder / "tiny.yaml", "--weights",
        "random", "--variants", "fp32,sixty-fourths", "--artifacts", extended.artifacts,
    )  # fmt: skip
    return extended


def test_both_precisions_are_artifacts_with_their_own_budgets(stemline: Extended) -> None:
    names = sorted(path.name for path in stemline.artifacts.iterdir() if path.is_dir())
    assert names == ["tiny.fp32", "tiny.sixty-fourths"]
    for name, budget_db in (("tiny.fp32", 70), ("tiny.sixty-fourths", 10)):
        shown = stemline.run("verify", name, "--json", "--artifacts", stemline.artifacts)
        card = json.loads(shown)["card"]
        assert card["budget_db"] == budget_db
        # Rounded weights are worse than float32's, and not by chance within its budget.
        assert (card["snr_db"] < 70) == (budget_db == 10)


def test_it_separates_and_is_measured(stemline: Extended, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.wav", music(5000).T, 44100)
    shown = stemline.run(
        "separate", tmp_path / "song.wav", "-m", "tiny.sixty-fourths", "-o", tmp_path, "--json",
        "--allow-untrained", "--artifacts", stemline.artifacts,
    )  # fmt: skip
    assert json.loads(shown)["artifact"] == "tiny.sixty-fourths"
    shown = stemline.run(
        "bench", "tiny", "--engines", "onnx,onnx-sixty-fourths", "--rounds", "1", "--batches", "1",
        "--json", "--artifacts", stemline.artifacts,
    )  # fmt: skip
    rows = [(row["engine"], row["precision"]) for row in json.loads(shown)["rows"]]
    assert rows == [("onnx", "fp32"), ("onnx-sixty-fourths", "sixty-fourths")]


def test_an_export_of_an_unknown_precision_says_which_there_are(stemline: Extended) -> None:
    from cli_helpers import run

    done = run("export", "mini", "--variants", "sixty-fourths", "--artifacts", stemline.artifacts)
    assert done.returncode == 2
    assert "'sixty-fourths' is not available yet; there is fp32" in done.stderr
