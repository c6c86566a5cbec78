"""The blocks of neighbourhood attention in an ONNX graph whose frames are free.

The nodes compute what `network.neighbourhood.Band` computes from a number of frames; see there.
"""

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from ...common.graph import OnnxGraph, Value
from ..network.neighbourhood import Band


@dataclass(frozen=True)
class BlockIndices:
    """Which frames and biases the blocks of one attention take; all int64."""

    n_blocks: Value
    """N, the number of blocks, a scalar."""
    queries: Value
    """(N, d, m): the frame of each query; the last one for those after it."""
    keys: Value
    """(N, d, m + K − 1): the frame of each key; `n_frames` or more where it is padding."""
    cases: Value
    """(N · d,): the kind of each block."""
    places: Value
    """(n_frames,): where each frame lies among the flattened queries."""


def block_indices(graph: OnnxGraph, band: Band, n_frames: Value) -> BlockIndices:
    """The indices of `band` for the scalar `n_frames`."""
    step, far = band.block * band.dilation, band.block + band.half
    n_blocks = graph("Div", graph("Add", n_frames, step - 1), step)
    first = graph("Mul", graph("Range", 0, n_blocks, 1), step)  # frame of each block
    residue = np.arange(band.dilation)
    length = graph("Max", n_frames, band.window)
    # n − b·m places are left in residue class r, n = ⌈(length − r) / d⌉.
    n_places = graph("Div", graph("Sub", length, residue - band.dilation + 1), band.dilation)
    passed = graph("Mul", graph("Range", 0, n_blocks, 1), band.block)
    left = graph("Sub", n_places, graph("Reshape", passed, [-1, 1]))
    left = graph("Max", graph("Min", left, far), 1)
    later = graph("Mul", graph("Min", graph("Reshape", passed, [-1, 1]), 1), far)
    cases = graph("Reshape", graph("Add", graph("Sub", left, 1), later), [-1])
    return BlockIndices(
        n_blocks=n_blocks,
        queries=graph("Min", _frames(graph, band, first, band.block, 0), graph("Sub", n_frames, 1)),
        keys=_rotated(graph, band, _frames(graph, band, first, band.n_keys, -band.half), length),
        cases=cases,
        places=_places(graph, band, n_frames),
    )


def _frames(graph: OnnxGraph, band: Band, first: Value, n_places: int, begin: int) -> Value:
    """Frame first[b] + r + (begin + c) · d at [b, r, c]."""
    place = (np.arange(n_places) + begin) * band.dilation
    inside = np.arange(band.dilation)[:, None] + place
    return graph("Add", graph("Reshape", first, [-1, 1, 1]), inside)


def _rotated(graph: OnnxGraph, band: Band, frames: Value, length: Value) -> Value:
    """Frames whose places before the first get K added, and after the last K taken away."""
    before = graph("Cast", graph("Less", frames, 0), to=TensorProto.INT64)
    after = graph("Cast", graph("GreaterOrEqual", frames, length), to=TensorProto.INT64)
    moved = graph("Mul", graph("Sub", before, after), band.kernel_size * band.dilation)
    return graph("Add", frames, moved)


def _places(graph: OnnxGraph, band: Band, n_frames: Value) -> Value:
    frame = graph("Range", 0, n_frames, 1)
    place, residue = _divmod(graph, frame, band.dilation)
    block, within = _divmod(graph, place, band.block)
    row = graph("Add", graph("Mul", block, band.dilation), residue)
    return graph("Add", graph("Mul", row, band.block), within)


def _divmod(graph: OnnxGraph, value: Value, by: int) -> tuple[Value, Value]:
    quotient = graph("Div", value, by)
    return quotient, graph("Sub", value, graph("Mul", quotient, by))
