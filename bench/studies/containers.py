"""Files of every container with every fault, as stemline reads them and as FFmpeg does.

    python -m stemline.bench.studies.containers [--kinds FLAC,AU] [--markdown docs/containers.md]

Needs the extra `av`, which makes the files. Where there is an `ffmpeg` to call, what it decodes is
compared with; else its libraries through PyAV.
"""

import argparse
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from stemline.preprocessing.channels import Arrangement, to_channels

from ..containers.comparing import Difference, compare
from ..containers.decoding import FfmpegError, by_command, by_pyav, has_command
from ..containers.faults import FAULTS, JOINED
from ..containers.kinds import KINDS
from ..containers.making import Samples, encoded, music, pyav
from ..containers.reading import Reading, read
from ..machine import describe_machine
from ..pages import Region
from .containers_markdown import containers_markdown

N_SAMPLES = 131_000  # of which no cut meets the end of a frame
LAYOUTS = ("2.1", "3.0", "4.0", "quad", "5.0", "5.1", "5.1(side)", "6.1", "7.1", "7.1(wide)")
LAID_OUT = {
    "WAV": ("wav", "pcm_s16le", 44100),
    "W64": ("w64", "pcm_s16le", 44100),
    "FLAC": ("flac", "flac", 44100),
    "Opus": ("ogg", "libopus", 48000),
    "m4a": ("ipod", "aac", 44100),
    "Matroska": ("matroska", "flac", 44100),
}
_ALIKE_DB = 30.0
# What an encoder put behind the sound stays where a header is not believed that would tell.
_PADDING_SAMPLES = 1152


@dataclass(frozen=True)
class Row:
    """One file."""

    kind: str
    fault: str
    verdict: str
    """`right`, `said`, `refused`, `length` (a decoder's guess at bits that nothing checks, in the
    right place), or what must not be: `wrong`."""
    words: str
    """The first fault or the refusal, without the file's name."""
    n_samples: int
    against_pyav: Difference | None
    """Of the same file; None where it is refused or another number of channels comes."""
    against_command: Difference | None
    """By the `ffmpeg` that can be called, the same."""
    against_good: Difference | None
    """PyAV's decoding of the file, or of the two, without the fault."""


def rows(kinds: Sequence[str], faults: Sequence[str], n_samples: int = N_SAMPLES) -> Iterator[Row]:
    """Every fault of every kind that can have it."""
    first, second = music(n_samples), music(n_samples // 2, seed=1)
    for name in kinds:
        good = KINDS[name].make(first)
        whole = by_pyav(good)
        twice = np.concatenate([whole, by_pyav(KINDS[name].make(second))], axis=1)
        for fault in faults:
            data = FAULTS[fault](name, good, second)
            if data is not None:
                yield _row(name, fault, data, twice if fault == JOINED else whole)


def _row(name: str, fault: str, data: bytes, good: Samples) -> Row:
    reading = read(data)
    against_pyav = _difference(reading, lambda: by_pyav(data))
    against_command = None
    if has_command():
        against_command = _difference(reading, lambda: by_command(data, KINDS[name].suffix, 2))
    against_good = _difference(reading, lambda: good)
    said = reading.refusal or "; ".join(reading.faults)
    return Row(
        name,
        fault,
        # Of files that were joined, FFmpeg may read the first and not say so.
        _verdict(reading, [against_pyav, against_command] if fault != JOINED else [], against_good),
        said.removeprefix("the audio ").partition("; the audio ")[0],
        reading.samples.shape[1],
        against_pyav,
        against_command,
        against_good,
    )


def _difference(reading: Reading, decode: Callable[[], Samples]) -> Difference | None:
    try:
        wanted = decode()
    except (FfmpegError, ValueError):
        return None
    if reading.refusal or len(wanted) != len(reading.samples):
        return None
    return compare(reading.samples, wanted)


def _verdict(
    reading: Reading, by_ffmpeg: Sequence[Difference | None], good: Difference | None
) -> str:
    if reading.refusal:
        # A sample that is no number can only be met where it is.
        is_early = not reading.n_before_refusal or "must hold" in reading.refusal
        return "refused" if is_early else "wrong"
    if reading.faults:
        return "said"
    if any(one is not None and one.n_more == 0 and _is_alike(one) for one in by_ffmpeg):
        return "right"
    if good is None or not 0 <= good.n_more <= _PADDING_SAMPLES or good.lag:
        return "wrong"
    return "right" if _is_alike(good) else "length"


def _is_alike(difference: Difference) -> bool:
    return difference.lag == 0 and difference.worst_db >= _ALIKE_DB


@dataclass(frozen=True)
class LayoutRow:
    """One layout in one container, mixed to left and right by the names that FFmpeg has."""

    container: str
    layout: str
    error_db: tuple[float, ...]


def layout_rows(n_samples: int = 16384) -> Iterator[LayoutRow]:
    """Every layout in every container that has it."""
    for container, (format_name, codec, rate_hz) in LAID_OUT.items():
        for layout in LAYOUTS:
            names = [channel.name for channel in pyav().AudioLayout(layout).channels]
            samples = music(n_samples, len(names))
            try:
                data = encoded(samples, format_name, codec, rate=rate_hz, layout=layout)
            except (pyav().error.FFmpegError, ValueError):
                continue  # which the encoder has no number for
            found = to_channels(read(data).samples, 2)
            by_ffmpeg, names_read = _with_names(data)
            if "NONE" in names_read:
                continue  # it does not know either
            wanted = to_channels(Arrangement(len(names_read), names_read).arranged(by_ffmpeg), 2)
            yield LayoutRow(container, layout, compare(found, wanted).error_db)


def _with_names(data: bytes) -> tuple[Samples, Any]:
    """FFmpeg's channels, and whose they are by its names."""
    with pyav().open(io.BytesIO(data)) as container:
        layout = container.streams.audio[0].codec_context.layout
        names = tuple(channel.name for channel in layout.channels)
    return by_pyav(data), names


def main() -> None:
    """Print the rows as JSON, or write them into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", help="Names, with commas between; all if unset.")
    parser.add_argument("--markdown", type=Path, help="a page that gets the tables")
    given = parser.parse_args()
    kinds = given.kinds.split(",") if given.kinds else list(KINDS)
    report = {
        "machine": {**asdict(describe_machine(1)), "versions": _versions()},
        "rows": [asdict(row) for row in rows(kinds, list(FAULTS))],
        "layouts": [asdict(row) for row in layout_rows()],
    }
    if given.markdown is None:
        json.dump(report, sys.stdout, indent=2)
        return
    region = Region(f"python -m {__package__}.containers --markdown", "Containers")
    region.write(given.markdown, containers_markdown(report))


def _versions() -> dict[str, str]:
    found = {
        "stemline": version("stemline"),
        "libsndfile": soundfile.__libsndfile_version__,
        "PyAV": version("av"),
        "its libavcodec": ".".join(map(str, pyav().library_versions["libavcodec"])),
    }
    if has_command():
        said = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True)
        found["ffmpeg"] = said.stdout.split()[2]
    return found


if __name__ == "__main__":
    main()
