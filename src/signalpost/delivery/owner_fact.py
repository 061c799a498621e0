"""What the owner of a data folder delivers to, as a fact in the outbox: by it the producers route.

It names destinations and tiers, and holds no address and no secret.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from signalpost.delivery.routing import Routing, Tier
from signalpost.domain.tier import UserTier
from signalpost.errors import InvalidConfiguration, InvalidValue

OWNER = "(owner)"
"""Where the fact stands, in place of a destination's name."""
_ROUTES = "routes"


class _Routes(msgspec.Struct, frozen=True):
    holder: str
    destinations: tuple[str, ...]
    tiers: dict[str, Tier]
    everything_to: str | None
    ignored: str | None = None


class OwnerFact(NamedTuple):
    """By which word an owner is known, and how it routes."""

    holder: str
    routing: Routing


def owner_fact(
    holder: str,
    destinations: Collection[str],
    tiers: Mapping[UserTier, Tier],
    everything_to: str | None,
    ignored: str | None = None,
) -> dict[str, bytes]:
    """The fact that this owner delivers to these destinations."""
    tier_by_name = {str(name): tier for name, tier in tiers.items()}
    routes = _Routes(holder, tuple(destinations), tier_by_name, everything_to, ignored)
    return {_ROUTES: msgspec.json.encode(routes)}


def read_owner_fact(facts: Mapping[str, bytes]) -> OwnerFact | None:
    """What the last owner said; None where there was none, or it cannot be understood."""
    try:
        routes = msgspec.json.decode(facts[_ROUTES], type=_Routes)
        tiers = {UserTier(name): tier for name, tier in routes.tiers.items()}
        routing = Routing(routes.destinations, tiers=tiers, everything_to=routes.everything_to, ignored=routes.ignored)
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError, InvalidConfiguration, InvalidValue):
        return None
    return OwnerFact(routes.holder, routing)
