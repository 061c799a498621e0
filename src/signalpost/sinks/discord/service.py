"""A Discord client for direct use: webhooks by name, sharing one session."""

from collections.abc import Callable, Mapping
from typing import Self

from signalpost import __version__
from signalpost.domain.destinations import usual_destination
from signalpost.domain.notification import Notification, notification_of
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.reports import Alert, Announcement, MarketAnalysis, SystemStatus
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier
from signalpost.errors import InvalidConfiguration
from signalpost.secret import Secret
from signalpost.sinks.discord.address import WebhookAddress
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.webhook import USUAL_LOOK, DiscordWebhook
from signalpost.sinks.evidence import Receipt
from signalpost.sinks.port import Item
from signalpost.sinks.wire import Connections

USER_AGENT = f"DiscordBot (https://pypi.org/project/signalpost, {__version__})"
"""The format Discord requires; others may be blocked."""


class DiscordService:
    """Sends signals, alerts and reports to Discord without a queue: one message and one attempt each.

        async with DiscordService({"signals-free": url}) as discord:
            receipt = await discord.send_signal_notification(signal)

    `webhooks` maps destinations to webhook URLs; times are in seconds. `may_send` is called right before a request is
    written; nothing is sent if it returns False. `look` sets how messages look, and `looks` overrides it for some
    destinations. Connections open on the event loop that sends first, and `close` or `async with` closes them
    permanently. Raises InvalidConfiguration for an invalid URL. Each `send_...` raises InvalidConfiguration if it has
    no destination, and Rejected, Unavailable, Throttled or Unconfirmed if it gets no receipt.
    """

    def __init__(
        self,
        webhooks: Mapping[str, str | Secret],
        *,
        connect_timeout: float = 5.0,
        total_timeout: float = 15.0,
        may_send: Callable[[], bool] = lambda: True,
        look: Look = USUAL_LOOK,
        looks: Mapping[str, Look] | None = None,
    ) -> None:
        self._look, self._looks = look, looks or {}
        self._connections = Connections(
            USER_AGENT, connect_timeout=connect_timeout, total_timeout=total_timeout, may_send=may_send
        )
        self._webhooks = {name: self._opened(name, url) for name, url in webhooks.items()}

    @property
    def destinations(self) -> tuple[str, ...]:
        """The names of the webhooks, in the order given."""
        return tuple(self._webhooks)

    def webhook(self, name: str) -> DiscordWebhook:
        """The sink of a destination. Raises InvalidConfiguration if it has no webhook."""
        if name not in self._webhooks:
            known = ", ".join(self._webhooks) or "none"
            advice = f"set one, or use one of: {known}" if self._webhooks else "set one (no destination has a webhook)"
            text = f"destination {name!r} has no webhook: {advice}"
            raise InvalidConfiguration(text, code="missing", field="destination", value=name, limit=known)
        return self._webhooks[name]

    async def send_signal_notification(
        self,
        signal: Signal,
        user_tier: UserTier | str = UserTier.FREE,
        priority: NotificationPriority | str | int | None = None,
        additional_context: Mapping[str, object] | None = None,
        destination: str | None = None,
    ) -> Receipt:
        """Send a signal to the channel of its tier, or to `destination`."""
        return await self._send(notification_of(signal, priority, user_tier, additional_context), destination)

    async def send_system_alert(
        self,
        alert: Alert,
        user_tier: UserTier | str = UserTier.ADMIN,
        priority: NotificationPriority | str | int | None = None,
        additional_context: Mapping[str, object] | None = None,
        destination: str | None = None,
    ) -> Receipt:
        """Send an alert to the channel of its severity, or to `destination`."""
        return await self._send(notification_of(alert, priority, user_tier, additional_context), destination)

    async def send_market_analysis(
        self,
        analysis: MarketAnalysis,
        user_tier: UserTier | str = UserTier.FREE,
        priority: NotificationPriority | str | int | None = None,
        additional_context: Mapping[str, object] | None = None,
        destination: str | None = None,
    ) -> Receipt:
        """Send a market analysis to its channel, or to `destination`."""
        return await self._send(notification_of(analysis, priority, user_tier, additional_context), destination)

    async def send_system_status(
        self,
        status: SystemStatus,
        user_tier: UserTier | str = UserTier.ADMIN,
        priority: NotificationPriority | str | int | None = None,
        additional_context: Mapping[str, object] | None = None,
        destination: str | None = None,
    ) -> Receipt:
        """Send a status report to its channel, or to `destination`."""
        return await self._send(notification_of(status, priority, user_tier, additional_context), destination)

    async def send_announcement(
        self,
        announcement: Announcement,
        user_tier: UserTier | str = UserTier.FREE,
        priority: NotificationPriority | str | int | None = None,
        additional_context: Mapping[str, object] | None = None,
        destination: str | None = None,
    ) -> Receipt:
        """Send an announcement to the community's channel, or to `destination`."""
        return await self._send(notification_of(announcement, priority, user_tier, additional_context), destination)

    async def close(self) -> None:
        """Close the connections permanently."""
        await self._connections.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"DiscordService({', '.join(map(repr, self._webhooks))})"

    def _opened(self, name: str, url: str | Secret) -> DiscordWebhook:
        try:
            address = WebhookAddress.parse(url)
        except InvalidConfiguration as fault:
            raise InvalidConfiguration(f"destination {name!r}: {fault}", code=fault.code, field=name) from None
        return DiscordWebhook(address, self._connections, name=name, look=self._looks.get(name, self._look))

    async def _send(self, notification: Notification, destination: str | None) -> Receipt:
        name = usual_destination(notification.payload, notification.user_tier) if destination is None else destination
        if name is None:
            tier = str(notification.user_tier)
            text = f"tier {tier} has no usual destination for a signal: pass destination="
            raise InvalidConfiguration(text, code="unknown-word", field="user_tier", value=tier)
        return await self.webhook(name).send([Item(notification)])
