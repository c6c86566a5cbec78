"""The committed part of the record: all texts, and of every stem a stretch and its level."""

import json
from typing import Any

import numpy as np
from record.behaviour import Array, Record
from record.inputs import GOLDEN

TEXTS = GOLDEN / "texts.json"
STEMS = GOLDEN / "stems.npz"
_STRETCH_SAMPLES = 224
OF_ONE_MACHINE = frozenset({"wrong: no such cuda", "wrong: unknown device"})
"""What is said there depends on the runtime that is installed."""


def stretch(samples: Array) -> Array:
    """The middle of a stem (n_samples, channels), and below it the RMS of each channel."""
    start = max(0, len(samples) // 2 - _STRETCH_SAMPLES // 2)
    middle = samples[start : start + _STRETCH_SAMPLES]
    level = np.sqrt(np.mean(samples.astype(np.float64) ** 2, axis=0, keepdims=True))
    return np.concatenate([middle, level.astype(np.float32)])


def texts_of(record: Record) -> dict[str, Any]:
    """What is the same on every machine, as JSON gives it back."""
    shapes = {
        f"sounds of {case}": {
            name: [*sound["shape"], sound["rate_hz"]] for name, sound in sounds.items()
        }
        for case, sounds in record.digests.items()
    }
    texts = {name: text for name, text in record.texts.items() if name not in OF_ONE_MACHINE}
    result: dict[str, Any] = json.loads(json.dumps({**texts, **shapes}))
    return result


def stretches_of(record: Record) -> dict[str, dict[str, Array]]:
    """Stretches by case and stem."""
    found: dict[str, dict[str, Array]] = {}
    for path, samples in record.samples.items():
        case, _, name = path.rpartition("/")
        found.setdefault(case, {})[name] = stretch(samples)
    return found


def write(record: Record) -> None:
    """Make this record the golden one."""
    GOLDEN.mkdir(exist_ok=True)
    text = json.dumps(texts_of(record), indent=0, ensure_ascii=False)
    TEXTS.write_text(text + "\n", encoding="utf-8")
    by_case = stretches_of(record)
    # One array a case: an archive's entry has a header of its own.
    np.savez_compressed(
        STEMS,
        **{
            case: np.concatenate([stem.ravel() for stem in stems.values()])
            for case, stems in by_case.items()
        },
    )


def read_texts() -> dict[str, Any]:
    """The golden texts."""
    texts: dict[str, Any] = json.loads(TEXTS.read_text(encoding="utf-8"))
    return texts


def read_stretches() -> dict[str, Array]:
    """The golden stretches, those of a case one after another."""
    with np.load(STEMS) as stems:
        return {case: stems[case] for case in stems.files}
