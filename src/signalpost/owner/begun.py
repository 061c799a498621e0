"""Work that blocks, begun in a thread of its own for a caller that runs an event loop and must not wait in it."""

from collections.abc import Callable
from threading import Event, Thread
from typing import TypeVar
from weakref import finalize

from signalpost.owner.future import AwaitableFuture
from signalpost.owner.loop_thread import THREADS
from signalpost.secret import described
from signalpost.telemetry.log_queue import logger

Result = TypeVar("Result")


class Begun(AwaitableFuture[Result]):
    """The result of work that goes on whether or not somebody waits for it.

    A failure that nobody has asked for when this is dropped, or when the interpreter ends, is logged.
    """

    def __init__(self, what: str) -> None:
        super().__init__()
        self._failure = _Failure(what)
        finalize(self, self._failure.log_if_unseen)

    def result(self, timeout: float | None = None) -> Result:
        """The result, waited for at most `timeout` seconds. Raises what the work raised, and TimeoutError."""
        if timeout != 0:
            self.exception(timeout)
        self._failure.is_seen = self._failure.is_seen or self.done()
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the work raised, waited for at most `timeout` seconds. Raises TimeoutError."""
        fault = super().exception(timeout)
        self._failure.is_seen = True
        return fault

    def set_exception(self, exception: BaseException | None) -> None:
        """Give the failure to whoever waits for it."""
        self._failure.text = "" if exception is None else described(exception)
        super().set_exception(exception)


def failed(what: str, fault: Exception) -> Begun[None]:
    """Work that failed before it began."""
    begun: Begun[None] = Begun(what)
    begun.set_exception(fault)
    fault.with_traceback(None)  # which would keep the caller's frame alive, and in it what is returned here
    return begun


class _Failure:
    """What is left of a failure when its future is gone."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.text = ""
        self.is_seen = False

    def log_if_unseen(self) -> None:
        if self.text and not self.is_seen:
            logger.error("%s failed, and its result was never awaited: %s", self._what, self.text)


class Turns:
    """Begins work in the order in which it is asked for: each waits until the one before has ended."""

    def __init__(self) -> None:
        self._last_ended = Event()
        self._last_ended.set()

    @property
    def is_idle(self) -> bool:
        """Whether all that was begun has ended."""
        return self._last_ended.is_set()

    def begin(self, what: str, work: Callable[[], Result]) -> Begun[Result]:
        """Begin work in a thread, which the interpreter waits for before it ends.

        If no thread can be started because it is ending already, the work is done here and now.
        """
        begun: Begun[Result] = Begun(what)
        before, self._last_ended = self._last_ended, Event()
        arguments = (begun, work, before, self._last_ended)
        try:
            Thread(target=_run, args=arguments, name=f"{THREADS} {what}", daemon=False).start()
        except RuntimeError:
            _run(*arguments)
        return begun


def _run(begun: Begun[Result], work: Callable[[], Result], before: Event, ended: Event) -> None:
    before.wait()
    try:
        begun.set_result(work())
    except BaseException as fault:  # noqa: BLE001  # whoever awaits it gets it
        begun.set_exception(fault)
    finally:
        ended.set()
        del begun  # which the traceback of its failure would keep alive
