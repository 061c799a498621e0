"""Calls the listeners and isolates delivery from their exceptions."""

import asyncio
import signal
from collections.abc import Iterable, Iterator
from typing import NoReturn

from signalpost.domain.events import Event, Listener
from signalpost.errors import is_from_keyboard
from signalpost.telemetry.failures import log_failure
from signalpost.telemetry.log_queue import logger

SLOW = 0.1
"""Seconds; a slower listener is reported, because it delays deliveries."""
_REPORT_EVERY = 60.0


class Emitter:
    """Calls each listener with each event, on the service's event loop. It never raises.

    An emitter among the listeners is replaced by its own listeners, so that each is guarded and timed once.
    """

    def __init__(self, listeners: Iterable[Listener]) -> None:
        self._listeners = tuple(_flat(listeners))
        self._names = tuple(_name(each) for each in self._listeners)
        self._reported: dict[int, float] = {}
        """Time of the last report per listener index."""

    @classmethod
    def of(cls, listener: Listener) -> "Emitter":
        """Return `listener` if it is an emitter, else wrap it in one."""
        return listener if isinstance(listener, Emitter) else cls((listener,))

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """The listeners, in call order."""
        return self._listeners

    def __call__(self, event: Event) -> None:
        """Call every listener with `event`."""
        began = _now()
        for place, listener in enumerate(self._listeners):
            try:
                listener(event)
            except BaseException as fault:  # noqa: BLE001  # a failing or exiting listener must not stop a delivery
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
                "listener %s took %.0f ms for %s and delayed deliveries. Move long work to a thread.",
                self._names[place],
                seconds * 1000,
                event,
            )


def _flat(listeners: Iterable[Listener]) -> Iterator[Listener]:
    for listener in listeners:
        yield from listener.listeners if isinstance(listener, Emitter) else (listener,)


def _name(listener: Listener) -> str:
    """The name of the function or of the object's class."""
    name = getattr(listener, "__qualname__", None)
    return name if isinstance(name, str) else type(listener).__qualname__


def _pass_on_ctrl_c(fault: BaseException) -> None:
    """Raise Ctrl-C from the loop itself, so that it ends the loop but does not break a delivery.

    If the loop handles SIGINT itself, as `asyncio.run` does, Ctrl-C is not raised here, so the listener raised it.
    """
    if is_from_keyboard(fault) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        asyncio.get_running_loop().call_soon(_raise, fault)


def _raise(fault: BaseException) -> NoReturn:
    raise fault


def _now() -> float:
    """The loop's time, which a simulation controls."""
    return asyncio.get_running_loop().time()
