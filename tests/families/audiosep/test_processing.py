"""A track through AudioSep's processing, with networks whose masks are known."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from audiosep_helpers import SEPARATOR
from export_helpers import info_of
from helpers import music, snr_db

from stemline.arrays import Array
from stemline.errors import OverlapError, RequestError
from stemline.families.audiosep.processing import Ends, QueriedProcessing
from stemline.families.separation import ProcessingOptions

INFO = info_of(SEPARATOR)
LENGTHS = (1, 129, 2400, 7999, 8000, 8001, 12_801, 31_999, 40_003)
FIRST, SECOND = np.eye(2, SEPARATOR.n_embedding, dtype=np.float32)
Masks = Callable[[Mapping[str, Array]], Array]


def flat(inputs: Mapping[str, Array]) -> Array:
    """A mask that turns by a quarter where the first embedding is asked for, else halves."""
    shape = inputs["magnitude"].shape
    mask = np.zeros((1, 2, *shape[1:]), np.float32)
    mask[:, 1 if inputs["embedding"][0, 0] else 0] = 1 if inputs["embedding"][0, 0] else 0.5
    return mask


def whole(inputs: Mapping[str, Array]) -> Array:
    shape = inputs["magnitude"].shape
    mask = np.zeros((1, 2, *shape[1:]), np.float32)
    mask[:, 0] = 1
    return mask


def separated(
    mixture: Array, embeddings: tuple[Array, ...], masks: Masks, block: int = 1000
) -> Array:
    """Stems (n_queries, channels, n) of a track that comes in blocks."""
    processing = QueriedProcessing(INFO)
    track = processing.track([0], ProcessingOptions(embeddings=embeddings))
    blocks = (mixture[:, at : at + block] for at in range(0, mixture.shape[1], block))
    parts = [track.add(piece, {"mask": masks(piece.inputs)}) for piece in track.pieces(blocks)]
    return np.concatenate(parts, axis=-1)


def low_passed(mixture: Array) -> Array:
    """Without what is in the highest bin, which no target has."""
    spectrum = np.fft.rfft(mixture)
    spectrum[..., int(0.97 * spectrum.shape[-1]) :] = 0
    return np.fft.irfft(spectrum, mixture.shape[-1]).astype(np.float32)


@pytest.mark.parametrize("n_samples", LENGTHS)
@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_not_masked_comes_out_at_every_length(n_samples: int, channels: int) -> None:
    mixture = low_passed(music(n_samples, channels=channels))
    got = separated(mixture, (FIRST,), whole)
    assert got.shape == (1, channels, n_samples)
    # The ends are in the highest bin too, which a track of some samples is little more than.
    assert snr_db(mixture, got[0]) > (60 if n_samples > 1000 else 40 if n_samples > 1 else 0)


@pytest.mark.parametrize("block", [1, 37, 8000, 50_000])
def test_blocks_of_any_length_make_the_same_stems(block: int) -> None:
    mixture = music(9001, channels=2)
    wanted = separated(mixture, (FIRST, SECOND), flat)
    assert np.array_equal(separated(mixture, (FIRST, SECOND), flat, block), wanted)


def test_each_text_is_a_stem_of_its_own_and_each_channel_by_itself() -> None:
    mixture = music(20_000, channels=2)
    both = separated(mixture, (FIRST, SECOND), flat)
    for place, embedding in enumerate((FIRST, SECOND)):
        for channel in range(2):
            alone = separated(mixture[channel : channel + 1], (embedding,), flat)
            assert np.array_equal(both[place, channel], alone[0, 0])


def test_a_mask_is_a_complex_factor() -> None:
    """Half of it is half the sound; a quarter turn makes a cosine a sine that is as loud."""
    at = np.arange(20_000) / SEPARATOR.sample_rate_hz
    mixture = np.cos(2 * np.pi * 1000 * at, dtype=np.float32)[None]
    turned, halved = separated(mixture, (FIRST, SECOND), flat)[:, 0]
    inner = slice(2000, -2000)  # at its ends the cosine is mirrored
    assert snr_db(0.5 * mixture[0, inner], halved[inner]) > 60
    assert snr_db(-np.sin(2 * np.pi * 1000 * at)[inner].astype(np.float32), turned[inner]) > 60


def test_the_spectra_of_a_chunk_are_computed_once_for_all_texts() -> None:
    processing = QueriedProcessing(INFO)
    track = processing.track([0], ProcessingOptions(embeddings=(FIRST, SECOND)))
    pieces = list(track.pieces([music(2400, channels=2)]))
    assert len(pieces) == 2 * 2  # one chunk, texts, channels
    inputs = [piece.inputs["magnitude"] for piece in pieces]
    assert np.shares_memory(inputs[0], inputs[2]) and np.shares_memory(inputs[1], inputs[3])
    assert all(
        piece.network == 0 and piece.inputs["embedding"].shape == (1, 16) for piece in pieces
    )


def test_a_magnitude_is_never_zero() -> None:
    ends = Ends(INFO)
    silence = np.zeros((1, SEPARATOR.chunk_samples), np.float32)
    magnitudes = ends.magnitudes(ends.spectra(silence))
    assert magnitudes.shape == (1, SEPARATOR.n_frames, SEPARATOR.n_bins)
    assert magnitudes.dtype == np.float32
    assert np.allclose(magnitudes, 1e-5, rtol=1e-6)
    assert not separated(silence, (FIRST,), whole).any()


def test_without_a_text_nothing_is_separated() -> None:
    processing = QueriedProcessing(INFO)
    with pytest.raises(RequestError, match="separates what a text describes, and none was given"):
        processing.check([0], ProcessingOptions())
    asked = ProcessingOptions(embeddings=(FIRST,), shifts=2)
    with pytest.raises(RequestError, match="has no shifts"):
        processing.track([0], asked)
    with pytest.raises(OverlapError):
        processing.check([0], ProcessingOptions(embeddings=(FIRST,), overlap=1.5))
