"""Passes each event to the listeners, and protects deliveries from listeners that raise or are slow.

See docs/why/0015-one-emission-point.md and docs/why/0029-logging-never-blocks.md.
"""

import asyncio
import signal
from collections.abc import Iterable
from typing import NoReturn

from signalpost.domain.events import Event, Listener
from signalpost.errors import is_from_keyboard
from signalpost.telemetry.log_queue import log_failure, logger

SLOW = 0.1
"""Seconds; a slower listener is reported, because it delays deliveries."""
_REPORT_EVERY = 60.0


class Bus:
    """Calls each listener with each event, on the service's event loop.

    Our own listeners hear an event first: those of `ours`, then those that subscribed, in this order. Then come the
    log and the user's listeners, which are `others`.
    """

    def __init__(self, ours: Iterable[Listener] = (), others: Iterable[Listener] = ()) -> None:
        self._ours = tuple(map(_Guarded, ours))
        self._subscribed: tuple[_Guarded, ...] = ()
        self._others = tuple(map(_Guarded, others))

    def subscribe(self, listener: Listener) -> None:
        """Add one of our own listeners behind the others of ours."""
        self._subscribed += (_Guarded(listener),)

    def unsubscribe(self, listener: Listener) -> None:
        """Remove one of our own listeners."""
        self._subscribed = tuple(each for each in self._subscribed if each.listener != listener)

    def forget_subscribed(self) -> None:
        """Remove all that subscribed, because what they belonged to ended without removing them."""
        self._subscribed = ()

    def emit(self, event: Event) -> None:
        """Call every listener with `event`. Raises nothing."""
        began = _now()
        for guarded in (*self._ours, *self._subscribed, *self._others):
            began = guarded.call(event, began)


class _Guarded:
    """A listener that cannot raise, and that is reported if it is slow."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        name = getattr(listener, "__qualname__", None)
        self._name = name if isinstance(name, str) else type(listener).__qualname__
        self._reported_at: float | None = None

    def call(self, event: Event, began: float) -> float:
        """Call the listener, and return the time when it ended."""
        try:
            self.listener(event)
        except BaseException as fault:  # noqa: BLE001  # a failing or exiting listener must not stop a delivery
            log_failure(f"listener {self._name} failed on {type(event).__name__}", fault, with_text=False)
            _pass_on_ctrl_c(fault)
        ended = _now()
        if ended - began > SLOW:
            self._report(ended, ended - began, type(event).__name__)
        return ended

    def _report(self, now: float, seconds: float, event: str) -> None:
        if self._reported_at is None or now - self._reported_at >= _REPORT_EVERY:
            self._reported_at = now
            logger.warning(
                "listener %s took %.0f ms for a %s event, which delayed deliveries: move long work to a thread",
                self._name,
                seconds * 1000,
                event,
            )


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
