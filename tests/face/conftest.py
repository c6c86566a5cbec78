"""Exported models that the face loads: small networks of known answers, and a real one."""

from pathlib import Path

import pytest
import soundfile
from beat_helpers import GAINS, click_mixture, write_beat_artifact
from cli_helpers import CONFIG, run
from demucs_track_helpers import gain_info, write_gains
from face_helpers import BEATS, ORDER, RATE

from stemline.arrays import Array


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny`, whose stems are the mixture times gains, `clicks`, which finds beats in them, and
    untrained `noise`. Not to be changed."""
    root = tmp_path_factory.mktemp("artifacts")
    write_beat_artifact(root)
    write_gains(root, gain_info("tiny", stems=ORDER), [GAINS[name] for name in ORDER])
    write_gains(root, gain_info("noise", stems=ORDER, trained=False), [1.0] * 4)
    return root


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small MDX23C network of random weights, `tiny`, as the command exports it."""
    root = tmp_path_factory.mktemp("exported")
    (root / "tiny.yaml").write_text(CONFIG)
    done = run(
        "export", "tiny", "--family", "mdx23c", "--config", root / "tiny.yaml",
        "--weights", "random", "--artifacts", root / "artifacts",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return root / "artifacts"


@pytest.fixture(scope="session")
def clicks() -> Array:
    """Eight seconds of stereo with a beat every half second."""
    return click_mixture(BEATS, (2.5,), ((2.5, 6.5),), 8)


@pytest.fixture
def song(tmp_path: Path, clicks: Array) -> Path:
    """The clicks in a file that loses nothing."""
    path = tmp_path / "song.wav"
    soundfile.write(path, clicks.T, RATE, "FLOAT")
    return path
