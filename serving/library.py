"""The exported models: find one by any of its names, open it once, refuse it untrained.

A model's task is to separate or to find beats; neither is ever taken for the other.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from stemline.engines import (
    Artifact,
    open_engine,
    read_artifact,
    read_onnx_metadata,
)
from stemline.engines.artifact import DEFAULT_PRECISION, MANIFEST, info_from_metadata
from stemline.engines.runtimes import is_engine_file
from stemline.errors import ArtifactError, UnknownModelError, UntrainedError, WrongModelError
from stemline.families import separator_family

from .artifact_folders import listed
from .beat_tracker import BeatTracker
from .default_model import (
    best_model,
    candidates,
    default_by_text,
    default_of,
    separates_mixes,
    small_model,
    table_names,
    text_models,
)
from .engine_check import check_engine
from .models import Model, artifacts_in, bag_name, model_of, models_of, with_text_encoder
from .separator import Member, Separator
from .text_embeddings import OpenReader, TextEmbeddings


@dataclass(frozen=True)
class EngineOptions:
    """How engines are opened."""

    device: str = "auto"
    """`auto`, `cpu`, `cuda`, ...; see `stemline.engines`."""
    threads: int | None = None
    """Threads of one engine on a CPU; the runtime's own choice when None."""
    batch_size: int | None = None
    """Chunks run at once; chosen from the device and its memory when None."""
    allow_untrained: bool = False
    """Whether models with random weights may run."""


_MOST_NAME_BYTES = 200  # of a folder's; systems have 255, and a precision is put behind
_SHOWN_CHARS = 200  # of a name in an error


class Library:
    """The artifacts below some folders, and the separators and trackers opened from them."""

    def __init__(
        self,
        folders: Path | Sequence[Path],
        options: EngineOptions | None = None,
        *,
        where: str = "",
    ) -> None:
        """Of artifacts with one name the first folder's is taken.

        `where` is what errors call the folders, which whoever asks from elsewhere need not know.
        """
        self.folders = (folders,) if isinstance(folders, Path) else tuple(folders)
        self.where = where or f"in {listed(self.folders)}"
        """The folders in words."""
        self.options = options or EngineOptions()
        self._separators: dict[tuple[Path, ...], Separator] = {}
        self._trackers: dict[tuple[Path, ...], BeatTracker] = {}
        self._opening = threading.Lock()

    def artifacts(self) -> list[Artifact]:
        """Every artifact there is, by name; damaged ones are skipped with a warning."""
        return artifacts_in(self.folders)

    def models(self) -> list[Model]:
        """Every model there is, by name; the networks of a bag are one."""
        return models_of(self.artifacts())

    def separators(self) -> list[Model]:
        """The models that separate, by name."""
        return [model for model in self.models() if model.task == "separate"]

    def beat_models(self) -> list[Model]:
        """The models that find beats, by name."""
        return [model for model in self.models() if model.task == "beats"]

    def is_open(self, model: Model) -> bool:
        """Whether the model was opened; a bag's networks may still wait to be loaded."""
        return _key(model) in (self._trackers if model.task == "beats" else self._separators)

    def may_run(self, model: Model) -> bool:
        """Whether it is trained, or untrained ones are allowed."""
        return model.info.trained or self.options.allow_untrained

    def find(self, model: str = "", *, by_text: bool = False) -> Model:
        """The separator that a user means by a model's name, an artifact's name or a path.

        What an empty name means is in `default_model.py`, and with `by_text`, where a text says
        what to separate, it means the model that takes one; random weights are taken only where
        none is trained. Raises UnknownModelError, which lists the models there are, WrongModelError
        for one that finds beats, or ArtifactError for a damaged file.
        """
        if model:
            found = self.named(model)
            if found.task != "separate":
                raise WrongModelError(
                    f"{found.name} finds beats and gives no stems; run it with: stemline beats -m "
                    f"{model}. {_there_are('Models that give stems', self.separators())}"
                )
            return found
        models = self.separators()
        if not models:
            raise nothing_exported(self.where, instead=self.beat_models())
        if by_text:
            return self._default_by_text(models)
        chosen = default_of(models, separates_mixes)
        if chosen is None:
            among = candidates(models) or models  # which all want a text
            raise UnknownModelError(
                f"no model was named, and of those {self.where} none is the one to take for a "
                f"whole mix; there are {', '.join(one.name for one in among)}"
            )
        return chosen

    def _default_by_text(self, models: Sequence[Model]) -> Model:
        chosen = default_by_text(models)
        if chosen is None:
            names = [model.name for model in models if model.info.text is not None]
            there_are = f"there are {', '.join(names)}" if names else "none is exported"
            raise UnknownModelError(
                f"a text was given and no model, and {self.where} {there_are} that take one; name "
                f"one, or export one: stemline export {' or '.join(text_models())}"
            )
        return chosen

    def named(self, model: str) -> Model:
        """The model of this name or at this path, whatever its task.

        Raises UnknownModelError or ArtifactError, as `find` does, and WrongModelError for an
        encoder of texts, which is part of a model.
        """
        if is_engine_file(model):
            alone = _separating(_lone_artifact(Path(model)))
            beside = [_text_encoder_beside(alone)] if alone.info.text else []
            return with_text_encoder(model_of(alone), [one for one in beside if one])
        for root in self.folders if _may_be_a_folder(model) else ():
            for name in (model, f"{model}.{DEFAULT_PRECISION}"):
                folder = root / name
                # A client's name for a model must not lead out of the root, nor say where it is.
                is_ours = folder.name == name and not name.startswith(".")
                if is_ours and (folder / MANIFEST).is_file():
                    artifact = _separating(read_artifact(folder))
                    others = self.artifacts() if artifact.info.text else ()
                    return with_text_encoder(model_of(artifact), others)
        models = {found.name: found for found in self.models()}
        found = models.get(model) or models.get(f"{model}.{DEFAULT_PRECISION}")
        if found is not None:
            return found
        parts = [a.name for a in self.artifacts() if model in (a.info.model, bag_name(a.info))]
        if parts:
            raise ArtifactError(
                f"{', '.join(parts)} are not of one bag; remove those that are old, or export "
                f"{model} again"
            )
        raise unknown_model(model, self.where, list(models))

    def separator(self, model: str = "", *, by_text: bool = False) -> Separator:
        """The separator that `find` names, opened on first use and kept.

        Raises UnknownModelError, WrongModelError, UntrainedError, ArtifactError, DeviceError or
        MissingExtraError.
        """
        return self.separator_of(self.find(model, by_text=by_text))

    def separator_of(self, model: Model) -> Separator:
        """The separator of a model that `find` returned, opened on first use and kept.

        Raises UntrainedError, ArtifactError, DeviceError or MissingExtraError.
        """
        self.check_trained(model)
        key = _key(model)
        opened = self._separators.get(key)
        if opened is not None:  # without waiting for another engine that is being opened
            return opened
        with self._opening:
            opened = self._separators.get(key)
            if opened is None:
                opened = self._separators[key] = _open_separator(model, self.options)
            return opened

    def beat_tracker(self, model: Model) -> BeatTracker:
        """The tracker of a model that finds beats, opened on first use and kept.

        It has no separator: `BeatTracker.with_separator` returns one that has, on the same engine.
        Raises UntrainedError, ArtifactError, DeviceError or MissingExtraError.
        """
        self.check_trained(model)
        key = _key(model)
        opened = self._trackers.get(key)
        if opened is not None:
            return opened
        with self._opening:
            opened = self._trackers.get(key)
            if opened is None:
                opened = self._trackers[key] = _open_tracker(model, self.options)
            return opened

    def check_trained(self, model: Model) -> None:
        """Raise UntrainedError unless it is trained, or untrained ones are allowed."""
        if self.may_run(model):
            return
        harm = "its beats would mean nothing" if model.task == "beats" else "it would give noise"
        raise UntrainedError(
            f"{model.name} has random weights, not trained ones: {harm}. "
            "Export it with --weights official or --weights PATH, or pass --allow-untrained"
        )

    def close_model(self, model: Model) -> None:
        """Close the engines of one model, which nobody may be using; it can be opened again."""
        key = _key(model)
        opened = (self._separators.pop(key, None), self._trackers.pop(key, None))
        for one in opened:
            if one is not None:
                one.close()

    def close(self) -> None:
        """Close every engine that was opened."""
        with self._opening:
            for tracker in self._trackers.values():
                tracker.close()
            for separator in self._separators.values():
                separator.close()
            self._trackers.clear()
            self._separators.clear()


def nothing_exported(where: str, instead: Sequence[Model] = ()) -> UnknownModelError:
    """The error for a user who asks for a separator, or for any model, where there is none.

    `where` is said of a Library; `instead` are the models that there are: they find beats.
    """
    small, best = small_model("separate"), best_model("separate")
    how = (
        f"stemline export {small} takes about a minute, its weights ship with stemline; "
        f"stemline export {best} gets an official model, which separates real music far "
        "better"
    )
    if instead:
        names = ", ".join(found.name for found in instead)
        return UnknownModelError(
            f"no model that gives stems is exported {where}, only what finds beats: {names}; {how}"
        )
    return UnknownModelError(f"nothing is exported {where}; {how}")


def unknown_model(model: str, where: str, exported: Sequence[str]) -> UnknownModelError:
    """The error for a name that no exported model has: how to export it, or what was meant."""
    name, _, precision = model.rpartition(".") if model not in table_names() else (model, "", "")
    if name in table_names():
        variant = "" if precision in ("", DEFAULT_PRECISION) else f" --variants {precision}"
        return UnknownModelError(
            f"{model} is not exported {where}; export it with: stemline export {name}{variant}"
        )
    names = {one.removesuffix(f".{DEFAULT_PRECISION}"): one for one in exported}
    near = get_close_matches(model, [*names, *names.values(), *table_names()], 1)
    hint = f"; did you mean {near[0]}?" if near else ";"
    there_are = f"there are {', '.join(exported)}" if exported else "nothing is exported there"
    return UnknownModelError(f"no model {model[:_SHOWN_CHARS]!r} {where}{hint} {there_are}")


def _there_are(what: str, models: Sequence[Model]) -> str:
    names = ", ".join(model.name for model in models)
    return f"{what}: {names}" if names else f"{what}: none is exported"


def _key(model: Model) -> tuple[Path, ...]:
    """The engine files: one model may be found by several names and is opened once."""
    return tuple(artifact.engine_path for artifact in model.artifacts)


def _open_separator(model: Model, options: EngineOptions) -> Separator:
    """The separator of a model: a single network is loaded now, a bag's as they are needed."""
    members = [None if a is None else _member(a, options) for a in model.networks]
    separator = Separator.of_members(
        model.info,
        members,
        model.weights,
        texts=_texts_of(model, options),
        batch_size=options.batch_size,
        name=model.name,
        sha256=model.sha256,
    )
    if len(members) == 1:
        separator.load()
    return separator


def _texts_of(model: Model, options: EngineOptions) -> TextEmbeddings | None:
    """What reads texts for a model that separates by them; None where there is no encoder."""
    artifact = model.text_encoder
    if artifact is None:
        return None

    def opened() -> OpenReader:
        info, path = artifact.info, artifact.engine_path
        engine = open_engine(path, options.device, options.threads)
        try:
            family = separator_family(info.family, info.model)
            check_engine(info.model, family.tensors(info), engine.spec)
            return OpenReader(engine, family.text_reader(info, engine, read_onnx_metadata(path)))
        except BaseException:
            engine.close()
            raise

    return TextEmbeddings(opened)


def _member(artifact: Artifact, options: EngineOptions) -> Member:
    return Member(
        artifact.name,
        artifact.info,
        partial(open_engine, artifact.engine_path, options.device, options.threads),
    )


def _open_tracker(model: Model, options: EngineOptions) -> BeatTracker:
    (artifact,) = model.artifacts
    info = artifact.info.beats
    assert info is not None
    engine = open_engine(artifact.engine_path, options.device, options.threads)
    try:
        return BeatTracker(engine, info, name=artifact.name, sha256=artifact.sha256)
    except BaseException:
        engine.close()
        raise


def _may_be_a_folder(model: str) -> bool:
    """Whether a name is one that a folder can have: a system raises for others."""
    return 0 < len(model.encode(errors="replace")) <= _MOST_NAME_BYTES and "\0" not in model


def _separating(artifact: Artifact) -> Artifact:
    """The artifact, unless it encodes texts: then WrongModelError is raised."""
    if artifact.info.encodes_text:
        raise WrongModelError(
            f"{artifact.name} encodes texts for {artifact.info.model} and separates nothing; name "
            f"{artifact.info.model}"
        )
    return artifact


def _text_encoder_beside(artifact: Artifact) -> Artifact | None:
    """The encoder of texts for a lone file: `NAME-text.onnx` beside `NAME.onnx`.

    Where export put the file it is in its own folder beside that one. None where it is not there.
    """
    path, info = artifact.engine_path, artifact.info
    other = path.with_name(f"{path.stem}-text{path.suffix}")
    if other.is_file():
        return _lone_artifact(other)
    folder = path.resolve().parent.parent.parent / f"{info.model}-text.{info.precision}"
    return read_artifact(folder) if (folder / MANIFEST).is_file() else None


def _lone_artifact(path: Path) -> Artifact:
    """The artifact of an `.onnx` file, by itself or where export put it."""
    try:
        is_file = path.is_file()
    except (OSError, ValueError):  # longer than a path may be, or with a NUL in it
        is_file = False
    if not is_file:
        raise UnknownModelError(f"there is no file {str(path)[:_SHOWN_CHARS]}")
    folder = path.resolve().parent.parent
    if (folder / MANIFEST).is_file():
        artifact = read_artifact(folder)
        if artifact.engine_path == path.resolve():
            return artifact
    info = info_from_metadata(read_onnx_metadata(path), str(path))
    return Artifact(name=path.stem, engine_path=path, info=info, sha256="")
