"""The options sent with a payload: priority, tier and facts. Pure."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from signalpost.domain.context import Context
from signalpost.domain.making import in_their_words
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.sent import unfilled
from signalpost.domain.spellings import FieldNames, read_fields
from signalpost.domain.tier import UserTier
from signalpost.domain.words import member
from signalpost.errors import Fault, InvalidValue

_NAMES = FieldNames({"priority": (("priority",),), "user_tier": (("user_tier", "tier"),), "context": (("context",),)})


class SendOptions(NamedTuple):
    """The options sent with a payload."""

    priority: NotificationPriority | None
    user_tier: UserTier
    context: Mapping[str, object]


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
                faults += [in_their_words(each, name) if each.field in {None, field} else each for each in error.errors]
    return SendOptions(**found), faults


def facts(value: object, name: str = "context") -> Context:
    """Parse the facts to show. Raises InvalidValue if `value` is not an object or contains an unfilled placeholder."""
    if not isinstance(value, Mapping):
        raise InvalidValue.of(name, value, 'use an object, such as {"spread": 0.8}', code="not-an-object")
    if faults := [fault for fact, each in value.items() if (fault := unfilled(f"{name}.{fact}", each))]:
        raise InvalidValue.of_all(faults)
    return Context({fact: float(each) if isinstance(each, Decimal) else each for fact, each in value.items()})


_CONVERSIONS = {
    "priority": lambda value: member(NotificationPriority, value, "priority"),
    "user_tier": UserTier,
    "context": facts,
}
