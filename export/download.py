"""Fetch a checkpoint into the cache folder, once, and check it against its digest."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import platformdirs
import pooch
import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from stemline.atomic_files import replaced
from stemline.errors import CacheError, DownloadError, IntegrityError
from stemline.families.common.digest import file_sha256
from stemline.families.model_spec import CheckpointFile, ModelSpec

CACHE_VARIABLE = "STEMLINE_CACHE"
CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
_BLOCK_BYTES = 1 << 20

Report = Callable[[str], None]


def cache_folder() -> Path:
    """Where checkpoints are kept: `STEMLINE_CACHE`, else the user's cache folder."""
    folder = os.environ.get(CACHE_VARIABLE)
    base = Path(folder).expanduser() if folder else platformdirs.user_cache_path("stemline")
    return base / "checkpoints"


@dataclass(frozen=True)
class _Source:
    """One file that holds a model's weights, and the addresses that have it."""

    urls: tuple[str, ...]
    sha256: str | None
    path: Path
    """Its place in the cache."""


def _sources(spec: ModelSpec) -> list[_Source]:
    """Every file that holds a model's weights, in the order to try them."""
    sources = []
    if spec.urls:
        sources.append(_Source(spec.urls, spec.sha256, _cache_path(spec.urls[0])))
    for file in spec.other_files:
        sources.append(_Source((file.url,), file.sha256, _cache_path(file.url)))
    return sources


def cache_path(spec: ModelSpec) -> Path:
    """Where the checkpoint of a model lies, or would lie; a copy put there by hand serves too."""
    return _sources(spec)[0].path


def _cache_path(url: str) -> Path:
    return cache_folder() / Path(unquote(urlsplit(url).path)).name


def cached_checkpoint(spec: ModelSpec) -> tuple[Path, str] | None:
    """The checkpoint in the cache and its SHA-256; None when it is not there.

    Raises IntegrityError when it is not the file it was, or should be.
    """
    for source in _sources(spec):
        if source.path.is_file():
            return source.path, _checked_digest(source)
    return None


def fetch(spec: ModelSpec, report: Report) -> tuple[Path, str]:
    """Download a checkpoint from the first address that has it -> its path and SHA-256.

    Raises DownloadError when none answers, IntegrityError when one has another file. What was
    only partly fetched is removed.
    """
    failures = []
    for source in _sources(spec):
        for url in source.urls:
            report(f"{spec.artifact_stem}: downloading {url}")
            try:
                _retrieve(url, spec.artifact_stem, source)
            except requests.RequestException as error:
                failures.append(f"{url} ({_reason(error)})")
                continue
            return source.path, _checked_digest(source)
    raise DownloadError(
        f"{spec.artifact_stem}: no checkpoint from {', nor '.join(failures)}; "
        "fetch it by other means and give it with --weights PATH"
    )


def fetch_file(file: CheckpointFile, name: str, report: Report) -> Path:
    """A file that an artifact carries, from the cache or downloaded; its digest must be known.

    `name` is the artifact's. Raises DownloadError when its address does not answer, IntegrityError
    when another file is there.
    """
    assert file.sha256 is not None
    # Files of many packages are called `vocab.json`.
    path = cache_folder() / f"{file.sha256[:8]}-{file.name}"
    source = _Source((file.url,), file.sha256, path)
    if not path.is_file():
        report(f"{name}: downloading {file.url}")
        try:
            _retrieve(file.url, name, source)
        except requests.RequestException as error:
            raise DownloadError(
                f"{name}: no {file.name} from {file.url} ({_reason(error)}); fetch it by other "
                "means and put it beside the checkpoint"
            ) from error
    _checked_digest(source)
    return path


def _retrieve(url: str, name: str, source: _Source) -> None:
    """Download a file beside its place, which it takes once it is known to be the right one."""
    path = source.path
    bar = _Bar(name) if sys.stderr.isatty() else None
    download = pooch.HTTPDownloader(
        progressbar=bar or False,
        chunk_size=_BLOCK_BYTES,
        timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path) as part:
            download(url, str(part), None)
            _check_download(url, part, source)
    except requests.RequestException:
        raise
    except OSError as error:
        raise _no_cache(path, error) from error
    finally:
        if bar is not None:
            bar.close()


def _check_download(url: str, part: Path, source: _Source) -> None:
    """Raise IntegrityError for another file than the published one, or for no checkpoint."""
    if source.sha256:
        if file_sha256(part) != source.sha256:
            raise IntegrityError(
                f"{url} gave a file whose SHA-256 is not {source.sha256}; it was not kept"
            )
    elif not _looks_like_checkpoint(part, source.path.suffix):  # a page that says "not here", say
        raise IntegrityError(f"{url} gave a file that is no checkpoint; it was not kept")


def _looks_like_checkpoint(path: Path, suffix: str) -> bool:
    with path.open("rb") as file:
        start = file.read(9)
    if suffix == ".safetensors":  # the length of a JSON object, and its beginning
        return start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size
    return start.startswith((b"PK\x03\x04", b"\x80"))  # a zip, or a bare pickle


def _no_cache(path: Path, error: OSError) -> OSError:
    return CacheError(
        f"the cache folder {path.parent} cannot be used ({error.strerror or error}); "
        f"free it, or name another in {CACHE_VARIABLE}"
    )


def _checked_digest(source: _Source) -> str:
    """The file's SHA-256, compared with the published one, else with the one of first use."""
    try:
        return _compare_digest(source)
    except OSError as error:
        raise _no_cache(source.path, error) from error


def _compare_digest(source: _Source) -> str:
    path, known = source.path, source.sha256
    digest = file_sha256(path)
    record = path.with_name(path.name + ".sha256")
    if known is None and record.is_file():
        known = record.read_text(errors="replace").partition(" ")[0].strip()
    if not known:  # nor where a process was killed as it began the record
        with replaced(record) as part:
            part.write_text(f"{digest}  {path.name}\n")
    elif digest != known:
        raise IntegrityError(
            f"{path} has SHA-256 {digest}, not {known}; remove it and export again"
            + ("" if source.sha256 else f" (or remove {record.name} if you replaced it yourself)")
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
    """A progress bar as pooch calls it, drawn by rich on stderr."""

    def __init__(self, name: str) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),  # a name may hold braces and brackets
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
