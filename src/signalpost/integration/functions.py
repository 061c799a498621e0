"""Functions that send through one NotificationIntegration, shared by the whole process."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial, wraps
from inspect import signature
from typing import Concatenate, ParamSpec, TypeVar

from signalpost.config import Config
from signalpost.domain.alert import Alert
from signalpost.domain.events import Listener
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Ticket
from signalpost.domain.tier import UserTier
from signalpost.integration.fallback import Sender
from signalpost.integration.futures import TicketFuture
from signalpost.integration.integration import FLUSH_WITHIN, NotificationIntegration

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

process_wide = NotificationIntegration()
"""The integration that these functions use, and that other parts use unless you pass your own."""


def _of_process(
    method: Callable[Concatenate[NotificationIntegration, Arguments], Answer],
) -> Callable[Arguments, Answer]:
    """The method as a function of this process's integration."""
    bound: Callable[Arguments, Answer] = partial(method, process_wide)

    @wraps(method)
    def function(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        return bound(*args, **kwargs)

    function.__module__, function.__qualname__ = __name__, method.__name__
    function.__signature__ = signature(bound)  # type: ignore[attr-defined]  # without `self`
    return function


def configure(
    config: Config | None = None, *, fallback: Sender | None = None, listeners: Iterable[Listener] = ()
) -> None:
    """Configure this process's service before you start it. Omitted arguments get their defaults.

    `fallback` is your own sender, sync or async, for notifications that the service refuses or could not save. It runs
    in a thread of its own and is called with the signal or alert. If it has parameters named `priority`, `user_tier` or
    `additional_context`, it gets those too, by name. If instead it requires three more parameters with other names, it
    gets these three by position, in this order. Other parameters keep their defaults. If your sender does not get the
    tier, make sure that it never shows premium content to free readers. Raises InvalidConfiguration if the service is
    already running, if `config` is not a Config, or if the fallback cannot be called in any of these ways.
    """
    process_wide.configure(config, fallback=fallback, listeners=listeners)


def send_signal(
    signal: Signal,
    priority: NotificationPriority | int | str | None = None,
    user_tier: UserTier | str | None = None,
    additional_context: Mapping[str, object] | None = None,
) -> TicketFuture:
    """Queue a signal from any thread, without waiting; return a future for its ticket. Raises InvalidValue."""
    return process_wide.send_signal(signal, priority, user_tier, additional_context)


def send_alert(
    alert: Alert,
    priority: NotificationPriority | int | str | None = None,
    user_tier: UserTier | str | None = None,
    additional_context: Mapping[str, object] | None = None,
) -> TicketFuture:
    """Queue an alert from any thread, without waiting; return a future for its ticket. Raises InvalidValue."""
    return process_wide.send_alert(alert, priority, user_tier, additional_context)


async def send_signal_async(
    signal: Signal,
    priority: NotificationPriority | int | str | None = None,
    user_tier: UserTier | str | None = None,
    additional_context: Mapping[str, object] | None = None,
) -> Ticket:
    """Queue a signal from any event loop, and wait for its ticket. Raises InvalidValue."""
    return await process_wide.send_signal_async(signal, priority, user_tier, additional_context)


async def send_alert_async(
    alert: Alert,
    priority: NotificationPriority | int | str | None = None,
    user_tier: UserTier | str | None = None,
    additional_context: Mapping[str, object] | None = None,
) -> Ticket:
    """Queue an alert from any event loop, and wait for its ticket. Raises InvalidValue."""
    return await process_wide.send_alert_async(alert, priority, user_tier, additional_context)


def send_signal_to_discord(
    signal: Signal,
    *,
    priority: NotificationPriority | int | str | None = None,
    user_tier: UserTier | str | None = None,
    additional_context: Mapping[str, object] | None = None,
) -> TicketFuture:
    """Queue a signal. If no service is running, or the service refuses it, try to send it directly, once.

    Returns a future for the ticket, which you can also await. Raises InvalidValue.
    """
    return process_wide.send_signal_to_discord(
        signal, priority=priority, user_tier=user_tier, additional_context=additional_context
    )


update_signal = _of_process(NotificationIntegration.update_signal)
fill_signal = _of_process(NotificationIntegration.fill_signal)
close_signal = _of_process(NotificationIntegration.close_signal)
cancel_signal = _of_process(NotificationIntegration.cancel_signal)
correct_signal = _of_process(NotificationIntegration.correct_signal)
reopen_signal = _of_process(NotificationIntegration.reopen_signal)
update_signal_async = _of_process(NotificationIntegration.update_signal_async)
fill_signal_async = _of_process(NotificationIntegration.fill_signal_async)
close_signal_async = _of_process(NotificationIntegration.close_signal_async)
cancel_signal_async = _of_process(NotificationIntegration.cancel_signal_async)
correct_signal_async = _of_process(NotificationIntegration.correct_signal_async)
reopen_signal_async = _of_process(NotificationIntegration.reopen_signal_async)


def flush(timeout: float | None = FLUSH_WITHIN) -> int:
    """Wait until everything sent so far is saved, and delivered if that is possible now.

    Waits at most `timeout` seconds; None means no limit. Returns how many notifications or deliveries are still open; 0
    means all done. Raises InvalidValue for a timeout that is not a number of seconds.
    """
    return process_wide.flush(timeout)
