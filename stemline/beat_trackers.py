"""Beat trackers as users load them: a file or an array to its beats and sections."""

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stemline.errors import RequestError, UnknownModelError
from stemline.serving.beat_models import BeatModel, find_beat_model, find_separator
from stemline.serving.beat_tracker import BeatTracker as LoadedTracker
from stemline.serving.jobs import Beats
from stemline.serving.library import EngineOptions, Library

from .artifacts import open_library
from .sources import (
    AudioSource,
    Progress,
    StrPath,
    checked_samples,
    open_track,
    say_finished,
    whole_hz,
)
from .stems import Stems


class BeatTracker:
    """A model loaded to find beats; made by `load_beat_tracker`, closed by `with` or `close`.

    Any number of threads may use it at once; tracks wait for the network one after another.
    """

    def __init__(self, library: Library, model: BeatModel, separator: str) -> None:
        """Load a model of a library, and take the library over. Raises as `load_beat_tracker`."""
        self._library = library
        self._model = model
        self._separator = separator
        try:
            self._tracker = self._with_separator()
        except UnknownModelError:  # which stems of their own do without; `track` raises it
            if separator:
                raise
            self._tracker = model.open(library)

    @property
    def model(self) -> str:
        """The model's name, such as `allin1`."""
        return self._model.model.info.model

    @property
    def input_stems(self) -> tuple[str, ...]:
        """The stems that the network takes in; none where it takes the mixture."""
        return self._tracker.info.stems

    def track(
        self,
        source: AudioSource,
        sample_rate_hz: int | None = None,
        *,
        activations: bool = False,
        strict: bool = False,
        on_progress: Progress | None = None,
    ) -> Beats:
        """Find the beats of a track, which is separated first where the network takes stems.

        Parameters
        ----------
        source
            The path of an audio file; or floats (channels, n_samples) from -1 to 1, of one axis
            where it is mono.
        sample_rate_hz
            The rate of the samples in Hz; a file has its own.
        activations
            Add the network's probabilities.
        strict
            Refuse a file that is damaged or ends early, before anything else; without it what can
            be read is, and a warning is logged.
        on_progress
            Called in this thread with the samples separated so far and the track's, None where
            its file does not say how many there are.

        Returns
        -------
        Beats
            `bpm`, and where it drifts `bpm_range`; `beats`, each with its `time_s` and `position`
            in the bar; `downbeats` in seconds; `segments` with `start` and `end` in seconds and a
            `label`.

        Raises
        ------
        AudioError
            The file is missing, no audio, or damaged and `strict`; or a sample is no finite number.
        RequestError
            The array is not of floats, or transposed, or has no rate.
        UnknownModelError
            Nothing that makes the network's input stems is exported.
        EngineError
            An engine failed, or memory does not hold the track.
        """
        track = open_track(source, sample_rate_hz, strict=strict)
        if self._tracker.needs_separator and self._tracker.separator is None:
            self._tracker = self._with_separator()
        found = self._tracker.track_blocks(
            track.blocks, track.audio, with_activations=activations, on_progress=on_progress
        )
        say_finished(on_progress, track.audio)
        return found

    def track_stems(
        self,
        stems: Mapping[str, NDArray[np.floating[Any]]],
        sample_rate_hz: int | None = None,
        *,
        activations: bool = False,
    ) -> Beats:
        """Find the beats in stems that are there already.

        Parameters
        ----------
        stems
            What `separate` returned, or any floats (channels, n_samples) by name: all the
            `input_stems`, in any case. Others are passed over.
        sample_rate_hz
            The rate of the stems in Hz; what `separate` returned has its own.
        activations
            Add the network's probabilities.

        Raises
        ------
        RequestError
            A stem is missing, of another length, not of floats or transposed, or has no rate.
        AudioError, EngineError
            A sample is no finite number; the engine failed, or memory does not hold the track.
        """
        arrays = {
            name: np.asarray(checked_samples(samples, name), np.float32)
            for name, samples in stems.items()
        }
        rate_hz = _rate_of(stems, sample_rate_hz)
        return self._tracker.track_stems(arrays, rate_hz, with_activations=activations)

    def close(self) -> None:
        """Free the engines; what is under way fails with EngineError."""
        self._library.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        separator = self._tracker.separator
        of_stems = "" if separator is None else f" of stems from {separator.name}"
        return f"<BeatTracker {self._model.name}{of_stems}>"

    def _with_separator(self) -> LoadedTracker:
        found = find_separator(self._library, self._model.info, self._separator)
        return self._model.open(self._library, found)


def load_beat_tracker(
    model: StrPath | None = None,
    *,
    separator: StrPath | None = None,
    artifacts: StrPath | None = None,
    device: str = "auto",
    threads: int | None = None,
    allow_untrained: bool = False,
) -> BeatTracker:
    """Load a model that finds beats, and the separator whose stems it takes in.

    Parameters
    ----------
    model
        A model (`allin1`), an artifact (`allin1.fp32`) or the path of an `.onnx` file; what the
        command takes, the best one that is exported, when None or empty.
    separator
        The model that makes the stems; the one that the network was trained on, or another of
        these stems, when None or empty.
    artifacts
        The folder of exported models. When None, that of `STEMLINE_ARTIFACTS`, else `artifacts/`,
        the user's data folder and what the wheel carries.
    device
        `auto`, `cpu`, `cuda` or `cuda:N`; one that is not there is an error.
    threads
        CPU threads inside one operation; all cores when None.
    allow_untrained
        Load seeded random weights, too: what they find means nothing.

    Raises
    ------
    UnknownModelError
        It is not exported, or the separator asked for is not; the message says how to export it.
    WrongModelError
        The model makes stems, or the separator does not.
    RequestError
        The separator makes other stems, or the network takes none.
    UntrainedError, ArtifactError, DeviceError, MissingExtraError
        One of them has random weights, is damaged, or cannot run here.
    """
    options = EngineOptions(device=device, threads=threads, allow_untrained=allow_untrained)
    library = open_library(artifacts, options)
    try:
        found = find_beat_model(library, os.fspath(model or ""))
        return BeatTracker(library, found, os.fspath(separator or ""))
    except BaseException:
        library.close()  # one of two engines may be loaded
        raise


def find_beats(
    source: AudioSource,
    sample_rate_hz: int | None = None,
    *,
    model: StrPath | None = None,
    separator: StrPath | None = None,
    artifacts: StrPath | None = None,
    device: str = "auto",
    threads: int | None = None,
    allow_untrained: bool = False,
    activations: bool = False,
    strict: bool = False,
    on_progress: Progress | None = None,
) -> Beats:
    """Find the beats of one track: load a model, run it and close it.

    For more than one, `load_beat_tracker` loads the model once. Parameters, result and errors are
    those of `load_beat_tracker` and `BeatTracker.track`.
    """
    with load_beat_tracker(
        model,
        separator=separator,
        artifacts=artifacts,
        device=device,
        threads=threads,
        allow_untrained=allow_untrained,
    ) as tracker:
        return tracker.track(
            source,
            sample_rate_hz,
            activations=activations,
            strict=strict,
            on_progress=on_progress,
        )


def _rate_of(stems: Mapping[str, Any], sample_rate_hz: int | None) -> int:
    """The rate of stems, their own or the one said. Raises RequestError for none or two."""
    own_hz = stems.sample_rate_hz if isinstance(stems, Stems) else None
    said_hz = None if sample_rate_hz is None else whole_hz(sample_rate_hz)
    rate_hz = own_hz or said_hz
    if rate_hz is None:
        raise RequestError(
            "sample_rate_hz", "arrays do not know their sample rate; pass sample_rate_hz, too"
        )
    if said_hz not in (None, rate_hz):
        raise RequestError("sample_rate_hz", f"these stems have {rate_hz} Hz, not {said_hz}")
    return rate_hz
