"""Songs whose stems are known: the synthetic band's, or files of your own.

A folder of your own has a folder a song, with `mixture.wav` and a file a stem, as MUSDB18-HQ has
them: `drums.wav`, `bass.wav`, `other.wav`, `vocals.wav`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import soundfile

from stemline.arrays import Array
from stemline.engines import ModelInfo
from stemline.errors import BenchError
from stemline.evaluation.held_out import held_out, play, truth_for
from stemline.preprocessing.channels import to_channels

MIXTURE = "mixture"


@dataclass(frozen=True)
class SongRef:
    """Which song, as it travels to a worker."""

    seconds: float
    """The length of a song that the band plays; of a longer file the middle is taken."""
    seed: int | None = None
    folder: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values; `SongRef(**values)` reads them back."""
        return asdict(self)


def band_songs(n_songs: int, seconds: float) -> list[SongRef]:
    """Held-out songs of the synthetic band."""
    return [SongRef(seconds, seed=seed) for seed in held_out(n_songs, seconds).seeds]


def folder_songs(root: Path, most: int, seconds: float) -> list[SongRef]:
    """The first songs below a folder, by name; none when there is no `mixture.wav` in any."""
    folders = sorted(path.parent for path in root.glob(f"*/{MIXTURE}.wav"))
    return [SongRef(seconds, folder=str(folder.resolve())) for folder in folders[:most]]


def known_song(ref: SongRef, info: ModelInfo) -> tuple[Array, dict[str, Array]]:
    """What a model takes in of a song, (channels, n), and its stems, as they should be.

    Raises BenchError when a file is missing, cannot be read, or has another rate or length.
    """
    if ref.seed is not None:
        truth = truth_for(info.stems, play(ref.seed, ref.seconds))
    else:
        truth = _read(Files(Path(str(ref.folder)), info.sample_rate_hz, ref.seconds), info)
    if truth is None:
        raise BenchError(f"nothing is known of the stems {', '.join(info.stems)}", exit_code=2)
    mixture, stems = (to_channels(truth[0], info.channels), truth[1])
    for stem, sound in stems.items():
        if sound.shape[1] != mixture.shape[1]:
            raise BenchError(f"{ref.folder}: {stem} is not as long as the mixture", exit_code=2)
    return mixture, stems


def _read(files: "Files", info: ModelInfo) -> tuple[Array, dict[str, Array]] | None:
    """By what the names mean in a band, else a file for each stem."""
    try:
        truth = truth_for(info.stems, files)
    except KeyError:
        truth = None
    if truth is not None:
        return truth
    try:
        return files.mixture, {stem: files.stems[stem] for stem in info.stems}
    except KeyError as error:
        raise BenchError(
            f"{files.folder}: no {error.args[0]}.wav; a song has a file for each stem of the "
            f"model ({', '.join(info.stems)}) or of a band (drums, bass, other, vocals)",
            exit_code=2,
        ) from error


class Files:
    """A song in files: an `evaluation.held_out.Recording` that is read when asked for."""

    def __init__(self, folder: Path, sample_rate_hz: int, seconds: float) -> None:
        self.folder = folder
        mixture = folder / f"{MIXTURE}.wav"
        self.stems: Mapping[str, Array] = _Sounds(folder, mixture, sample_rate_hz, seconds)
        self.drums: Mapping[str, Array] = _Sounds(
            folder / "drums", mixture, sample_rate_hz, seconds
        )

    @property
    def mixture(self) -> Array:
        """`mixture.wav`."""
        return self.stems[MIXTURE]


class _Sounds(Mapping[str, Array]):
    """The WAV files of a folder by their names; KeyError for one that is not there.

    Each is as long as the mixture, so that the middle of one is the middle of all.
    """

    def __init__(self, folder: Path, mixture: Path, sample_rate_hz: int, seconds: float) -> None:
        self._folder = folder
        self._mixture = mixture
        self._sample_rate_hz = sample_rate_hz
        self._n_samples = round(seconds * sample_rate_hz)

    def __getitem__(self, name: str) -> Array:
        path = self._folder / f"{name}.wav"
        if not path.is_file():
            raise KeyError(name)
        n_frames = _frames_of(self._mixture)
        try:
            with soundfile.SoundFile(path) as file:
                if file.samplerate != self._sample_rate_hz:
                    raise BenchError(
                        f"{path} has {file.samplerate} Hz; the model takes "
                        f"{self._sample_rate_hz} Hz, and resampling would change what is measured",
                        exit_code=2,
                    )
                if file.frames != n_frames:
                    raise BenchError(
                        f"{path} has {file.frames} samples, the mixture {n_frames}: a stem is as "
                        "long as the mixture, and begins with it",
                        exit_code=2,
                    )
                # The middle: music begins and ends in silence.
                file.seek(max(0, (file.frames - self._n_samples) // 2))
                samples: Array = file.read(self._n_samples, dtype="float32", always_2d=True).T
        except soundfile.LibsndfileError as error:
            raise _unreadable(path, error) from error
        return samples

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(path.stem for path in self._folder.glob("*.wav")))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _frames_of(path: Path) -> int:
    try:
        return int(soundfile.info(path).frames)
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: soundfile.LibsndfileError) -> BenchError:
    return BenchError(f"{path} cannot be read: {error.error_string}", exit_code=2)
