"""The attack: SIGKILL, and what stays on the disk for ever, or is taken for a whole file."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from export_fixtures import cache, checkpoint, config, server  # noqa: F401  fixtures of export
from export_helpers import FileServer, spec_of

from stemline.errors import IntegrityError
from stemline.export import staging
from stemline.export.download import cached_checkpoint, fetch
from stemline.families.mdx23c.config import Mdx23cConfig
from stemline.temporary_folders import temporary_folder

HOLDING = """
import sys, time
from pathlib import Path
from stemline.temporary_folders import temporary_folder
with temporary_folder() as folder:
    (folder / "deep").mkdir()
    (folder / "deep/song.wav").write_bytes(b"sound")
    print(folder, flush=True)
    time.sleep(60)
"""
FETCHING = """
import sys
from export_helpers import spec_of, tiny_config
from stemline.export.download import fetch
fetch(spec_of(tiny_config(), sys.argv[1]), lambda words: None)
"""
EXPORTING = """
import os, signal, sys
from pathlib import Path
from stemline.export import staging

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

moment, renames, rename = sys.argv[2], [], Path.rename

def counted(self, target):
    if moment == "before the renames" or (moment == "between the renames" and renames):
        die()
    renames.append(target)
    return rename(self, target)

Path.rename = counted
if moment == "after the renames":
    staging.shutil.rmtree = die
with staging.staged_folder(Path(sys.argv[1]), "x") as folder:
    (folder / "file").write_text("new")
    if moment == "as it is filled":
        die()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, of this process and of those it starts."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


@contextmanager
def process(code: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    path = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def kill(one: "subprocess.Popen[str]") -> None:
    one.send_signal(signal.SIGKILL)
    one.wait()


def test_the_temporary_folder_of_a_killed_process_is_removed_and_of_a_living_one_stays(
    temporary: Path,
) -> None:
    """`separate -` kept its input there, `-o -` its stem: for ever."""
    others = [temporary / "stemline-00000000.tmp.old", temporary / "stemline-notes.tmp"]
    for other in others:  # not ours
        other.mkdir()
    with process(HOLDING) as dying, process(HOLDING) as living:
        assert dying.stdout is not None and living.stdout is not None
        left, held = (Path(one.stdout.readline().strip()) for one in (dying, living))
        with temporary_folder() as mine:
            assert (left / "deep/song.wav").exists()  # its process lives
            assert mine.stat().st_mode & 0o777 == 0o700
        kill(dying)
        assert left.exists()
        with temporary_folder() as mine:
            assert not left.exists() and (held / "deep/song.wav").exists()
            assert sorted(temporary.iterdir()) == sorted([*others, held, mine])
    assert not mine.exists()


def test_a_link_in_the_place_of_a_temporary_folder_is_not_followed(temporary: Path) -> None:
    precious = temporary.parent / "precious"
    precious.mkdir()
    link = temporary / "stemline-0123abcd.tmp"
    link.symlink_to(precious)
    with temporary_folder():
        pass
    assert precious.is_dir() and link.is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes another user's folder")
def test_the_folder_of_another_user_stays(temporary: Path) -> None:
    theirs = temporary / "stemline-0123abcd.tmp"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    with temporary_folder():
        assert theirs.exists()


def test_a_folder_that_was_taken_for_a_dead_ones_is_made_anew(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the making of a folder and its lock another process may come and remove it."""
    make, removed = Path.mkdir, []

    def late(self: Path, *arguments: int) -> None:
        make(self, *arguments)
        if not removed:
            removed.append(self)
            shutil.rmtree(self)

    monkeypatch.setattr(Path, "mkdir", late)
    with temporary_folder() as folder:
        assert removed and removed != [folder] and list(temporary.iterdir()) == [folder]


def test_what_is_exported_into_was_not_taken_for_a_dead_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, removed = staging.tempfile.mkdtemp, []

    def late(prefix: str, dir: Path) -> str:
        made = make(prefix=prefix, dir=dir)
        if not removed:
            removed.append(made)
            shutil.rmtree(made)
        return made

    monkeypatch.setattr(staging.tempfile, "mkdtemp", late)
    with staging.staged_folder(tmp_path, "x") as folder:
        (folder / "file").write_text("new")
    assert removed and [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
    ("moment", "kept"),
    [
        ("as it is filled", "old"),
        ("before the renames", "old"),
        ("between the renames", None),
        ("after the renames", "new"),
    ],
)
def test_an_export_that_is_killed_leaves_the_old_artifact_or_the_new_one(
    moment: str, kept: str | None, tmp_path: Path
) -> None:
    """Between the renames there is none, and the next export of it puts the old one back first."""
    (tmp_path / "x").mkdir()
    (tmp_path / "x/file").write_text("old")
    with process(EXPORTING, str(tmp_path), moment) as dying:
        assert dying.wait(30) == -signal.SIGKILL
    assert ((tmp_path / "x/file").read_text() if (tmp_path / "x").exists() else None) == kept
    with pytest.raises(KeyError), staging.staged_folder(tmp_path, "x"):
        raise KeyError  # the next one fails, say
    assert (tmp_path / "x/file").read_text() == (kept or "old")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_what_a_killed_download_left_is_removed_by_the_next(
    config: Mdx23cConfig,  # noqa: F811
    checkpoint: Path,  # noqa: F811
    server: FileServer,  # noqa: F811
    cache: Path,  # noqa: F811
) -> None:
    """It was a file of any name beside the checkpoints, up to a gigabyte of it."""
    data = checkpoint.read_bytes()
    slow = server.serve("slow.ckpt", data)
    answer = server.answers["/slow.ckpt"]

    def stuck(handler) -> None:  # type: ignore[no-untyped-def]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:-1])
        handler.wfile.flush()
        time.sleep(1)

    server.answers["/slow.ckpt"] = stuck
    with process(FETCHING, slow) as dying:
        until = time.monotonic() + 60
        while not (cache.is_dir() and list(cache.iterdir())):
            assert time.monotonic() < until and dying.poll() is None
            time.sleep(0.01)
        kill(dying)
    (left,) = cache.iterdir()
    assert left.name.startswith("slow.ckpt.") and left.name.endswith(".part")
    server.answers["/slow.ckpt"] = answer
    path, _ = fetch(spec_of(config, slow), lambda words: None)
    assert path.read_bytes() == data
    assert sorted(path.name for path in cache.iterdir()) == ["slow.ckpt", "slow.ckpt.sha256"]


def test_a_digest_that_was_only_begun_is_none(
    config: Mdx23cConfig,  # noqa: F811
    checkpoint: Path,  # noqa: F811
    server: FileServer,  # noqa: F811
    cache: Path,  # noqa: F811
) -> None:
    """The checkpoint was refused from then on, for it had not the digest ''."""
    spec = spec_of(config, server.serve("tiny.ckpt", checkpoint.read_bytes()))
    fetch(spec, lambda words: None)
    record = cache / "tiny.ckpt.sha256"
    whole = record.read_text()
    record.write_text("")
    assert cached_checkpoint(spec) is not None
    assert record.read_text() == whole
    record.write_text("0" * 64)
    with pytest.raises(IntegrityError):
        cached_checkpoint(spec)
