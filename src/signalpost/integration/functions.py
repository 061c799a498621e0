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
"""The integration of the functions, and of everything that is not given another."""


def configure(
    config: Config | None = None, *, fallback: Sender | None = None, listeners: Iterable[Listener] = ()
) -> None:
    """Configure the process's service, before the start. Arguments that you omit get their defaults.

    `fallback` is your own sender, sync or async, for notifications that the service refuses or could not save. It runs
    in a thread of its own. It gets the signal or alert, and those of `priority`, `user_tier` and `additional_context`
    that it names. If it requires three further arguments with other names, it gets these three, in this order. Its own
    options keep their defaults. A sender that does not get the tier must not show premium content to free readers.
    Raises InvalidConfiguration for a fallback that cannot be called in any of these ways, for a `config` that is not a
    Config, and after the start.
    """
    process_wide.configure(config, fallback=fallback, listeners=listeners)


def send_signal(
    signal: Signal,
    priority: NotificationPriority | int | str | None = None,
    user_tier: UserTier | str | None = None,
    additional_context: Mapping[str, object] | None = None,
) -> TicketFuture:
    """Queue a signal from any thread, without waiting. The future is its ticket's. Raises InvalidValue."""
    return process_wide.send_signal(signal, priority, user_tier, additional_context)


def send_alert(
    alert: Alert,
    priority: NotificationPriority | int | str | None = None,
    user_tier: UserTier | str | None = None,
    additional_context: Mapping[str, object] | None = None,
) -> TicketFuture:
    """Queue an alert from any thread, without waiting. The future is its ticket's. Raises InvalidValue."""
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
    """Queue a signal, or send it once, without the queue, if no service runs or it refuses.

    The future is the ticket's, and can also be awaited. Raises InvalidValue.
    """
    return process_wide.send_signal_to_discord(
        signal, priority=priority, user_tier=user_tier, additional_context=additional_context
    )


def flush(timeout: float | None = FLUSH_WITHIN) -> int:
    """Wait until everything sent so far is delivered as far as possible now, for at most `timeout` seconds.

    Returns how many notifications or deliveries are still open; 0 means all done. None waits without a limit. Raises
    InvalidValue for a timeout that is not a number of seconds.
    """
    return process_wide.flush(timeout)
