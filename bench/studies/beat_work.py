"""What is compared of beats, and the process that does one side of it when asked.

beats_against_madmom.py starts it, by our Python or by madmom's: so it imports at the top what both
have, and each piece of work imports the rest.

    python beat_work.py ROW SIDE FOLDER
"""

import importlib
import json
import sys
import time
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

FPS = 100
RATE_HZ = 44100
BANDS, WIDEST_HZ = 12, (30, 17000)
"""The spectrogram's: bands an octave, the lowest and the highest of them."""

_LEAST_S = 0.05
_PERIOD_S = 30

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Work:
    """One side's work, ready to be done."""

    call: Callable[[], Any]
    """What is measured."""
    as_array: Callable[[Any], Array]
    """What it found as numbers, the same way on both sides; not measured."""


@dataclass(frozen=True)
class Comparison:
    """One row of the table: what goes in, and the two that take it."""

    row: str
    write: Callable[[Path, int], None]
    """The input of so many seconds, into a folder."""
    original: Callable[[Path], Work]
    by_madmom: bool
    """Whether the original runs in madmom's Python."""
    ours: Callable[[Path], Work]
    tolerance: float = 0.0
    """How far a number may be from the original's."""


def write_activations(folder: Path, length_s: int) -> None:
    """Activations like a network's, float32 (n_frames, 2): drifting beats in bars of four."""
    random, n_frames = np.random.default_rng(length_s), length_s * FPS
    frames, out = np.arange(n_frames), np.zeros((n_frames, 2))
    at, interval, number = 20.0, 50.0, 0
    while at < n_frames:
        near = slice(max(0, int(at) - 8), int(at) + 9)
        bump = np.exp(-0.5 * ((frames[near] - at) / 1.3) ** 2)
        out[near, int(number % 4 == 0)] += random.uniform(0.3, 0.9) * bump
        interval *= np.exp(random.normal(0, 0.004))
        at, number = at + interval + random.normal(0, 0.5), number + 1
    out += 0.05 * random.random(out.shape)
    out /= np.maximum(1, 1.01 * out.sum(axis=1, keepdims=True))
    np.save(folder / "activations.npy", out.astype(np.float32))


def write_logits(folder: Path, length_s: int) -> None:
    """Logits of boundaries (n_frames,) and of labels (10, n_frames), with a section each 20 s."""
    random, n_frames = np.random.default_rng(length_s), length_s * FPS
    boundaries = random.normal(-5, 1, n_frames)
    boundaries[:: 20 * FPS] = random.normal(2, 1, len(boundaries[:: 20 * FPS]))
    np.save(folder / "boundaries.npy", boundaries.astype(np.float32))
    np.save(folder / "labels.npy", random.normal(0, 2, (10, n_frames)).astype(np.float32))


def write_stems(folder: Path, length_s: int) -> None:
    """Four mono stems, float32 (4, n_samples)."""
    np.save(folder / "stems.npy", music(length_s, channels=1)[:, 0])


def write_song(folder: Path, length_s: int) -> None:
    """Four stereo stems, float32 (4, 2, n_samples), and what a network says of as many frames."""
    np.save(folder / "stems.npy", music(length_s, channels=2))
    write_activations(folder, length_s)
    write_logits(folder, length_s)


def music(length_s: int, channels: int) -> Array:
    """Four stems (4, channels, n_samples); they repeat themselves after half a minute."""
    music_like = importlib.import_module("stemline.evaluation.signal").music_like
    period = np.stack(
        [music_like(_PERIOD_S * RATE_HZ, RATE_HZ, channels, seed) for seed in range(4)]
    )
    return np.tile(period, -(-length_s // _PERIOD_S))[:, :, : length_s * RATE_HZ]


def madmom_dbn(**settings: Any) -> Callable[[Path], Work]:
    """The DBN of madmom, made once."""

    def work(folder: Path) -> Work:
        module = importlib.import_module("madmom.features.downbeats")
        processor = module.DBNDownBeatTrackingProcessor(fps=FPS, **settings)
        activations = np.load(folder / "activations.npy")
        return Work(lambda: processor(activations), np.asarray)

    return work


def our_dbn(**settings: Any) -> Callable[[Path], Work]:
    """Ours."""

    def work(folder: Path) -> Work:
        module = importlib.import_module("stemline.postprocessing.dbn")
        tracker = module.DownbeatTracker(fps=FPS, **settings)
        activations = np.load(folder / "activations.npy")
        return Work(lambda: tracker(activations), np.asarray)

    return work


def madmom_spectrogram(folder: Path) -> Work:
    """The processors of madmom as All-In-One sets them up, made once, on stems in memory.

    They take floats here; All-In-One lets them read 16-bit files.
    """
    audio = importlib.import_module("madmom.audio")
    processors = importlib.import_module("madmom.processors")
    low_hz, high_hz = WIDEST_HZ
    chain = processors.SequentialProcessor(
        [
            audio.signal.FramedSignalProcessor(frame_size=2048, fps=FPS),
            audio.stft.ShortTimeFourierTransformProcessor(),
            audio.spectrogram.FilteredSpectrogramProcessor(
                num_bands=BANDS, fmin=low_hz, fmax=high_hz, norm_filters=True
            ),
            audio.spectrogram.LogarithmicSpectrogramProcessor(mul=1, add=1),
        ]
    )
    stems = np.load(folder / "stems.npy")
    return Work(
        lambda: [chain(audio.signal.Signal(stem, sample_rate=RATE_HZ)) for stem in stems],
        lambda spectrograms: np.stack([np.asarray(one) for one in spectrograms]),
    )


def our_spectrogram(folder: Path) -> Work:
    """Ours."""
    log_spectrogram = importlib.import_module("stemline.preprocessing.spectrogram").log_spectrogram
    stems = np.load(folder / "stems.npy")
    return Work(lambda: log_spectrogram(stems, RATE_HZ), np.asarray)


def original_sections(folder: Path) -> Work:
    """All-In-One's boundaries and labels, from tensors as its network makes them."""
    torch = importlib.import_module("torch")
    functional = original_postprocessing("functional")
    logits = types.SimpleNamespace(
        logits_section=torch.from_numpy(np.load(folder / "boundaries.npy"))[None],
        logits_function=torch.from_numpy(np.load(folder / "labels.npy"))[None],
    )
    settings = types.SimpleNamespace(
        min_hops_per_beat=24, fps=FPS, hop_size=RATE_HZ // FPS, sample_rate=RATE_HZ
    )
    return Work(
        lambda: functional.postprocess_functional_structure(logits, settings), _section_numbers
    )


def our_sections(folder: Path) -> Work:
    """Ours."""
    find_sections = importlib.import_module("stemline.postprocessing.sections").find_sections
    boundaries, labels = np.load(folder / "boundaries.npy"), np.load(folder / "labels.npy")
    return Work(lambda: find_sections(boundaries, labels), _section_numbers)


def _section_numbers(sections: Any) -> Array:
    """Start, end and the label's index of each section, (n_sections, 3)."""
    labels = importlib.import_module("stemline.postprocessing.sections").HARMONIX_LABELS
    return np.array(
        [(float(one.start), float(one.end), labels.index(one.label)) for one in sections]
    )


def our_after_separation(folder: Path) -> Work:
    """Stems in memory to beats and sections, the network left out."""
    return Work(
        importlib.import_module("stemline.bench.studies.after_separation").beats_of_stems(
            *(np.load(folder / f"{name}.npy") for name in ("stems", "activations")),
            *(np.load(folder / f"{name}.npy") for name in ("boundaries", "labels")),
        ),
        lambda found: np.array([(beat.time_s, beat.position) for beat in found.beats]),
    )


def original_postprocessing(name: str) -> Any:
    """A module of `allin1.postprocessing`, without what its packages import and it does not use.

    Its tracker of beats is ours: whoever has madmom's changes one import. Raises ImportError.
    """
    if "allin1.postprocessing" not in sys.modules:
        _stand_in_for_packages()
    return importlib.import_module(f"allin1.postprocessing.{name}")


def _stand_in_for_packages() -> None:
    found = find_spec("allin1")
    if found is None or found.submodule_search_locations is None:
        raise ImportError("allin1 is not installed: pip install --no-deps allin1==1.1.0")
    folder = Path(next(iter(found.submodule_search_locations)))

    def stand_in(module_name: str, **contents: Any) -> None:
        module = types.ModuleType(module_name)
        vars(module).update(contents)
        sys.modules[module_name] = module

    def frames_to_time(frames: Any, sr: int, hop_length: int) -> Any:
        return np.asarray(frames) * hop_length / float(sr)

    tracker = importlib.import_module("stemline.postprocessing.dbn").DownbeatTracker
    our_labels = importlib.import_module("stemline.postprocessing.sections").HARMONIX_LABELS
    stand_in("librosa", frames_to_time=frames_to_time)
    stand_in("madmom", __path__=[])
    stand_in("madmom.features", __path__=[])
    stand_in("madmom.features.downbeats", DBNDownBeatTrackingProcessor=tracker)
    stand_in("allin1", __path__=[str(folder)])
    stand_in("allin1.config", Config=object, HARMONIX_LABELS=list(our_labels))
    stand_in("allin1.postprocessing", __path__=[str(folder / "postprocessing")])


# All-In-One decodes with bars of three and of four at madmom's defaults: 55 to 215 bpm, 60 tempi.
_DBN_SETTINGS: dict[str, dict[str, Any]] = {
    "dbn": {"beats_per_bar": [3, 4]},
    "dbn, bars of 3": {"beats_per_bar": [3]},
    "dbn, bars of 4": {"beats_per_bar": [4]},
    "dbn, every tempo": {"beats_per_bar": [3, 4], "num_tempi": None},
}
# Spectra of float32 are off by some 1e-6 of the loudest bin; the bands' logarithms by no more.
_SPECTROGRAM_TOLERANCE = 4e-6

COMPARISONS = (
    *(
        Comparison(row, write_activations, madmom_dbn(**settings), True, our_dbn(**settings))
        for row, settings in _DBN_SETTINGS.items()
    ),
    Comparison(
        "spectrogram",
        write_stems,
        madmom_spectrogram,
        True,
        our_spectrogram,
        _SPECTROGRAM_TOLERANCE,
    ),
    Comparison("sections", write_logits, original_sections, False, our_sections),
)
AFTER_SEPARATION = "after separation"


def maker_of(row: str, side: str) -> Callable[[Path], Work]:
    """What makes the work of one side, `original` or `ours`, from a folder that was written."""
    if row == AFTER_SEPARATION:
        return our_after_separation
    (comparison,) = (one for one in COMPARISONS if one.row == row)
    return comparison.original if side == "original" else comparison.ours


def resident_mb(field: str) -> float:
    """VmRSS or VmHWM of this process, in units of 10⁶ bytes; Linux."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"/proc/self/status has no {field}")


def main(row: str, side: str, folder: Path) -> None:
    """For each line of input do the work and say what one call cost; JSON lines.

    The first line is one call, whose result is kept in `<side>.npy`; then a line is as many as
    take a twentieth of a second.
    """
    warnings.simplefilter("ignore")
    # What is printed goes beside the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    work, n_calls = maker_of(row, side)(folder), 1
    for number, _ in enumerate(sys.stdin):
        before_mb = resident_mb("VmRSS")
        started_s, started_cpu_s = time.perf_counter(), time.process_time()
        for _ in range(n_calls):
            result = work.call()
        cpu_s = (time.process_time() - started_cpu_s) / n_calls
        answer = {
            "cpu_s": cpu_s,
            "wall_s": (time.perf_counter() - started_s) / n_calls,
            "growth_mb": resident_mb("VmHWM") - before_mb,
            "stages": getattr(result, "seconds", {}),
        }
        if number == 0:
            np.save(folder / f"{side}.npy", work.as_array(result))
        n_calls = max(1, round(_LEAST_S / cpu_s))
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
