"""What clients may ask for: models by name, and of a server never a path on its machine."""

from collections.abc import Sequence

from stemline.engines.runtimes import is_engine_file
from stemline.errors import RequestError, UnknownModelError, WrongModelError
from stemline.families.family import Task

from .beat_models import BeatModel, find_beat_model, find_separator
from .library import Library
from .models import Model


class ServedModels:
    """The models of a library that may run, and what an empty name means."""

    def __init__(
        self, library: Library, preferred: Sequence[str] = (), *, takes_paths: bool = False
    ) -> None:
        """The first of `preferred` with a task is the default for that task, else the library's.

        `takes_paths` is for who asks on this machine, and may name a file of their own.
        """
        self.library = library
        self._preferred = preferred
        self._takes_paths = takes_paths

    def models(self) -> list[Model]:
        """The models that this server can run, by name."""
        return [model for model in self.library.models() if self.library.may_run(model)]

    def separator(self, model: str, *, by_text: bool = False) -> Model:
        """The separator that a client names; see `Library.find`, which raises the same."""
        self._refuse_path(model)
        return self.library.find(model or self._default("separate", by_text), by_text=by_text)

    def beat_model(self, model: str) -> BeatModel:
        """The beat model that a client names. Raises as `find_beat_model` does."""
        self._refuse_path(model)
        return find_beat_model(self.library, model or self._default("beats"))

    def separator_for(self, model: BeatModel, separator: str) -> Model | None:
        """The model that makes a beat model's input stems; None where it takes the mixture.

        Raises as `find_separator` does, and RequestError for a separator that finds beats.
        """
        self._refuse_path(separator)
        try:
            return find_separator(self.library, model.info, separator)
        except WrongModelError as error:
            raise RequestError("separator", str(error)) from error

    def _refuse_path(self, model: str) -> None:
        if is_engine_file(model) and not self._takes_paths:
            names = ", ".join(found.name for found in self.models())
            raise UnknownModelError(f"no model {model[:200]!r}; there are {names}")

    def _default(self, task: Task, by_text: bool = False) -> str:
        """The first of the preferred models with this task; empty where there is none."""
        for name in self._preferred:
            model = self.library.named(name)
            if model.task == task and (model.info.text is not None) == by_text:
                return name
        return ""
