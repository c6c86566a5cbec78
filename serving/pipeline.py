"""From audio to stems, one piece at a time: read this first.

    audio blocks ─► TrackInput ─► pieces ─► [engine] ─► stems of a piece ─► TrackOutput ─► blocks
     any rate       the model's    the family's processing: how a track      the input's
                    rate           goes in and how stems come out            rate

`separation.py` is the same flow with its three parts at work at once, for serving; a test holds it
equal to this one to the bit. What a family does in the middle is in its `processing.py`.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from stemline.arrays import Array
from stemline.engines import Engine
from stemline.families.separation import Piece, TrackProcessing

from .jobs import SeparatedBlock
from .track_input import TrackInput
from .track_output import TrackOutput


def separate_track(
    track: TrackInput,
    processing: TrackProcessing,
    engines: Mapping[int, Engine],
    output: TrackOutput,
    batch: int = 1,
) -> Iterator[SeparatedBlock]:
    """Separate a track: blocks of its stems, in order and without a gap.

    Parameters
    ----------
    track
        The audio, at any rate.
    processing
        What the model's family does with one track, for the stems wanted of it.
    engines
        The engines of the networks that these stems need; key: the network's index in the model.
    output
        Brings the stems to the rate and the channels of the track.
    batch
        Pieces that one run of an engine takes at most.

    Raises
    ------
    AudioError, EngineError
        Besides whatever reading the track raises.
    """
    if track.reads_twice:
        processing.prepare(track.first_reading())  # blocks (channels, n) at the model's rate
    pieces = processing.pieces(track.last_reading())  # inputs: name → (1, ...)
    for piece, outputs in run_pieces(pieces, engines, batch):  # outputs: name → (1, ...)
        final = processing.add(piece, outputs)  # (n_stems, channels, n)
        yield from output.add(final)  # stem → (output channels, n) at the track's rate
    yield from output.finish(track.n_samples)  # exactly as many samples as went in


def run_pieces(
    pieces: Iterable[Piece], engines: Mapping[int, Engine], batch: int = 1
) -> Iterator[tuple[Piece, dict[str, Array]]]:
    """Each piece with its outputs, name → (1, ...), in order and as soon as its batch has run.

    Up to `batch` neighbours run at once, where one network takes them and their shapes are equal.
    """
    for rows in _batches(pieces, batch):
        inputs = {
            name: np.concatenate([row.inputs[name] for row in rows]) if len(rows) > 1 else array
            for name, array in rows[0].inputs.items()
        }
        outputs = engines[rows[0].network].run(inputs)
        for place, row in enumerate(rows):
            yield row, {name: array[place : place + 1] for name, array in outputs.items()}


def _batches(pieces: Iterable[Piece], size: int) -> Iterator[list[Piece]]:
    """Pieces in order, as lists of up to `size` that can be stacked into one run."""
    rows: list[Piece] = []
    for piece in pieces:
        if rows and not _can_stack(rows[0], piece):
            yield rows
            rows = []
        rows.append(piece)
        if len(rows) == size:
            yield rows
            rows = []
    if rows:
        yield rows


def _can_stack(one: Piece, other: Piece) -> bool:
    """Whether both are for one network and of one shape."""
    return one.network == other.network and all(
        array.shape == other.inputs[name].shape for name, array in one.inputs.items()
    )
