"""The one place where listeners are called: whatever one of them raises, and however long it takes, changes nothing."""

import asyncio
import signal
from collections.abc import Iterable, Iterator
from typing import NoReturn

from signalpost.domain.events import Event, Listener
from signalpost.errors import is_from_keyboard
from signalpost.telemetry.failures import log_failure
from signalpost.telemetry.log_queue import logger

SLOW = 0.1
"""Seconds; a listener that takes longer is reported, because it holds up deliveries."""
_REPORT_EVERY = 60.0


class Emitter:
    """Calls each listener with each event, on the loop of the service. It never raises.

    An emitter among the listeners stands for its own ones, so that each is guarded and timed once.
    """

    def __init__(self, listeners: Iterable[Listener]) -> None:
        self._listeners = tuple(_flat(listeners))
        self._names = tuple(_name(each) for each in self._listeners)
        self._reported: dict[int, float] = {}
        """When a slow listener was last reported, by its place."""

    @classmethod
    def of(cls, listener: Listener) -> "Emitter":
        """The emitter that `listener` is, or one that guards it."""
        return listener if isinstance(listener, Emitter) else cls((listener,))

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """Those that it calls, in this order."""
        return self._listeners

    def __call__(self, event: Event) -> None:
        """Call each of them."""
        began = _now()
        for place, listener in enumerate(self._listeners):
            try:
                listener(event)
            except BaseException as fault:  # noqa: BLE001  # its fault is not the delivery's, nor is its exit
                log_failure(f"listener {self._names[place]} failed on {type(event).__name__}", fault, with_text=False)
                _pass_on_ctrl_c(fault)
            ended = _now()
            if ended - began > SLOW:
                self._report(place, ended, ended - began, type(event).__name__)
            began = ended

    def _report(self, place: int, now: float, seconds: float, event: str) -> None:
        last = self._reported.get(place)
        if last is None or now - last >= _REPORT_EVERY:
            self._reported[place] = now
            logger.warning(
                "listener %s took %.0f ms for %s: deliveries wait while a listener runs, so hand long work to a thread",
                self._names[place],
                seconds * 1000,
                event,
            )


def _flat(listeners: Iterable[Listener]) -> Iterator[Listener]:
    for listener in listeners:
        yield from listener.listeners if isinstance(listener, Emitter) else (listener,)


def _name(listener: Listener) -> str:
    """Its name as a person would look for it: that of a function, or of an object's class."""
    name = getattr(listener, "__qualname__", None)
    return name if isinstance(name, str) else type(listener).__qualname__


def _pass_on_ctrl_c(fault: BaseException) -> None:
    """Let Ctrl-C end the loop, as it always does, but from the loop itself instead of from within a delivery.

    Where the loop has its own handler of SIGINT, as in `asyncio.run`, Ctrl-C raises nothing here: a program did.
    """
    if is_from_keyboard(fault) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        asyncio.get_running_loop().call_soon(_raise, fault)


def _raise(fault: BaseException) -> NoReturn:
    raise fault


def _now() -> float:
    """The loop's time, which stands still in a simulation."""
    return asyncio.get_running_loop().time()
