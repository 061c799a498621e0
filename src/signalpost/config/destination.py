"""What a configuration is made of: a destination, and the address where the service itself is asked."""

from typing import NamedTuple

from signalpost.delivery.pacing.limits import Limits
from signalpost.errors import InvalidConfiguration
from signalpost.secret import Secret
from signalpost.sinks.discord.address import API_HOST, WebhookAddress

WORDS_FOR_ON = ("on", "1", "true", "yes")
"""How a switch that is on can be spelled, in small letters."""


class DestinationConfig(NamedTuple):
    """A destination: its webhook, and what its sending is limited by."""

    name: str
    webhook: Secret
    """The webhook's URL."""
    limits: Limits

    @property
    def address(self) -> WebhookAddress:
        """Where the webhook is. Raises InvalidConfiguration where its URL cannot be used."""
        return WebhookAddress.parse(self.webhook)

    def check(self) -> None:
        """Raises InvalidConfiguration, which names the destination, where its URL cannot be used."""
        problem = None
        try:
            _ = self.address
        except InvalidConfiguration as fault:
            problem = f"{self.name}: {fault}"
        if problem is not None:  # raised out here, so that no error that holds the URL is its context
            raise InvalidConfiguration(problem, code="invalid-webhook", field=self.name)

    @property
    def webhook_id(self) -> str | None:
        """The id of a webhook of Discord, which may be shown; None for one of this machine."""
        address = self.address
        return address.identity.partition("-")[0] if address.host == API_HOST else None


class HttpAddress(NamedTuple):
    """Where the service's own HTTP listens."""

    host: str
    port: int
    """0 for any free one."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"
