"""Real music: a song's true stems, and rock songs whose tempo is known.

The true stems are those of stempeg's example. The rock songs are those of Frets on Fire as Debian
packages them: a game of guitar, so each has its notes as MIDI, at one tempo throughout. Their grid
lies within some 40 ms of the music, and does not say where bars begin.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from stemline.arrays import Array
from stemline.errors import MissingExtraError

from .packages import MULDJORD, SECTOID, STEMPEG, Package, fetched

RATE_HZ = 44100
_PEAK = 0.9
# The streams of a `.stem.mp4`: the mix, which was mastered and is not their sum, and the stems.
_STREAMS = (None, "drums", "bass", "other", "vocals")
_MICROSECONDS_A_MINUTE = 60e6


@dataclass(frozen=True)
class GridSong:
    """A rock song and its tempo."""

    title: str
    bpm: float
    folder: Path

    def excerpt(self, start_s: float, seconds: float) -> Array:
        """A part of the song, (2, n), its peak below full scale."""
        start, n_samples = round(start_s * RATE_HZ), round(seconds * RATE_HZ)
        parts = [
            soundfile.read(self.folder / name, n_samples, start, dtype="float32", always_2d=True)[
                0
            ].T
            for name in ("song.ogg", "guitar.ogg")
        ]
        mixture = np.sum(parts, axis=0, dtype=np.float32)
        out: Array = np.ascontiguousarray(mixture * np.float32(_PEAK / np.abs(mixture).max()))
        return out

    def grid_s(self, start_s: float, seconds: float) -> NDArray[np.float64]:
        """Where the beats of that part lie, in seconds from its start."""
        period_s = 60 / self.bpm
        first, last = np.ceil(start_s / period_s), np.ceil((start_s + seconds) / period_s)
        return np.asarray(np.arange(first, last) * period_s - start_s, np.float64)


def true_stems() -> dict[str, Array]:
    """6 s of a real song by stem, (2, n) each; their sum is the mixture.

    Raises DownloadError, IntegrityError or CacheError, and MissingExtraError without PyAV.
    """
    (path,) = fetched(STEMPEG).rglob("*.mp4")
    try:
        import av
    except ImportError as error:
        raise MissingExtraError("av", "av") from error
    stems: dict[str, Array] = {}
    for index, name in enumerate(_STREAMS):
        if name is None:
            continue
        with av.open(str(path)) as container:
            # The stems are at 44.1 kHz, planar floats.
            frames = [frame.to_ndarray() for frame in container.decode(audio=index)]
        stems[name] = np.ascontiguousarray(np.concatenate(frames, axis=1), np.float32)
    return stems


def grid_songs(package: Package) -> list[GridSong]:
    """The songs of one of both packages, by title.

    Raises DownloadError, IntegrityError or CacheError.
    """
    folders = sorted(path.parent for path in fetched(package).rglob("notes.mid"))
    return [GridSong(folder.name, _tempo_bpm(folder / "notes.mid"), folder) for folder in folders]


def all_grid_songs() -> list[GridSong]:
    """The songs of both packages; see `grid_songs`."""
    return [*grid_songs(SECTOID), *grid_songs(MULDJORD)]


def _tempo_bpm(path: Path) -> float:
    """The one tempo of a MIDI file. Raises ValueError for one that has several."""
    import mido

    tempi = {
        message.tempo
        for track in mido.MidiFile(path, clip=True).tracks
        for message in track
        if message.type == "set_tempo"
    }
    if len(tempi) != 1:
        raise ValueError(f"{path} has {len(tempi)} tempi, not one")
    return _MICROSECONDS_A_MINUTE / float(tempi.pop())
