"""The usual destinations, which need only an environment variable, and the default routing to them.

A destination is a configured sink with a name.
"""

from typing import NamedTuple

from signalpost.domain.digest import Digest
from signalpost.domain.notification import Payload
from signalpost.domain.recap import Recap
from signalpost.domain.reports import Alert, AlertSeverity, MarketAnalysis, SystemStatus
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier


class UsualDestination(NamedTuple):
    """A destination that exists in every installation."""

    name: str
    variable: str
    """The environment variable that holds its webhook."""
    messages_a_minute: int


SIGNALS_FREE = "signals-free"
SIGNALS_PREMIUM = "signals-premium"
ALERTS_CRITICAL = "alerts-critical"
ALERTS_GENERAL = "alerts-general"
MARKET_ANALYSIS = "market-analysis"
SYSTEM_STATUS = "system-status"
COMMUNITY = "community"

USUAL_DESTINATIONS = (
    UsualDestination(SIGNALS_FREE, "DISCORD_WEBHOOK_SIGNALS_FREE", 20),
    UsualDestination(SIGNALS_PREMIUM, "DISCORD_WEBHOOK_SIGNALS_PREMIUM", 30),
    UsualDestination(ALERTS_CRITICAL, "DISCORD_WEBHOOK_ALERTS_CRITICAL", 10),
    UsualDestination(ALERTS_GENERAL, "DISCORD_WEBHOOK_ALERTS_GENERAL", 15),
    UsualDestination(MARKET_ANALYSIS, "DISCORD_WEBHOOK_MARKET_ANALYSIS", 10),
    UsualDestination(SYSTEM_STATUS, "DISCORD_WEBHOOK_SYSTEM_STATUS", 5),
    UsualDestination(COMMUNITY, "DISCORD_WEBHOOK_COMMUNITY", 30),
)

SIGNALS_BY_TIER = {
    UserTier.FREE: SIGNALS_FREE,
    UserTier.PREMIUM: SIGNALS_PREMIUM,
    UserTier.ADMIN: SIGNALS_PREMIUM,
}
_URGENT_SEVERITIES = frozenset({AlertSeverity.CRITICAL, AlertSeverity.HIGH})


def usual_destination(payload: Payload, tier: UserTier) -> str | None:
    """The default destination of `payload` for `tier`; None for a signal of a custom tier."""
    match payload:
        case Signal():
            return SIGNALS_BY_TIER.get(tier)
        case Alert():
            return ALERTS_CRITICAL if payload.severity in _URGENT_SEVERITIES else ALERTS_GENERAL
        case MarketAnalysis():
            return MARKET_ANALYSIS
        case SystemStatus():
            return SYSTEM_STATUS
        case Digest() | Recap():
            return payload.destination
        case _:
            return COMMUNITY
