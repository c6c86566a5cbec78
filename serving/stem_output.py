"""Blocks of stems → one file a stem, as they come: all of the files or none."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from stemline.arrays import Array
from stemline.errors import RequestError
from stemline.postprocessing.encode import OutputFormat, StemWriter
from stemline.tags import Tags

from .output_names import stem_file_names


def paths_in(folder: Path, stems: Iterable[str], output: OutputFormat) -> dict[str, Path]:
    """Stem → `folder/<stem>.<container>`."""
    names = stem_file_names(stems)
    return {stem: folder / f"{name}.{output.container}" for stem, name in names.items()}


class StemOutput:
    """The files of one track's stems; use it in `with`.

    They are whole once it ends. Where an error ends it none is left, nor a folder that it made.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        output: OutputFormat,
        sample_rate_hz: int,
        channels: int,
        *,
        made_from: Path | None = None,
        tags: Mapping[str, Tags] | None = None,
    ) -> None:
        """Make the folders that are missing, and begin the files, one a stem, with its `tags`.

        Raises RequestError where a stem would be written over `made_from`, EncodingError where the
        format cannot hold such samples, OSError.
        """
        self.paths = dict(paths)
        self._made: list[Path] = []
        self._writers: dict[str, StemWriter] = {}
        try:
            for stem, path in self.paths.items():
                missing = [one for one in path.parents if not one.exists()]
                self._made = [*missing, *self._made]
                path.parent.mkdir(parents=True, exist_ok=True)
                if made_from is not None and path.exists() and path.samefile(made_from):
                    raise RequestError(
                        "out",
                        f"{stem} would be written over the input {made_from}; choose another --out",
                    )
                known = None if tags is None else tags.get(stem)
                writer = StemWriter(path, output, sample_rate_hz, channels, known)
                self._writers[stem] = writer
        except BaseException:
            self._undo()
            raise

    @property
    def clipped_samples(self) -> dict[str, int]:
        """Samples that the format had to clip, as StemWriter counts them, of stems that had any."""
        return {
            stem: writer.clipped_samples
            for stem, writer in self._writers.items()
            if writer.clipped_samples
        }

    def write(self, block: Mapping[str, Array]) -> None:
        """Append (channels, n) to each of these stems. Raises OSError."""
        for stem, samples in block.items():
            self._writers[stem].write(samples)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                for writer in self._writers.values():
                    writer.close()
                return
        except BaseException:
            self._undo()
            raise
        self._undo()

    def _undo(self) -> None:
        for writer in self._writers.values():
            writer.abort()
        for empty in self._made:  # the deepest first
            with suppress(OSError):  # another track's stems may be in it by now
                empty.rmdir()
