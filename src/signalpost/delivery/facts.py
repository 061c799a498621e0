"""Facts that outlive a restart, and how the outbox stores them.

They are about webhooks (gone for good), destinations (pace, breaker, lost cards), hosts (bans), clock, owner and
incidents.
The operator names a destination, and may give it another webhook. So facts about a webhook are stored under its id and
the hash of its token, and facts about a host under the host. Only pace, breaker and lost cards are stored under the
destination. The pace includes the webhook, because the operator's own limit applies to the destination, but all other
limits apply to the webhook. No URL or secret is stored.

If the clock was set back meanwhile, waits keep their length. The docstring of each `read_...` says how it treats an
unreadable fact.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec

from signalpost.delivery.outbox.commands import Namespace, SaveFacts, Subject
from signalpost.delivery.pacing.backoff import bounded
from signalpost.delivery.pacing.breaker import BreakerMemory
from signalpost.delivery.pacing.host import Ban
from signalpost.delivery.pacing.pacer import PaceMemory
from signalpost.delivery.routing import Routing, Tier
from signalpost.domain.events import CardGone, IncidentBegan
from signalpost.domain.instrument import Instrument
from signalpost.domain.reports import AlertSeverity
from signalpost.domain.tier import TierCopy, UserTier
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import InvalidConfiguration, InvalidValue

GONE = "disabled"
PACE = "pace"
BREAKER = "breaker"
NAME = "destination"
BAN = "ban"
SEEN = "seen"
CARD_GONE = "card gone "
"""Followed by the signal's id. Kept until an alert is accepted."""
ROUTES = "routes"

CLOCK = Subject("clock", Namespace.STORE)
OWNER = Subject("owner", Namespace.STORE)
INCIDENTS = Subject("incidents", Namespace.STORE)

Facts = Mapping[str, bytes]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Gone(NamedTuple):
    """Why a webhook is gone for good, and when that became known."""

    reason: str
    at: datetime | None = None
    """None if it was not stored."""


class Pace(NamedTuple):
    """A destination's pace, and the webhook that it was measured with."""

    memory: PaceMemory
    webhook: str | None
    """None if it was not stored."""


class OwnerFact(NamedTuple):
    """Which process owns the folder, and how it routes."""

    holder: str
    routing: Routing


class _Gone(msgspec.Struct, frozen=True):
    reason: str
    at: datetime


class _Pace(msgspec.Struct, frozen=True, omit_defaults=True):
    at: Instant
    ages: tuple[float, ...]
    held_for: float
    webhook: str | None = None
    channel: str | None = None
    refusals: tuple[float, ...] = ()
    edits_held_for: float = 0.0


class _Breaker(msgspec.Struct, frozen=True):
    at: Instant
    open_for: float
    probe_in: float
    interval: float


class _Ban(msgspec.Struct, frozen=True):
    at: Instant
    held_for: float
    reason: str
    is_told: bool = True


class _CardGone(msgspec.Struct, frozen=True):
    how: str
    is_stopped: bool
    at: Instant
    channel: str | None = None


class _Incident(msgspec.Struct, frozen=True):
    kind: str
    name: str
    severity: str
    feed: str
    reason: str
    since: Instant
    candles: tuple[str, str] | None


class _Routes(msgspec.Struct, frozen=True):
    holder: str
    destinations: tuple[str, ...]
    tiers: dict[str, Tier]
    everything_to: str | None
    ignored: str | None = None
    copies: dict[str, TierCopy] = {}


def of_webhook(webhook: str) -> Subject:
    """The subject of facts about a webhook."""
    return Subject(webhook, Namespace.WEBHOOK)


def of_host(host: str) -> Subject:
    """The subject of facts about a host."""
    return Subject(host, Namespace.HOST)


def gone_fact(gone: Gone | None) -> dict[str, bytes]:
    """The fact of why a webhook is gone for good. Pass None if it is not."""
    return {GONE: b"" if gone is None else msgspec.json.encode(gone._asdict())}


def read_gone(facts: Facts) -> Gone | None:
    """Why a webhook is gone for good; None if it is not. An unreadable fact counts as gone."""
    if GONE not in facts:
        return None
    kept = _read(facts, GONE, _Gone)
    return Gone("a person or another version disabled it") if kept is None else Gone(kept.reason, kept.at)


def card_gone_fact(gone: CardGone, *, is_reported: bool = False) -> SaveFacts:
    """The fact that a card is lost. It asks for an alert, unless `is_reported`."""
    value = b"" if is_reported else msgspec.json.encode(_CardGone(gone.how, gone.is_stopped, gone.at, gone.channel))
    return SaveFacts(Subject(gone.destination), {f"{CARD_GONE}{gone.signal_id}": value})


def read_cards_gone(facts: Facts, destination: str) -> list[CardGone]:
    """The lost cards that no operator was alerted to. Unreadable ones are skipped."""
    names = [name for name in facts if name.startswith(CARD_GONE)]
    kept = [(name.removeprefix(CARD_GONE), _read(facts, name, _CardGone)) for name in names]
    return [CardGone(destination, name, *msgspec.structs.astuple(each)) for name, each in kept if each is not None]


def incident_fact(incident: IncidentBegan, *, is_over: bool = False) -> SaveFacts:
    """The command that saves an incident that operators were alerted to, or deletes it when it is over."""
    value = b"" if is_over else msgspec.json.encode(_Incident(*map(_plain, incident)))
    return SaveFacts(INCIDENTS, {f"{incident.kind} {incident.name}": value})


def _plain(value: object) -> Any:
    """A value of an incident in types that JSON has."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return str.__str__(value) if isinstance(value, str) else value


def read_incidents(facts: Facts) -> list[IncidentBegan]:
    """The incidents that operators were alerted to, and that are not over. Unreadable ones are skipped."""
    incidents = []
    for name in facts:
        if (kept := _read(facts, name, _Incident)) is not None:
            kind, key, severity, feed, reason, since, candles = msgspec.structs.astuple(kept)
            with suppress(InvalidValue):
                made = None if candles is None else (Instrument(candles[0]), Timeframe(candles[1]))
                incidents.append(IncidentBegan(kind, key, AlertSeverity(severity), feed, reason, since, made))
    return incidents


def name_fact(destination: str) -> dict[str, bytes]:
    """The destination that sends through a webhook."""
    return {NAME: destination.encode()}


def read_name(facts: Facts) -> str | None:
    """The destination that last sent through a webhook; None if none is known."""
    return facts[NAME].decode(errors="replace") if NAME in facts else None


def pace_fact(memory: PaceMemory, now: datetime, webhook: str | None = None) -> dict[str, bytes]:
    """A destination's latest requests and refusals, its channel, and the rest of a demanded wait."""
    kept = _Pace(now, memory.ages, memory.held_for, webhook, memory.channel, memory.refusals, memory.edits_held_for)
    return {PACE: msgspec.json.encode(kept)}


def read_pace(facts: Facts, now: datetime) -> Pace:
    """The pace as it is `now`. An unreadable fact counts as no pace."""
    kept = _read(facts, PACE, _Pace)
    if kept is None:
        return Pace(PaceMemory((), 0.0), None)
    since = _since(kept.at, now)
    ages, refusals = (tuple(age + since for age in each) for each in (kept.ages, kept.refusals))
    held_for = max(0.0, bounded(kept.held_for) - since)
    edits_held_for = max(0.0, bounded(kept.edits_held_for) - since)
    return Pace(PaceMemory(ages, held_for, kept.channel, refusals, edits_held_for), kept.webhook)


def breaker_fact(memory: BreakerMemory | None, now: datetime) -> dict[str, bytes]:
    """The fact of a destination's breaker. Pass None if it is closed."""
    return {BREAKER: b"" if memory is None else msgspec.json.encode(_Breaker(now, *memory))}


def read_breaker(facts: Facts, now: datetime) -> BreakerMemory | None:
    """The breaker as it is `now`; None if it was closed. An unreadable fact counts as closed."""
    kept = _read(facts, BREAKER, _Breaker)
    if kept is None:
        return None
    since = _since(kept.at, now)
    probe_in, interval = bounded(kept.probe_in), bounded(kept.interval)
    return BreakerMemory(kept.open_for + since, max(0.0, probe_in - since), interval)


def ban_fact(ban: Ban | None, now: datetime) -> dict[str, bytes]:
    """The fact of a host's ban of this address. Pass None if there is none."""
    return {BAN: b"" if ban is None else msgspec.json.encode(_Ban(now, ban.held_for, ban.reason, ban.is_reported))}


def read_ban(facts: Facts, now: datetime) -> Ban | None:
    """The rest of a ban; None if it is over. An unreadable fact counts as no ban."""
    kept = _read(facts, BAN, _Ban)
    if kept is None:
        return None
    left = bounded(kept.held_for) - _since(kept.at, now)
    return Ban(kept.reason, left, kept.is_told) if left > 0 else None


def seen_fact(now: datetime) -> dict[str, bytes]:
    """The time on the clock now."""
    return {SEEN: msgspec.json.encode(now)}


def read_seen(facts: Facts) -> datetime | None:
    """The time on the clock when it was last saved. An unreadable fact counts as none."""
    return _read(facts, SEEN, Instant)


def owner_fact(
    holder: str,
    destinations: Collection[str],
    tiers: Mapping[UserTier, Tier],
    everything_to: str | None,
    ignored: str | None = None,
    copies: Mapping[UserTier, TierCopy] | None = None,
) -> dict[str, bytes]:
    """The owner's destinations and tiers, which producers route by."""
    tier_by_name = {str(name): tier for name, tier in tiers.items()}
    copy_by_name = {str(name): copy for name, copy in (copies or {}).items()}
    routes = _Routes(holder, tuple(destinations), tier_by_name, everything_to, ignored, copy_by_name)
    return {ROUTES: msgspec.json.encode(routes)}


def read_owner(facts: Facts) -> OwnerFact | None:
    """The last owner and its routing. An unreadable fact counts as none."""
    routes = _read(facts, ROUTES, _Routes)
    if routes is None:
        return None
    try:
        tiers = {UserTier(name): tier for name, tier in routes.tiers.items()}
        routing = Routing(
            routes.destinations,
            tiers=tiers,
            everything_to=routes.everything_to,
            ignored=routes.ignored,
            copies={UserTier(name): copy for name, copy in routes.copies.items()},
        )
    except (InvalidConfiguration, InvalidValue):
        return None
    return OwnerFact(routes.holder, routing)


_T = TypeVar("_T")


def _read(facts: Facts, name: str, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(facts[name], type=kind)
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _since(at: datetime, now: datetime) -> float:
    return max(0.0, (now - at).total_seconds())
