"""Passes each event to the listeners, and protects deliveries from listeners that raise or are slow.

See docs/why/0015-one-emission-point.md and docs/why/0029-logging-never-blocks.md.
"""

import asyncio
import signal
from collections.abc import Iterable
from math import inf
from typing import NoReturn

from signalpost.domain.events import Event, Listener
from signalpost.errors import InvalidValue, is_from_keyboard, shown
from signalpost.telemetry.log_queue import log_failure, logger

SLOW = 0.1
"""Seconds; a slower listener is reported, because it delays deliveries."""
_REPORT_EVERY = 60.0


def checked_listeners(listeners: Iterable[Listener]) -> tuple[Listener, ...]:
    """All listeners. Raises InvalidValue if they are not functions, or not in a list or another iterable."""
    advice = "pass a list of functions, each of which takes an event"
    if not isinstance(listeners, Iterable):
        raise InvalidValue.of("listeners", listeners, advice, code="wrong-kind")
    found = tuple(listeners)
    for each in found:
        if not callable(each):
            raise InvalidValue(f"{shown(each)} is in listeners: {advice}", code="wrong-kind", field="listeners")
    return found


class Bus:
    """Calls each listener with each event that it hears, on the service's event loop.

    Our own listeners hear an event first: those of `ours`, then those that subscribed, in this order. Then come the
    log and the user's listeners, which are `others`. They hear all events, even if they have an attribute `kinds`.
    """

    def __init__(self, ours: Iterable[Listener] = (), others: Iterable[Listener] = ()) -> None:
        self._ours = tuple(ours)
        self._subscribed: tuple[Listener, ...] = ()
        self._others = tuple(others)
        self._by_kind: dict[type[Event], tuple[Listener, ...]] = {}
        """Those that hear each kind of event, found when the first of that kind comes."""
        self._reported_at: dict[int, float] = {}
        """When each slow listener was last reported, by its identity: not all can be hashed."""

    def subscribe(self, listener: Listener) -> None:
        """Add one of our own listeners behind the others of ours."""
        self._set_subscribed(*self._subscribed, listener)

    def unsubscribe(self, listener: Listener) -> None:
        """Remove one of our own listeners."""
        self._set_subscribed(*(each for each in self._subscribed if each != listener))

    def forget_subscribed(self) -> None:
        """Remove all that subscribed, because what they belonged to ended without removing them."""
        self._set_subscribed()

    def emit(self, event: Event) -> None:
        """Call every listener that hears `event`. Raises nothing."""
        if (listeners := self._by_kind.get(type(event))) is None:
            ours = (*self._ours, *self._subscribed)
            hearing = (each for each in ours if type(event) in getattr(each, "kinds", (type(event),)))
            listeners = self._by_kind[type(event)] = (*hearing, *self._others)
        loop = asyncio.get_running_loop()  # whose time a simulation controls
        began = loop.time()
        for listener in listeners:
            try:
                listener(event)
            except BaseException as fault:  # noqa: BLE001  # a failing or exiting listener must not stop a delivery
                text = f"listener {_name_of(listener)} failed on {type(event).__name__}"
                log_failure(text, fault, with_text=False)
                _pass_on_ctrl_c(fault)
            ended = loop.time()
            if ended - began > SLOW:
                self._report(listener, ended, ended - began, type(event).__name__)
            began = ended

    def _set_subscribed(self, *listeners: Listener) -> None:
        self._subscribed = listeners
        self._by_kind.clear()

    def _report(self, listener: Listener, now: float, seconds: float, event: str) -> None:
        if now - self._reported_at.get(id(listener), -inf) >= _REPORT_EVERY:
            self._reported_at[id(listener)] = now
            logger.warning(
                "listener %s took %.0f ms for a %s event, which delayed deliveries: move long work to a thread",
                _name_of(listener),
                seconds * 1000,
                event,
            )


def _name_of(listener: Listener) -> str:
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
