"""What was refused at hand-over, which no service saw: counted, and told in the log in a thread of its own.

Who hands over may be a signal's handler, or a `__del__`, in the middle of a log line: to log there could wait for a
lock that the interrupted frame holds. So there it is only counted, without a lock.
"""

from queue import SimpleQueue
from threading import Event, Lock, Thread

from signalpost.domain.ticket import Ticket
from signalpost.owner.ending import of_this_process
from signalpost.owner.loop_thread import THREADS
from signalpost.owner.start_once import StartOnce
from signalpost.telemetry.log_queue import logger

TOLD_EVERY = 1.0
"""Seconds between two lines: the first refusal is told at once, and those that follow are counted."""


class Refusals:
    """Counts the refusals of one integration, and tells of them while there are any."""

    def __init__(self) -> None:
        self.count = 0
        self._told = 0
        self._last: str | None = None
        self._telling = Lock()
        self._waking: SimpleQueue[None] = SimpleQueue()
        self._is_woken = False
        self._thread = StartOnce(lambda: Thread(target=self._run, name=f"{THREADS} refusals", daemon=True))

    def add(self, ticket: Ticket) -> None:
        """Count a refusal. From any thread, without waiting, and never raising."""
        self._last = ticket.reason
        self.count += 1  # no lock: threads change, and handlers run, at calls and jumps only
        if not self._is_woken:
            self._is_woken = True
            try:
                of_this_process.tell_at_end(self.tell)
                self._thread.begin()
                self._waking.put(None)
            except RuntimeError:  # no thread can be started, now or any more: the next refusal tries again
                self._is_woken = False

    def tell(self) -> None:
        """Log what was not told yet. Not from a frame that may have interrupted another."""
        with self._telling:
            untold, self._told = self.count - self._told, self.count
            if untold == 1:
                logger.warning("a notification was refused: %s", self._last)
            elif untold:
                logger.warning("%d notifications were refused, the last one because: %s", untold, self._last)

    def _run(self) -> None:
        while True:
            self._waking.get()
            self._is_woken = False  # before the look: who comes after it wakes anew
            self.tell()
            _pause()


def _pause() -> None:
    Event().wait(TOLD_EVERY)
