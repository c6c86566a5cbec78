"""The worker: takes requests line by line, works on several at once, answers each once.

lines_of ─► Worker.take ─► cancel, models, stats, exit: answered at once
                      └──► load_model, separate, beats, analyze: wait for one of `n_jobs` threads
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from stemline.errors import DrainingError, LimitError, RequestError, StemlineError

from ..library import Library
from ..models import Model
from ..served_models import ServedModels
from .answers import Answers, error_json
from .fields import Fields
from .kept_models import KeptModels, memory_bytes
from .lines import LongLine
from .memory import resident_bytes
from .methods import WORK, Work
from .protocol import Id, RefusedLineError, Request, id_of, read_request
from .under_way import UnderWay

MOST_UNDER_WAY = 1000
"""Requests that are accepted and not yet answered."""
_MB = 1e6
_log = logging.getLogger(__name__)


@dataclass
class _Counts:
    """Requests that were answered, by how."""

    done: int = 0
    failed: int = 0
    cancelled: int = 0


class Worker:
    """Requests under way, and the models that they share."""

    def __init__(
        self,
        library: Library,
        answers: Answers,
        *,
        n_jobs: int = 1,
        budget_bytes: float = math.inf,
        on_exit: Callable[[], None] = lambda: None,
        on_drained: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_exit` is called when `exit` is asked for, `on_drained` once all is answered."""
        self._library = library
        self._answers = answers
        self._n_jobs = n_jobs
        self._kept = KeptModels(library, budget_bytes)
        self._on_exit = on_exit
        self._on_drained = on_drained
        self._started = time.monotonic()
        self._counts = _Counts()
        self._under_way: dict[Id, UnderWay] = {}
        self._n_unanswered = 0
        self._is_draining = False
        self._exit_asked_by: UnderWay | None = None
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(n_jobs, thread_name_prefix="stemline worker")

    def take(self, line: bytes | LongLine) -> None:
        """Answer one line, or accept it; whatever is wrong with it is answered."""
        try:
            request = read_request(line)
            if self._is_under_way(request.id):
                raise _id_is_under_way(request.id)
        except RefusedLineError as refused:
            # Under the id of one that is under way it would be taken for the answer to that.
            is_free = refused.request_id is not None and not self._is_under_way(refused.request_id)
            request_id = refused.request_id if is_free else None
            self._answers.send({"id": request_id, "error": error_json(refused.error)})
            return
        under_way = UnderWay(request)
        at_once = self._methods_at_once().get(request.method)
        answer: dict[str, Any] | None = None
        try:
            if at_once is None:
                self._accept(under_way, _work(request))
            else:
                answer = at_once(request.params, under_way)
        except Exception as error:  # noqa: BLE001 - a fault of ours ends a request, no worker
            answer = _failed(under_way, error)
        if answer is not None:
            self._answer(under_way, answer)

    def drain(self) -> None:
        """Accept no more work; `on_drained` is called when all that was accepted is answered."""
        with self._lock:
            self._is_draining = True
            is_drained = not self._n_unanswered
        if is_drained:
            self._on_drained()

    def stop(self) -> None:
        """Cancel whatever is under way."""
        for under_way in self._all_under_way():
            self._cancel(under_way)

    def end(self) -> None:
        """Answer who asked to exit; the last line. Call it once all is answered."""
        if self._exit_asked_by is not None:
            self._answer(self._exit_asked_by, {"result": {}})
        self._pool.shutdown()

    # Methods that are answered at once -------------------------------------------------------

    def _methods_at_once(self) -> dict[str, "_AtOnce"]:
        return {
            "models": self._models,
            "cancel": self._cancel_by_id,
            "stats": self._stats,
            "exit": self._exit,
        }

    def _models(self, params: Fields, under_way: UnderWay) -> dict[str, Any]:
        params.end()
        models = ServedModels(self._library).models()
        return {"result": {"models": [self._model_json(model) for model in models]}}

    def _model_json(self, model: Model) -> dict[str, Any]:
        return {
            "model": model.info.model,
            "artifact": model.name,
            "task": model.task,
            "stems": list(model.stems) if model.task == "separate" else [],
            "takes_text": model.info.text is not None,
            "trained": model.info.trained,
            "loaded": self._library.is_open(model),
            "memory_mb": _mb(memory_bytes(model)),
        }

    def _cancel_by_id(self, params: Fields, under_way: UnderWay) -> dict[str, Any]:
        wanted = id_of(params.anything("id"))
        params.end()
        with self._lock:
            found = self._under_way.get(wanted)
        if found is not None:
            self._cancel(found)
        return {"result": {"found": found is not None}}

    def _stats(self, params: Fields, under_way: UnderWay) -> dict[str, Any]:
        params.end()
        every = self._all_under_way()
        resident, budget = resident_bytes(), self._kept.budget_bytes
        return {
            "result": {
                "uptime_s": round(time.monotonic() - self._started, 1),
                "jobs": self._n_jobs,
                "draining": self._is_draining,
                "running": [one.id for one in every if one.has_begun],
                "waiting": [one.id for one in every if not one.has_begun],
                "done": self._counts.done,
                "failed": self._counts.failed,
                "cancelled": self._counts.cancelled,
                "resident_mb": None if resident is None else _mb(resident),
                "budget_mb": None if math.isinf(budget) else _mb(budget),
                "models": [
                    {
                        "artifact": kept.model.name,
                        "memory_mb": _mb(kept.n_bytes),
                        "in_use": kept.n_users,
                    }
                    for kept in self._kept.kept()
                ],
            }
        }

    def _exit(self, params: Fields, under_way: UnderWay) -> None:
        params.end()
        with self._lock:
            if self._is_draining:
                raise DrainingError("the worker is ending already")
            self._is_draining = True
            self._exit_asked_by = under_way
        self._on_exit()

    # Methods that take time ------------------------------------------------------------------

    def _accept(self, under_way: UnderWay, work: Work) -> None:
        """Let it wait for a thread. Raises DrainingError, LimitError."""
        with self._lock:
            if self._is_draining:
                raise DrainingError("the worker is ending and takes no more work")
            if len(self._under_way) >= MOST_UNDER_WAY:
                raise LimitError(f"{MOST_UNDER_WAY} requests are under way, which is the most")
            # First, as it may want a thread that the system does not have.
            self._pool.submit(self._run, under_way, work)
            self._under_way[under_way.id] = under_way
            self._n_unanswered += 1

    def _run(self, under_way: UnderWay, work: Work) -> None:
        """Do the work, in a thread of its own, and answer."""
        if not under_way.begin():
            return  # who cancelled it has answered
        answer: dict[str, Any]
        try:
            with self._kept.lease() as lease:
                found = work.run(lease, under_way, lambda event: self._say(under_way, event))
                answer = {"result": {**found, "cached": lease.is_cached}}
        except Exception as error:  # noqa: BLE001 - a fault of ours ends a request, no worker
            answer = {"cancelled": True} if under_way.is_cancelled else _failed(under_way, error)
        self._complete(under_way, answer)

    def _say(self, under_way: UnderWay, event: dict[str, Any]) -> None:
        self._answers.send({"id": under_way.id, **event})

    def _cancel(self, under_way: UnderWay) -> None:
        if under_way.cancel():
            self._complete(under_way, {"cancelled": True})

    def _complete(self, under_way: UnderWay, answer: dict[str, Any]) -> None:
        """Answer accepted work; its id is free before whoever waits for the answer has it."""
        with self._lock:
            del self._under_way[under_way.id]
        self._answer(under_way, answer)
        with self._lock:
            self._n_unanswered -= 1
            is_drained = self._is_draining and not self._n_unanswered
        if is_drained:
            self._on_drained()

    def _answer(self, under_way: UnderWay, answer: dict[str, Any]) -> None:
        with self._lock:
            self._counts.done += "result" in answer
            self._counts.failed += "error" in answer
            self._counts.cancelled += "cancelled" in answer
        elapsed_s = round(under_way.elapsed_s, 4)
        self._answers.send({"id": under_way.id, **answer, "elapsed": elapsed_s})

    def _is_under_way(self, request_id: Id) -> bool:
        with self._lock:
            return request_id in self._under_way

    def _all_under_way(self) -> list[UnderWay]:
        with self._lock:
            return list(self._under_way.values())


_AtOnce = Callable[[Fields, UnderWay], dict[str, Any] | None]


def _id_is_under_way(request_id: Id) -> RefusedLineError:
    return RefusedLineError(
        RequestError("id", f"a request with the id {request_id!r} is under way; take another id"),
        request_id,
    )


def _work(request: Request) -> Work:
    """What a request asks for. Raises RequestError, EncodingError."""
    reads = WORK.get(request.method)
    if reads is None:
        known = ", ".join([*WORK, "models", "cancel", "stats", "exit"])
        raise RequestError("method", f"no method {request.method[:80]!r}; there are {known}")
    return reads(request.params)


def _failed(under_way: UnderWay, error: Exception) -> dict[str, Any]:
    """The answer for an error; what was not raised on purpose is logged with where it was."""
    if not isinstance(error, StemlineError | OSError):
        _log.error("request %r failed", under_way.id, exc_info=error)
    return {"error": error_json(error)}


def _mb(n_bytes: float) -> float:
    return round(n_bytes / _MB, 3)
