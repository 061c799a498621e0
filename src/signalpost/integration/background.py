"""Blocking work in a thread of its own, for a caller that runs an event loop and must not wait in it."""

from collections.abc import Callable
from threading import Event, Thread
from typing import TypeVar
from weakref import finalize

from signalpost.integration.futures import AwaitableFuture
from signalpost.integration.loop_thread import THREADS
from signalpost.own_threads import start_thread
from signalpost.secret import described
from signalpost.telemetry.log_queue import logger

Result = TypeVar("Result")


class BackgroundWork(AwaitableFuture[Result]):
    """The result of work that goes on even if nobody waits for it.

    A failure is logged if nobody has read it before this object is deleted or the interpreter ends.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._failure = _Failure(name)
        finalize(self, self._failure.log_if_unseen)

    @classmethod
    def failed(cls, name: str, fault: Exception) -> "BackgroundWork[Result]":
        """Work that failed before it began."""
        work = cls(name)
        work.set_exception(fault)
        fault.with_traceback(None)  # it would keep the caller's frame alive, and the frame keeps `work`
        return work

    def result(self, timeout: float | None = None) -> Result:
        """The result, after at most `timeout` seconds. Raises the work's exception, or TimeoutError."""
        if timeout != 0:
            self.exception(timeout)
        self._failure.is_seen = self._failure.is_seen or self.done()
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The work's exception, after at most `timeout` seconds. Raises TimeoutError."""
        fault = super().exception(timeout)
        self._failure.is_seen = True
        return fault

    def set_exception(self, exception: BaseException | None) -> None:
        """Set the failure."""
        self._failure.text = "" if exception is None else described(exception)
        super().set_exception(exception)


class _Failure:
    """The text of a failure, which outlives its future."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.text = ""
        self.is_seen = False

    def log_if_unseen(self) -> None:
        if self.text and not self.is_seen:
            logger.error("%s failed, and its result was never awaited: %s", self._name, self.text)


class Turns:
    """Runs work in the order in which it was begun: each waits until the one before has ended."""

    def __init__(self) -> None:
        self._last_ended = Event()
        self._last_ended.set()

    @property
    def is_idle(self) -> bool:
        """True if all work has ended."""
        return self._last_ended.is_set()

    def begin(self, name: str, work: Callable[[], Result]) -> BackgroundWork[Result]:
        """Begin work in a thread, which the interpreter waits for before it ends.

        If no thread can be started because the interpreter is ending already, the work is done here and now.
        """
        begun: BackgroundWork[Result] = BackgroundWork(name)
        before, self._last_ended = self._last_ended, Event()
        arguments = (begun, work, before, self._last_ended)
        try:
            start_thread(Thread(target=_run, args=arguments, name=f"{THREADS} {name}", daemon=False))
        except RuntimeError:
            _run(*arguments)
        return begun


def _run(begun: BackgroundWork[Result], work: Callable[[], Result], before: Event, ended: Event) -> None:
    before.wait()
    try:
        begun.set_result(work())
    except BaseException as fault:  # noqa: BLE001  # the caller gets it
        begun.set_exception(fault)
    finally:
        ended.set()
        del begun  # the traceback of its failure would keep it alive
