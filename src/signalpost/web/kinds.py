"""What can be told by HTTP, kind by kind: which fields a body may have, and all that is wrong with one at once."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from signalpost.domain.alert import Alert
from signalpost.domain.announcement import Announcement
from signalpost.domain.context import Context
from signalpost.domain.exact import non_negative, positive
from signalpost.domain.market_analysis import MarketAnalysis
from signalpost.domain.notification import Payload
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.signal import Signal
from signalpost.domain.spellings import REQUIRED, SPELLINGS
from signalpost.domain.system_status import SystemStatus
from signalpost.domain.text import shown, text_of
from signalpost.domain.tier import UserTier
from signalpost.domain.words import member
from signalpost.errors import InvalidValue
from signalpost.web.door import Wishes
from signalpost.web.problem import Fault

_LONG_AGO = "0001-01-01T00:00:00Z"
"""A sample's time: every `valid_until` is later."""

Fields = dict[str, Any]


class Kind(NamedTuple):
    """One kind of payload: how it is made, and from which names of a body."""

    word: str
    make: Callable[..., Payload]
    id_field: str
    spellings: Mapping[str, tuple[str, ...]]
    """What each field may be called, the first that is present being taken."""
    required: tuple[str, ...]
    sample: Mapping[str, object]
    """The required fields, and others that a check of one by itself needs, with values that nothing is wrong with."""

    def found(self, data: Mapping[str, Any]) -> tuple[Fields, dict[str, str]]:
        """The fields present in `data`, whose names are in small letters, and what each is called there.

        Null and empty text count as absent.
        """
        called = {}
        for field, names in self.spellings.items():
            present = [name for name in names if _is_given(data.get(name))]
            if present:
                called[field] = present[0]
        return {field: data[name] for field, name in called.items()}, called

    def made(self, fields: Fields, called: Mapping[str, str]) -> Payload | list[Fault]:
        """The payload, or all that is wrong: each fault under the name that the body has for its field.

        What is wrong with two fields together is found once each is right by itself.
        """
        faults = [Fault(name, f"{name} is missing{self._also(name)}") for name in self.required if name not in fields]
        faults += self.wrong(fields, called)
        if faults:
            return faults
        try:
            return self.make(**fields)
        except InvalidValue as fault:
            name = str(fault).partition(" ")[0]  # every error begins with what it is about
            return [Fault(called.get(name, name if name in self.spellings else ""), str(fault))]

    def wrong(self, fields: Fields, called: Mapping[str, str]) -> list[Fault]:
        """What is wrong with each field by itself, told in the names that the body has."""
        faults = []
        for name, value in fields.items():
            try:
                _ALONE.get(name, self._alone)(value, name)
            except InvalidValue as fault:
                given = called.get(name, name)
                faults.append(Fault(given, _as_called(str(fault), given)))
        return faults

    def _alone(self, value: object, name: str) -> None:
        self.make(**{**self.sample, name: value})

    def _also(self, name: str) -> str:
        others = self.spellings[name][1:]
        return f" (also read as {', '.join(others)})" if others else ""


def wishes(data: Mapping[str, Any], usual_tier: UserTier) -> tuple[Wishes, list[Fault]]:
    """What a body (its names in small letters) asks for beside what it tells, and what of that cannot be meant."""
    faults: list[Fault] = []

    def read(names: tuple[str, ...], parse: Callable[[Any], Any], default: Any) -> Any:
        for name in names:
            if _is_given(data.get(name)):
                try:
                    return parse(data[name])
                except InvalidValue as fault:
                    faults.append(Fault(name, _as_called(str(fault), name)))
                    break
        return default

    asked = Wishes(
        priority=read(("priority",), lambda value: member(NotificationPriority, value, "priority"), None),
        user_tier=read(("user_tier", "tier"), UserTier, usual_tier),
        context=read(("context",), _context, {}),
    )
    return asked, faults


WISHES = frozenset({"priority", "user_tier", "tier", "context"})
"""The names that `wishes` reads."""


def in_small_letters(data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` with its names as they are looked for."""
    return {name.strip().lower(): value for name, value in data.items()}


def _is_given(value: object) -> bool:
    return value is not None and not (isinstance(value, str) and not value.strip())


def _as_called(text: str, name: str) -> str:
    """An error's `text`, which begins with a field's own name where that is what is wrong, beginning with `name`."""
    field, verb, rest = text.partition(" is ")
    return f"{name}{verb}{rest}" if field.isidentifier() else text


def _context(value: object) -> Context:
    if not isinstance(value, Mapping):
        raise InvalidValue(f"context is {shown(value)}: give an object of names and facts")
    return Context({name: float(fact) if isinstance(fact, Decimal) else fact for name, fact in value.items()})


def _uptime(value: Any) -> timedelta:
    """From seconds, or from the text that a value's own JSON has for it."""
    try:
        if isinstance(value, str):
            return msgspec.convert(text_of(value, "uptime"), timedelta)
        return timedelta(seconds=float(non_negative(value, "uptime")))
    except (msgspec.ValidationError, OverflowError):
        raise InvalidValue(f"uptime is {shown(value)}: give seconds") from None


def _status(**fields: Any) -> SystemStatus:
    if "uptime" in fields:
        fields["uptime"] = _uptime(fields["uptime"])
    return SystemStatus(**fields)


_ALONE: dict[str, Callable[[Any, str], object]] = {"stop_loss": positive, "take_profit": positive}
"""Fields that a sample would find on the wrong side."""


def _of(payload: type[Payload], id_field: str, **sample: object) -> Kind:
    """A kind whose fields go by their own names, and its id also by `id`."""
    spellings = {name: (name, "id") if name == id_field else (name,) for name in payload.__struct_fields__}
    make: Callable[..., Payload] = _status if payload is SystemStatus else payload
    word = str(payload.__struct_config__.tag)
    return Kind(word, make, id_field, spellings, tuple(sample), {**sample, "timestamp": _LONG_AGO})


_SIGNAL_SAMPLE = {"pair": "EUR_USD", "timeframe": "S1", "signal_type": "BUY", "entry_price": 1, "timestamp": _LONG_AGO}
SIGNAL = Kind("signal", Signal, "signal_id", SPELLINGS, REQUIRED, _SIGNAL_SAMPLE)

KIND_BY_PATH = {
    "signals": SIGNAL,
    "alerts": _of(Alert, "alert_id", alert_type="-", severity="info", title="-"),
    "analyses": _of(MarketAnalysis, "analysis_id", title="-", text="-"),
    "announcements": _of(Announcement, "announcement_id", title="-", text="-"),
    "statuses": _of(SystemStatus, "status_id", status="-"),
}
"""Below `/api/v1/`."""
