"""What a worker does to measure quality: separate songs, compare stems with the truth."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from stemline.arrays import Array
from stemline.engines.artifact import info_from_json
from stemline.errors import BenchError
from stemline.evaluation.parity import snr_db
from stemline.evaluation.quality import scores_of
from stemline.evaluation.separation import separate_together, separate_whole

from .engines import opened
from .recordings import SongRef, known_song

Values = dict[str, Any]


class QualityRole:
    """Separates songs whose stems are known."""

    def __init__(self, engine: str, opening: Values, info: Values) -> None:
        self._info = info_from_json(info, engine)
        self._engine = opened(engine, opening).engine
        self._last: tuple[SongRef, tuple[Array, dict[str, Array]]] | None = None
        # The first run of an engine is slower: one chunk that nobody times.
        separate_whole(self._engine, self._info, np.zeros((self._info.channels, 1), np.float32))
        self.opened: Values = {"device": self._engine.spec.device}

    @property
    def commands(self) -> dict[str, Callable[..., Values]]:
        """`score` a song, or `batches` of several."""
        return {"score": self.score, "batches": self.batches}

    def score(self, song: Values, overlap: float) -> Values:
        """One song at one overlap, chunk by chunk."""
        mixture, truth = self._known(SongRef(**song))
        started = time.perf_counter()
        separated = separate_whole(self._engine, self._info, mixture, overlap)
        seconds = time.perf_counter() - started
        scores = scores_of(separated, mixture, truth)
        return {
            "scores": [asdict(score) for score in scores],
            "seconds": seconds,
            "audio_s": mixture.shape[1] / self._info.sample_rate_hz,
        }

    def batches(self, songs: list[Values], overlap: float, batch: int) -> Values:
        """Songs chunk by chunk, and again with `batch` chunks at once, of all songs mixed."""
        known = [known_song(SongRef(**song), self._info) for song in songs]
        mixtures = [mixture for mixture, _ in known]
        started = time.perf_counter()
        alone = [separate_whole(self._engine, self._info, one, overlap) for one in mixtures]
        between = time.perf_counter()
        together = separate_together(self._engine, self._info, mixtures, overlap, batch)
        ended = time.perf_counter()
        worst_db, largest_db = math.inf, 0.0
        for (mixture, truth), one, many in zip(known, alone, together, strict=True):
            for stem in self._info.stems:
                stem_db = snr_db(one[stem], many[stem])
                if math.isnan(stem_db):
                    raise BenchError(f"stem {stem} is not finite")
                worst_db = min(worst_db, stem_db)
            for a, b in zip(
                scores_of(one, mixture, truth), scores_of(many, mixture, truth), strict=True
            ):
                largest_db = max(largest_db, abs(a.si_sdr_db - b.si_sdr_db))
        return {
            "snr_db": worst_db if math.isfinite(worst_db) else None,
            "si_sdr_difference_db": largest_db,
            "seconds_alone": between - started,
            "seconds_together": ended - between,
        }

    def close(self) -> None:
        """Free the engine."""
        self._engine.close()

    def _known(self, ref: SongRef) -> tuple[Array, dict[str, Array]]:
        """The song, kept for the next overlap."""
        if self._last is None or self._last[0] != ref:
            self._last = None  # freed before the next is made
            self._last = (ref, known_song(ref, self._info))
        return self._last[1]
