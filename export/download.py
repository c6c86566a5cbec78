"""Fetch a checkpoint into the cache folder, once, and check it against its digest."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import platformdirs
import pooch
import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from .digest import file_sha256
from .models import ModelSpec

CACHE_VARIABLE = "STEMLINE_CACHE"
CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
_BLOCK_BYTES = 1 << 20

Report = Callable[[str], None]


class DownloadError(OSError):
    """No address gave the checkpoint; the message names them and the way without a network."""


class IntegrityError(ValueError):
    """A checkpoint is not the file it should be; never answered by other weights."""


class CacheError(OSError):
    """The cache folder cannot be written, or is full."""


def cache_folder() -> Path:
    """Where checkpoints are kept: `STEMLINE_CACHE`, else the user's cache folder."""
    folder = os.environ.get(CACHE_VARIABLE)
    base = Path(folder).expanduser() if folder else platformdirs.user_cache_path("stemline")
    return base / "checkpoints"


def cache_path(spec: ModelSpec) -> Path:
    """Where the checkpoint of a model lies, or would lie; a copy put there by hand serves too."""
    name = Path(unquote(urlsplit(spec.urls[0]).path)).name if spec.urls else "none"
    return cache_folder() / name


def cached_checkpoint(spec: ModelSpec) -> tuple[Path, str] | None:
    """The checkpoint in the cache and its SHA-256; None when it is not there.

    Raises IntegrityError when it is not the file it was, or should be.
    """
    path = cache_path(spec)
    if not path.is_file():
        return None
    return path, _checked_digest(path, spec)


def fetch(spec: ModelSpec, report: Report) -> tuple[Path, str]:
    """Download a checkpoint from the first address that has it -> its path and SHA-256.

    Raises DownloadError when none answers, IntegrityError when one gives another file. What was
    only partly fetched is removed.
    """
    path = cache_path(spec)
    failures = []
    for url in spec.urls:
        report(f"{spec.name}: downloading {url}")
        try:
            _retrieve(url, spec, path)
        except requests.RequestException as error:
            failures.append(f"{url} ({_reason(error)})")
            continue
        return path, _checked_digest(path, spec)
    raise DownloadError(
        f"{spec.name}: no checkpoint from {', nor '.join(failures)}; "
        "fetch it by other means and give it with --weights PATH"
    )


def _retrieve(url: str, spec: ModelSpec, path: Path) -> None:
    """Pooch writes to a temporary name beside `path` and renames once the digest is right."""
    pooch.get_logger().setLevel("ERROR")
    bar = _Bar(spec.name) if sys.stderr.isatty() else None
    downloader = pooch.HTTPDownloader(
        progressbar=bar or False,
        chunk_size=_BLOCK_BYTES,
        timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
    )
    known = f"sha256:{spec.sha256}" if spec.sha256 else None
    try:
        pooch.retrieve(url, known, fname=path.name, path=path.parent, downloader=downloader)
    except requests.RequestException:
        raise
    except ValueError as error:  # pooch's word for a digest that differs
        raise IntegrityError(
            f"{url} gave a file whose SHA-256 is not {spec.sha256}; it was not kept"
        ) from error
    except OSError as error:
        raise _no_cache(path, error) from error
    finally:
        if bar is not None:
            bar.close()
    if known is None and not _looks_like_checkpoint(path):  # a page that says "not here", say
        path.unlink()
        raise IntegrityError(f"{url} gave a file that is no checkpoint; it was not kept")


def _looks_like_checkpoint(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4).startswith((b"PK\x03\x04", b"\x80"))  # a zip, or a bare pickle


def _no_cache(path: Path, error: OSError) -> OSError:
    return CacheError(
        f"the cache folder {path.parent} cannot be used ({error.strerror or error}); "
        f"free it, or name another in {CACHE_VARIABLE}"
    )


def _checked_digest(path: Path, spec: ModelSpec) -> str:
    """The file's SHA-256, compared with the published one, else with the one of first use."""
    try:
        return _compare_digest(path, spec)
    except OSError as error:
        raise _no_cache(path, error) from error


def _compare_digest(path: Path, spec: ModelSpec) -> str:
    digest = file_sha256(path)
    record = path.with_name(path.name + ".sha256")
    known = spec.sha256
    if known is None and record.is_file():
        known = record.read_text().partition(" ")[0].strip()
    if known is None:
        record.write_text(f"{digest}  {path.name}\n")
    elif digest != known:
        raise IntegrityError(
            f"{path} has SHA-256 {digest}, not {known}; remove it and export again"
            + ("" if spec.sha256 else f" (or remove {record.name} if you replaced it yourself)")
        )
    return digest


def _reason(error: requests.RequestException) -> str:
    """Why a request failed, in a few words."""
    if error.response is not None:
        return f"HTTP {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "cut off on the way"
    return "no connection" if isinstance(error, requests.ConnectionError) else str(error)


class _Bar:
    """What pooch wants of a progress bar, drawn by rich on stderr."""

    def __init__(self, name: str) -> None:
        self._progress = Progress(
            TextColumn(name),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task(name, total=None)
        self._progress.start()

    @property
    def total(self) -> float | None:
        return self._progress.tasks[0].total

    @total.setter
    def total(self, n_bytes: float) -> None:
        self._progress.update(self._task, total=n_bytes)

    def update(self, n_bytes: float) -> None:
        self._progress.advance(self._task, n_bytes)

    def reset(self) -> None:
        self._progress.reset(self._task)

    def close(self) -> None:
        self._progress.stop()
