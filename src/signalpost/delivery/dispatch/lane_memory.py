"""What outlives a restart, as facts in the outbox: which webhooks are gone, the pace of each destination, and bans.

A destination's name is the operator's, and its webhook may be another one tomorrow. So what is known of a webhook is
kept for its id and the hash of its token, what is known of a host for the host, and only the pace for the name: with
the webhook that it was kept with, for a limit of the operator's belongs to the name and all others to the webhook.
No URL is kept. Where the clock was put back, waits keep their length.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from signalpost.delivery.dispatch.standing import Gone
from signalpost.delivery.pacing.backoff import bounded
from signalpost.delivery.pacing.host import Ban
from signalpost.delivery.pacing.pacer import PaceMemory

GONE = "disabled"
PACE = "pace"
NAME = "destination"
BAN = "ban"


class Pace(NamedTuple):
    """A destination's pace, and whose it was."""

    memory: PaceMemory
    webhook: str | None
    """What tells the webhook from others; None where that was not kept."""


class _Pace(msgspec.Struct, frozen=True, omit_defaults=True):
    at: datetime
    ages: tuple[float, ...]
    held_for: float
    webhook: str | None = None
    channel: str | None = None
    refusals: tuple[float, ...] = ()


class _Gone(msgspec.Struct, frozen=True):
    reason: str
    at: datetime


class _Ban(msgspec.Struct, frozen=True):
    at: datetime
    held_for: float
    reason: str
    is_told: bool = True


def place_of_webhook(webhook: str) -> str:
    """Where a webhook's facts are kept, in place of a destination's name."""
    return f"(webhook {webhook})"


def place_of_host(host: str) -> str:
    """Where a host's facts are kept, in place of a destination's name."""
    return f"(host {host})"


def gone_fact(gone: Gone | None) -> dict[str, bytes]:
    """The fact that a webhook is gone for good, or (None) that it is not."""
    return {GONE: b"" if gone is None else msgspec.json.encode(gone._asdict())}


def gone(facts: Mapping[str, bytes]) -> Gone | None:
    """That the webhook is gone for good; None where it is not. What cannot be read counts as gone."""
    if GONE not in facts:
        return None
    try:
        kept = msgspec.json.decode(facts[GONE], type=_Gone)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Gone("a person or another version disabled it")
    return Gone(kept.reason, kept.at)


def name_fact(destination: str) -> dict[str, bytes]:
    """The fact that this destination sends through a webhook."""
    return {NAME: destination.encode()}


def name(facts: Mapping[str, bytes]) -> str | None:
    """The destination that last sent through a webhook; None where none is known."""
    return facts[NAME].decode(errors="replace") if NAME in facts else None


def pace_fact(memory: PaceMemory, now: datetime, webhook: str | None = None) -> dict[str, bytes]:
    """The fact of what was just asked and refused, where messages showed, and how long the far end asked to wait."""
    kept = _Pace(now, memory.ages, memory.held_for, webhook, memory.channel, memory.refusals)
    return {PACE: msgspec.json.encode(kept)}


def pace(facts: Mapping[str, bytes], now: datetime) -> Pace:
    """The pace as it is `now`, or none."""
    try:
        kept = msgspec.json.decode(facts[PACE], type=_Pace)
        since = _since(kept.at, now)
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError, TypeError):
        return Pace(PaceMemory((), 0.0), None)
    ages, refusals = (tuple(age + since for age in each) for each in (kept.ages, kept.refusals))
    held_for = max(0.0, bounded(kept.held_for) - since)
    return Pace(PaceMemory(ages, held_for, kept.channel, refusals), kept.webhook)


def ban_fact(ban: Ban | None, now: datetime) -> dict[str, bytes]:
    """The fact that a host takes nothing from this address for a while, or (None) that it does."""
    return {BAN: b"" if ban is None else msgspec.json.encode(_Ban(now, ban.held_for, ban.reason, ban.is_told))}


def ban(facts: Mapping[str, bytes], now: datetime) -> Ban | None:
    """What is left of a ban; None where it is over, or there is none that can be read."""
    try:
        kept = msgspec.json.decode(facts[BAN], type=_Ban)
        left = bounded(kept.held_for) - _since(kept.at, now)
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError, TypeError):
        return None
    return Ban(kept.reason, left, kept.is_told) if left > 0 else None


def _since(at: datetime, now: datetime) -> float:
    return max(0.0, (now - at).total_seconds())
