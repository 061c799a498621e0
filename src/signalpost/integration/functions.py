"""The easy layer as functions, over the one integration of this process."""

from collections.abc import Iterable, Mapping

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

process_wide = NotificationIntegration()
"""The integration that the functions use, and whatever is given none."""


def configure(
    config: Config | None = None, *, fallback: Sender | None = None, listeners: Iterable[Listener] = ()
) -> None:
    """Say, before the start, what the service is to be; what is left out is as if nothing had been said.

    `fallback` is your own sender, sync or async, for what is refused or could not be written. It is called in a thread
    of its own with the signal or alert, and with what it names of `priority`, `user_tier` and `additional_context`, or
    with all three in this order where it has to be given three more; its own options keep their defaults. One that is
    not told the tier must show nothing to free readers that is for premium ones. Raises InvalidConfiguration for one
    that can be called in none of these ways, for what is no Config, and after the start.
    """
    process_wide.configure(config, fallback=fallback, listeners=listeners)


def send_signal(
    signal: Signal,
    priority: NotificationPriority | int | str | None = None,
    user_tier: UserTier | str | None = None,
    additional_context: Mapping[str, object] | None = None,
) -> TicketFuture:
    """Hand over a signal from any thread, without waiting; the future is its ticket's. Raises InvalidValue."""
    return process_wide.send_signal(signal, priority, user_tier, additional_context)


def send_alert(
    alert: Alert,
    priority: NotificationPriority | int | str | None = None,
    user_tier: UserTier | str | None = None,
    additional_context: Mapping[str, object] | None = None,
) -> TicketFuture:
    """Hand over an alert from any thread, without waiting; the future is its ticket's. Raises InvalidValue."""
    return process_wide.send_alert(alert, priority, user_tier, additional_context)


async def send_signal_async(
    signal: Signal,
    priority: NotificationPriority | int | str | None = None,
    user_tier: UserTier | str | None = None,
    additional_context: Mapping[str, object] | None = None,
) -> Ticket:
    """Hand over a signal from any event loop, and wait for its ticket. Raises InvalidValue."""
    return await process_wide.send_signal_async(signal, priority, user_tier, additional_context)


async def send_alert_async(
    alert: Alert,
    priority: NotificationPriority | int | str | None = None,
    user_tier: UserTier | str | None = None,
    additional_context: Mapping[str, object] | None = None,
) -> Ticket:
    """Hand over an alert from any event loop, and wait for its ticket. Raises InvalidValue."""
    return await process_wide.send_alert_async(alert, priority, user_tier, additional_context)


def send_signal_to_discord(
    signal: Signal,
    *,
    priority: NotificationPriority | int | str | None = None,
    user_tier: UserTier | str | None = None,
    additional_context: Mapping[str, object] | None = None,
) -> TicketFuture:
    """Hand a signal to the service, or send it once and without the queue where none runs or it refuses.

    The future is the ticket's, and can be awaited too. Raises InvalidValue.
    """
    return process_wide.send_signal_to_discord(
        signal, priority=priority, user_tier=user_tier, additional_context=additional_context
    )


def flush(timeout: float | None = FLUSH_WITHIN) -> int:
    """Wait until what was handed over is delivered as far as it can be now, for at most `timeout` seconds.

    Returns how many notifications or deliveries are still open; 0 is all done. None waits without bound. Raises
    InvalidValue for a timeout that is not a number of seconds.
    """
    return process_wide.flush(timeout)
