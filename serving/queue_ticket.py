"""A caller's place in the queue of a network that takes a whole track at once."""

from collections.abc import Mapping
from concurrent.futures import CancelledError, Future

from stemline.arrays import Array
from stemline.errors import EngineError, SeparationClosedError

from .scheduler import Item, Lane


class QueueTicket:
    """Waits for the network and runs it once; `close` leaves the queue, from any thread."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._waiting: Future[Item] | None = None
        self._closed = False

    @property
    def queue_s(self) -> float:
        """Seconds spent waiting for the network."""
        return self._lane.queue_s

    @property
    def engine_s(self) -> float:
        """Seconds that the network ran."""
        return self._lane.engine_s

    def run(self, inputs: Mapping[str, Array]) -> Item:
        """The network's outputs for `inputs`, each with a batch axis of length 1; call it once.

        Raises SeparationClosedError when `close` is or was called, EngineError.
        """
        waiting: Future[Item] | None = None
        try:
            waiting = self._waiting = self._lane.submit(inputs)
            if self._closed:  # meanwhile, and perhaps too early to see what waits
                waiting.cancel()
            return waiting.result()
        except CancelledError as error:
            if self._closed:
                raise SeparationClosedError("closed before the network's turn was over") from error
            raise EngineError("the engine was closed") from error
        finally:
            # An error refers to this frame, and the frame to the future that holds the error: the
            # cycle would keep the inputs and outputs in memory.
            self._waiting = waiting = None
            self._lane.close()  # ends a run that nobody waits for any more

    def close(self) -> None:
        """Wake whoever waits in `run`, at once, and end the run of an engine that can be ended."""
        self._closed = True
        self._lane.close()
        waiting = self._waiting
        if waiting is not None:
            waiting.cancel()
