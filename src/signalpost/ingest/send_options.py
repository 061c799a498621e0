"""The options sent with a payload: priority, tier and facts. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from signalpost.domain.context import Context
from signalpost.domain.making import in_their_words
from signalpost.domain.notification import Payload
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.seconds import duration
from signalpost.domain.sent import unfilled
from signalpost.domain.signal import Signal
from signalpost.domain.spellings import FieldNames, read_fields
from signalpost.domain.tier import UserTier
from signalpost.domain.words import member
from signalpost.errors import Fault, InvalidValue

_NAMES = FieldNames(
    {
        "priority": (("priority",),),
        "user_tier": (("user_tier", "tier"),),
        "tiers": (("tiers", "user_tiers"),),
        "context": (("context",),),
    }
)


class SendOptions(NamedTuple):
    """The options sent with a payload."""

    priority: NotificationPriority | None
    user_tier: UserTier
    context: Mapping[str, object]
    tiers: tuple[UserTier, ...] = ()
    """Several tiers; empty for `user_tier` alone."""

    @property
    def each_tier(self) -> tuple[UserTier, ...]:
        """All tiers that it is for."""
        return self.tiers or (self.user_tier,)


def is_option(name: str) -> bool:
    """True if `name` is an option's name."""
    return _NAMES.place(name) is not None


def read_options(pairs: Iterable[tuple[Any, Any]], usual_tier: UserTier) -> tuple[SendOptions, list[Fault]]:
    """Find the options among names and values. Returns them with their faults."""
    read = read_fields(pairs, _NAMES)
    faults = list(read.faults)
    faulty = {fault.field for fault in faults}
    found: dict[str, Any] = {"priority": None, "user_tier": usual_tier, "context": {}}
    for field, value in read.fields.items():
        if (name := read.called[field]) not in faulty:
            try:
                found[field] = _CONVERSIONS[field](value)
            except InvalidValue as error:
                faults += [
                    in_their_words(each, name) if each.field in {None, field, "user_tier"} else each
                    for each in error.errors
                ]
    if {"tiers", "user_tier"} <= read.fields.keys():
        one, several = read.called["user_tier"], read.called["tiers"]
        text = f"{one} and {several} are both set: put every tier into {several}"
        faults.append(Fault("conflict", text, several, limit=one))
    return SendOptions(**found), faults


def good_until(signal: Signal, lasts: timedelta, name: str, *, has_time: bool) -> Signal:
    """`signal` with an order that is good for a duration from its candle's close, or from now if no time was given.

    Not from when it was known, because a repeat is known at another time. Raises InvalidValue with the field `name`.
    """
    waits = signal.timeframe.duration if has_time and signal.timeframe is not None else timedelta()
    try:
        return signal.but(good_until=signal.timestamp + waits + lasts, valid_until=None)
    except InvalidValue as error:
        raise InvalidValue.of_all([in_their_words(each, name) for each in error.errors]) from None


def several(
    payload: Payload,
    user_tier: UserTier | str | None,
    tiers: Iterable[UserTier | str],
    good_for: timedelta | str | None,
) -> tuple[Payload, Sequence[UserTier | str | None]]:
    """Convert the options of a send: the payload with its order's duration, and its tiers. Raises InvalidValue."""
    if good_for is None and isinstance(tiers, tuple) and not tiers:
        return payload, (user_tier,)
    if good_for is not None:
        if not isinstance(payload, Signal):
            raise InvalidValue.of("good_for", good_for, "omit it: only a signal has an order", code="not-a-signal")
        payload = good_until(payload, duration(good_for, "good_for"), "good_for", has_time=True)
    return payload, each_tier(user_tier, tiers)


def each_tier(user_tier: UserTier | str | None, tiers: Iterable[UserTier | str]) -> Sequence[UserTier | str | None]:
    """The tiers that something is for. Raises InvalidValue if both are given, or one is invalid."""
    listed = list(tiers) if isinstance(tiers, Iterable) and not isinstance(tiers, str) else tiers
    if listed and user_tier is not None:
        raise InvalidValue.of("tiers", listed, "use user_tier or tiers, not both", code="conflict")
    return (user_tier,) if listed in ([], "") else _tiers(listed)


def _tiers(value: object) -> tuple[UserTier, ...]:
    """Several tiers, as a list or with commas between them, each once. Raises InvalidValue."""
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not listed:
        raise InvalidValue.of("tiers", value, 'use a list of tiers, such as ["premium", "free"]', code="not-a-list")
    return tuple(dict.fromkeys(map(UserTier, listed)))


def facts(value: object) -> Context:
    """Parse the facts to show. Raises InvalidValue if `value` is not an object or contains an unfilled placeholder."""
    if not isinstance(value, Mapping):
        raise InvalidValue.of("context", value, 'use an object, such as {"spread": 0.8}', code="not-an-object")
    if faults := [fault for fact, each in value.items() if (fault := unfilled(f"context.{fact}", each))]:
        raise InvalidValue.of_all(faults)
    return Context({fact: float(each) if isinstance(each, Decimal) else each for fact, each in value.items()})


_CONVERSIONS = {
    "priority": lambda value: member(NotificationPriority, value, "priority"),
    "user_tier": UserTier,
    "tiers": _tiers,
    "context": facts,
}
