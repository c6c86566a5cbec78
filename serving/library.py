"""The models at hand: find an artifact by any of its names, open it once, refuse untrained ones."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stemline.engines import (
    Artifact,
    ModelInfo,
    list_artifacts,
    open_engine,
    read_artifact,
    read_onnx_metadata,
)
from stemline.engines.artifact import MANIFEST, info_from_metadata

from .errors import UnknownModelError, UntrainedError
from .pipeline import Separator

DEFAULT_PRECISION = "fp32"
BEST_MODEL = "mdx23c"
"""What an empty name means where it is exported, trained."""
SMALL_MODEL = "mini"
"""What an empty name means where nothing better is exported: its weights ship with stemline."""
_STEMS_OF_KITS = frozenset(
    {"kick", "snare", "toms", "hh", "hats", "hi-hat", "ride", "crash", "cymbals"}
)


@dataclass(frozen=True)
class EngineOptions:
    """How engines are opened."""

    device: str = "auto"
    threads: int | None = None
    batch_size: int | None = None
    """Chunks run at once; chosen from the device and its memory when None."""
    allow_untrained: bool = False


class Library:
    """The artifacts below one folder, and the separators opened from them."""

    def __init__(self, root: Path, options: EngineOptions | None = None) -> None:
        self.root = root
        self._options = options or EngineOptions()
        self._separators: dict[Path, Separator] = {}
        self._opening = threading.Lock()

    def artifacts(self) -> list[Artifact]:
        """Every artifact there is, by name; damaged ones are passed over with a warning."""
        return list_artifacts(self.root)

    def is_open(self, artifact: Artifact) -> bool:
        """Whether its engine is loaded."""
        return artifact.engine_path in self._separators

    def may_run(self, artifact: Artifact) -> bool:
        """Whether it is trained, or untrained ones are allowed."""
        return artifact.info.trained or self._options.allow_untrained

    def find(self, model: str = "") -> Artifact:
        """The artifact a user means by a model's name, an artifact's name or a path.

        An empty name means `mdx23c`, else the only artifact besides `mini` that takes whole mixes
        apart, else `mini`; of random weights only where none is trained. Raises UnknownModelError
        that names those there are, or ArtifactError for a damaged file.
        """
        if model.endswith(".onnx"):
            return _lone_artifact(Path(model))
        for folder in (self.root / model, self.root / f"{model}.{DEFAULT_PRECISION}"):
            # One folder below the root, whatever a client may call a model.
            is_ours = folder.parent == self.root and not folder.name.startswith(".")
            if model and is_ours and (folder / MANIFEST).is_file():
                return read_artifact(folder)
        artifacts = {artifact.name: artifact for artifact in self.artifacts()}
        if not artifacts:
            raise nothing_exported(self.root, model)
        if not model:
            return _default_of(artifacts, self.root)
        found = _named(artifacts, model)
        if found is None:
            raise UnknownModelError(
                f"no model {model!r} in {self.root}; there are {', '.join(artifacts)}"
            )
        return found

    def separator(self, model: str = "") -> Separator:
        """The separator of a model, opened on first use and kept.

        Raises UnknownModelError, UntrainedError, ArtifactError, DeviceError or MissingExtraError.
        """
        artifact = self.find(model)
        if not self.may_run(artifact):
            raise UntrainedError(
                f"{artifact.name} has random weights, not trained ones: it would give noise. "
                "Export it with --weights official or --weights PATH, or pass --allow-untrained"
            )
        opened = self._separators.get(artifact.engine_path)
        if opened is not None:  # without waiting for another engine that is being opened
            return opened
        with self._opening:
            opened = self._separators.get(artifact.engine_path)
            if opened is None:
                options = self._options
                engine = open_engine(artifact.engine_path, options.device, options.threads)
                opened = Separator(
                    engine,
                    artifact.info,
                    batch_size=options.batch_size,
                    name=artifact.name,
                    sha256=artifact.sha256,
                )
                self._separators[artifact.engine_path] = opened
            return opened

    def close(self) -> None:
        """Close every separator that was opened."""
        with self._opening:
            for separator in self._separators.values():
                separator.close()
            self._separators.clear()


def nothing_exported(root: Path, model: str = "") -> UnknownModelError:
    """What to tell a user who asks for a model, or for any, where there is none."""
    if model:
        how = f"export a model with: stemline export {model}"
    else:
        how = (
            f"stemline export {SMALL_MODEL} takes about a minute, its weights ship with stemline; "
            f"stemline export {BEST_MODEL} gets an official model, which separates real music far "
            "better"
        )
    return UnknownModelError(f"nothing is exported in {root}; {how}")


def _named(artifacts: Mapping[str, Artifact], model: str) -> Artifact | None:
    """The artifact that is called so, or is the model of that name in the usual precision."""
    return artifacts.get(model) or artifacts.get(f"{model}.{DEFAULT_PRECISION}")


def _default_of(artifacts: Mapping[str, Artifact], root: Path) -> Artifact:
    """The one that an empty name means. Raises UnknownModelError where none stands out."""
    trained = {name: artifact for name, artifact in artifacts.items() if artifact.info.trained}
    among = trained or artifacts
    small = _named(among, SMALL_MODEL)
    others = [
        artifact
        for artifact in among.values()
        if artifact.info.model != SMALL_MODEL and takes_mixes_apart(artifact.info)
    ]
    chosen = _named(among, BEST_MODEL) or (others[0] if len(others) == 1 else small)
    if chosen is None:
        raise UnknownModelError(
            f"no model was named, and of those in {root} none is the one to take for a whole mix; "
            f"there are {', '.join(among)}"
        )
    return chosen


def takes_mixes_apart(info: ModelInfo) -> bool:
    """Whether a model is for whole mixes, and not, as a drum kit's is, for a part of one.

    It is unless all of its stems are parts of a kit: what other names stand for, nobody knows.
    """
    return not _STEMS_OF_KITS.issuperset(stem.lower() for stem in info.stems)


def _lone_artifact(path: Path) -> Artifact:
    """An `.onnx` file, by itself or where export put it."""
    if not path.is_file():
        raise UnknownModelError(f"there is no file {path}")
    folder = path.resolve().parent.parent
    if (folder / MANIFEST).is_file():
        artifact = read_artifact(folder)
        if artifact.engine_path == path.resolve():
            return artifact
    info = info_from_metadata(read_onnx_metadata(path), str(path))
    return Artifact(name=path.stem, engine_path=path, info=info, sha256="")
