"""Chooses the destinations of a notification, by its kind and its tier. Pure; the tables are data.

A signal goes to its tier's one destination, an alert by its severity, everything else by kind. A destination is never
replaced by one of a lower tier: if it has no webhook, its delivery is suppressed, and if no destination is left, the
notification is refused. See docs/promises.md, P10, and docs/why/0016-the-single-webhook-is-one-audience.md.
"""

from collections.abc import Collection, Mapping, Sequence
from math import inf
from typing import NamedTuple

from signalpost.domain.destinations import (
    ALERTS_CRITICAL,
    ALERTS_GENERAL,
    COMMUNITY,
    MARKET_ANALYSIS,
    SIGNALS_BY_TIER,
    SIGNALS_FREE,
    SIGNALS_PREMIUM,
    SYSTEM_STATUS,
    usual_destination,
)
from signalpost.domain.notification import Payload, for_one
from signalpost.domain.signal import Signal
from signalpost.domain.tier import WHOLE_COPY, TierCopy, UserTier
from signalpost.errors import InvalidConfiguration

NO_WEBHOOK = "no webhook"
ABOUT_ITSELF = "about itself"
USUAL_RANKS = {UserTier.FREE: 0, UserTier.PREMIUM: 10, UserTier.ADMIN: 20}
"""The ranks of the tiers that always exist."""
_LOWEST_READER = {SIGNALS_FREE: USUAL_RANKS[UserTier.FREE], SIGNALS_PREMIUM: USUAL_RANKS[UserTier.PREMIUM]}
"""The rank of the lowest tier that reads a usual destination of signals, whatever else is shown there."""
_FOR_OPERATORS = (SYSTEM_STATUS, ALERTS_CRITICAL, ALERTS_GENERAL)
_USUAL_READERS = {
    **dict.fromkeys((MARKET_ANALYSIS, COMMUNITY), USUAL_RANKS[UserTier.FREE]),
    **dict.fromkeys(_FOR_OPERATORS, USUAL_RANKS[UserTier.ADMIN]),
}
"""The rank of the lowest tier that reads a usual destination of other kinds, if no signals are sent there."""
_ORIGINS = {
    "alert": _FOR_OPERATORS,
    "market_analysis": (MARKET_ANALYSIS,),
    "system_status": (SYSTEM_STATUS,),
    "announcement": (COMMUNITY,),
}
"""The usual destinations of each kind other than signals."""
_FOR_ONE = ("digest", "recap")
"""The kinds that are for one destination of signals."""


class Tier(NamedTuple):
    """An audience: its rank, and the destinations of its signals."""

    rank: int
    """A higher rank may see more. FREE is 0, PREMIUM 10, ADMIN 20."""
    signals_to: tuple[str, ...]
    """Destinations, each read only by this audience or a higher one."""


class Fallbacks(NamedTuple):
    """The destinations that stand in for one that cannot be reached, in order."""

    by_tier: Mapping[UserTier, tuple[str, ...]] = {}
    """For signals, by tier."""
    by_kind: Mapping[str, tuple[str, ...]] = {}
    """For other notifications, by kind. For kinds that are for one destination, by `for_one`."""
    are_last: bool = True
    """False if the program has its own sender for notifications that no destination can show."""


class Route(NamedTuple):
    """One destination of a notification, and the reason if nothing is sent there."""

    destination: str
    suppressed_for: str | None = None


def ranks_of(tiers: Mapping[UserTier, Tier]) -> Mapping[UserTier, int]:
    """The ranks of all tiers, with those that the operator adds."""
    return {**USUAL_RANKS, **{name: tier.rank for name, tier in tiers.items()}}


class Routing:
    """Routes by the usual table, and by the tiers that the operator adds.

    `configured` are the destinations that have a webhook. If `everything_to` is set, it is the only webhook, a single
    audience by the operator's choice, and everything goes there. `ignored` explains why a webhook for everything is set
    but has no effect. Raises InvalidConfiguration for a tier that would show its signals to a lower one.
    """

    def __init__(
        self,
        configured: Collection[str],
        *,
        tiers: Mapping[UserTier, Tier] | None = None,
        everything_to: str | None = None,
        ignored: str | None = None,
        copies: Mapping[UserTier, TierCopy] | None = None,
        fallbacks: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._copies = dict(copies or {})
        self._configured = frozenset(configured)
        self._tiers = dict(tiers or {})
        self._ranks = ranks_of(self._tiers)
        self._fallbacks = {name: in_order(name, fallbacks or {}) for name in fallbacks or {}}
        self._origins = {**_ORIGINS, **{for_one(kind, each): (each,) for kind in _FOR_ONE for each in self._fallbacks}}
        self._readers = _with_fallbacks({**_USUAL_READERS, **_lowest_readers(self._tiers)}, self._fallbacks)
        self._everything_to = everything_to
        self._ignored = ignored

    def route(self, payload: Payload, tier: UserTier, about: str | None = None) -> tuple[Route, ...]:
        """The routes of `payload` for `tier`; empty if no table has one.

        A notification about a destination goes to operators, and never to that destination itself.
        """
        return tuple([self._checked(name, about) for name in self._destinations(payload, tier, about)])

    def copy(self, tier: UserTier) -> TierCopy:
        """How a tier gets its signals."""
        return self._copies.get(tier, WHOLE_COPY)

    def may_show(self, payload: Payload, tier: UserTier, destination: str) -> bool:
        """Whether a delivery that was routed earlier may be shown at `destination`, because no lower tier reads it."""
        routed = self._destinations(payload, tier, None)
        if destination in routed:
            return True
        own = self._ranks.get(tier, inf) if isinstance(payload, Signal) else inf
        return min(own, *map(self.lowest_reader, routed), inf) <= self.lowest_reader(destination)

    def lowest_reader(self, destination: str) -> float:
        """The rank of the lowest tier that reads a destination; infinity if that is unknown.

        One that is only a fallback is read by the lowest tier whose messages may be sent there.
        """
        return self._readers.get(destination, inf)

    def fallbacks(self, destination: str) -> Fallbacks:
        """The fallbacks of deliveries in the lane of `destination`, whether they were routed there or passed on."""
        signals: dict[UserTier, tuple[str, ...]] = {tier: (name,) for tier, name in SIGNALS_BY_TIER.items()}
        signals |= {tier: each.signals_to for tier, each in self._tiers.items()}
        return Fallbacks(
            {tier: after for tier, origins in signals.items() if (after := self._after(destination, origins))},
            {kind: after for kind, origins in self._origins.items() if (after := self._after(destination, origins))},
        )

    def _after(self, destination: str, origins: Collection[str]) -> tuple[str, ...]:
        """The fallbacks that come after `destination` in the order of its origin; none if no origin leads to it."""
        for origin in (destination,) if destination in origins else origins:
            order = (origin, *self._fallbacks.get(origin, ()))
            if destination in order:
                return order[order.index(destination) + 1 :]
        return ()

    def refusal(self, destinations: Collection[str], tier: UserTier) -> str:
        """The reason if none of a notification's destinations has a webhook, and what to do."""
        if not destinations:
            return f"no destination for tier {str(tier)!r}: configure one, or use another tier ({self._known_tiers})"
        but = f"; {self._ignored}" if self._ignored else ""
        return f"{NO_WEBHOOK} for {', '.join(destinations)}: set one{but}"

    def doubt(self, tier: UserTier) -> str | None:
        """Why a signal that went to the only webhook probably has the wrong tier; None if there is no doubt."""
        if self._everything_to is None or tier in self._ranks:
            return None
        return f"{str(tier)!r} is not a tier: use one of {self._known_tiers}. The only webhook gets every tier"

    @property
    def _known_tiers(self) -> str:
        return ", ".join(self._ranks)

    def _destinations(self, payload: Payload, tier: UserTier, about: str | None) -> tuple[str, ...]:
        if self._everything_to is not None:
            return (self._everything_to,)
        if isinstance(payload, Signal) and tier in self._tiers:
            return self._tiers[tier].signals_to
        usual = usual_destination(payload, tier)
        if about is not None:
            others = (name for name in _FOR_OPERATORS if name != about and name in self._configured)
            usual = next(others, about if about in self._configured else usual)
        return () if usual is None else (usual,)

    def _checked(self, destination: str, about: str | None) -> Route:
        if destination == about:
            return Route(destination, ABOUT_ITSELF)
        return Route(destination, None if destination in self._configured else NO_WEBHOOK)


def in_order(destination: str, fallbacks: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The fallbacks of a destination, then theirs, each once."""
    order = dict.fromkeys(fallbacks.get(destination, ()))
    for name in (found := list(order)):
        for each in fallbacks.get(name, ()):
            if each not in order:
                order[each] = None
                found.append(each)
    order.pop(destination, None)
    return tuple(order)


def _with_fallbacks(readers: Mapping[str, int], fallbacks: Mapping[str, Sequence[str]]) -> Mapping[str, int]:
    """The readers of all destinations, including those that are only fallbacks."""
    added: dict[str, int] = {}
    for origin in readers.keys() & fallbacks.keys():
        for name in set(fallbacks[origin]).difference(readers):
            added[name] = min(readers[origin], added.get(name, readers[origin]))
    return {**readers, **added}


def _lowest_readers(tiers: Mapping[UserTier, Tier]) -> Mapping[str, int]:
    """For each destination of signals, the rank of the lowest tier that reads it. Raises InvalidConfiguration."""
    lowest = dict(_LOWEST_READER)
    for tier in tiers.values():
        for destination in set(tier.signals_to).difference(_LOWEST_READER):
            lowest[destination] = min(tier.rank, lowest.get(destination, tier.rank))
    for name, tier in tiers.items():
        for destination in tier.signals_to:
            if lowest[destination] < tier.rank:
                raise InvalidConfiguration(
                    f"tier {str(name)!r} has rank {tier.rank}, and {destination} is read by tiers of rank "
                    f"{lowest[destination]}: use a separate destination",
                    code="conflict",
                    field=str(name),
                    value=destination,
                    limit=str(lowest[destination]),
                )
    return lowest
