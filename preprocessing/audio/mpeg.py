"""MPEG audio, layers 1 to 3: its frames are what counts, and no header's count of them."""

from typing import BinaryIO

from .libsndfile import opener
from .mpeg_frames import FrameRun, Scan, scan
from .part import Contents, Part
from .tags import tag_bytes

SEARCH_BYTES = 1 << 20
"""How far behind a file's beginning, its tags left out, the first frame may be."""
_DECODER_DELAY_SAMPLES = 529  # of every decoder of layer 3


def mpeg_contents(file: BinaryIO, start: int, end: int) -> Contents | None:
    """The parts of MPEG audio; None where there are no frames.

    Files that were joined without a converter are a part each, without what their encoder put
    before and behind the sound.
    """
    found = scan(file, start, end, tag_bytes, SEARCH_BYTES)
    if found is None:
        return None
    parts = tuple(_part_of(file, run) for run in found.runs if run.n_frames)
    return Contents(parts, tuple(_faults(found))) if parts else None


def _part_of(file: BinaryIO, run: FrameRun) -> Part:
    _, layer, rate_hz, channels = run.kind
    n_decoded = run.n_frames * run.samples_per_frame
    skipped = padding = 0
    info = run.info
    if info is not None and info.delay_samples is not None and layer == 3:
        skipped = min(info.delay_samples + _DECODER_DELAY_SAMPLES, n_decoded)
        padding = max(0, (info.padding_samples or 0) - _DECODER_DELAY_SAMPLES)
    is_whole = info is not None and info.n_frames == run.n_frames
    n_samples = max(0, n_decoded - skipped - (padding if is_whole else 0))
    announced = n_samples
    if info is not None and info.n_frames is not None and _is_short(run):
        announced = info.n_frames * run.samples_per_frame - skipped - padding
    return Part(
        # libsndfile guesses the length from the first frame, unless it takes it for endless.
        opener(file, list(run.ranges), endless=True),
        rate_hz,
        channels,
        n_samples,
        announced,
        skipped,
    )


def _is_short(run: FrameRun) -> bool:
    """Whether frames are missing that the info frame announces.

    Some encoders count the info frame, too: then its count of bytes decides.
    """
    info = run.info
    if info is None or info.n_frames is None:
        return False
    if info.n_frames - run.n_frames == 1:
        return info.n_bytes is not None and run.n_bytes < info.n_bytes
    return info.n_frames > run.n_frames


def _faults(found: Scan) -> list[str]:
    faults = [
        f"has {n_bytes} bytes {f'after {seconds:.2f} s' if seconds else 'before its first frame'} "
        "that are no MPEG audio, which are left out"
        for seconds, n_bytes in found.lost
    ]
    if found.unfinished_bytes:
        faults.append("ends within a frame")
    if len(faults) > 4:
        faults = [*faults[:3], f"has {len(faults) - 3} more such places"]
    return faults
