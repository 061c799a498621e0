"""The names of fields in other systems, and the only parser for them. Pure.

Every entry point uses it: the command line, HTTP, the hooks and `Signal.from_mapping`. Case, spaces, `-`, `.` and `_`
in a name are ignored: `stopLoss`, `Stop Loss` and `stop_loss` are the same name.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from signalpost.domain.exact import decimal_of
from signalpost.domain.instant import utc
from signalpost.domain.instrument import Instrument
from signalpost.domain.levels import holds_target, is_given, is_zero, level_of, plain_name, single_level
from signalpost.domain.side import SignalType
from signalpost.domain.text import as_text, shown
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.words import member
from signalpost.errors import Fault, InvalidValue

_RANKED: dict[str, tuple[tuple[str, ...], ...]] = {
    "pair": (("pair", "instrument", "symbol", "ticker"),),
    "timeframe": (("timeframe", "tf", "interval", "granularity"),),
    "signal_type": (("signal_type", "side", "action", "direction", "signal", "order_action", "strategy_order_action"),),
    # First the price of the order and of its fill, then of the signal, then less clear names, then the bar's close. The
    # average price of a position includes earlier orders, so it comes last.
    "entry_price": (
        ("order_price", "strategy_order_price"),
        ("fill_price", "filled_price", "average_fill_price", "avg_fill_price"),
        ("execution_price", "executed_price", "exec_price"),
        ("entry_price", "entry", "price", "open_rate"),
        ("limit_price", "order_limit", "order_limit_price", "entry_limit"),
        ("average_price", "avg_price", "average"),
        ("close",),
        ("position_average_price", "position_avg_price", "position_average", "position_price"),
        ("strategy_position_avg_price",),
    ),
    # First the candle's time, then the time at which an alert fired.
    "timestamp": (("timestamp", "candle_time", "time", "date", "open_date"), ("timenow",)),
    "stop_loss": (("stop_loss", "stoploss", "sl", "stop"),),
    "take_profit": (("take_profit", "takeprofit", "tp", "tp1", "target"),),
    "signal_id": (("signal_id", "id"),),
    "strategy_name": (("strategy_name", "strategy"),),
    "crossover_type": (("crossover_type", "crossover"),),
    "status": (("status",),),
    "current_price": (("current_price",),),
    "price_places": (("price_places",),),
    "fast_ma": (("fast_ma",),),
    "slow_ma": (("slow_ma",),),
    "atr_value": (("atr_value", "atr"),),
    "atr_multiplier_sl": (("atr_multiplier_sl", "sl_mult"),),
    "atr_multiplier_tp": (("atr_multiplier_tp", "tp_mult"),),
    "risk_reward_ratio": (("risk_reward_ratio", "risk_reward", "rr"),),
    "position_size": (("position_size",),),
    "confidence_score": (("confidence_score", "confidence"),),
    "notes": (("notes",), ("comment",), ("message",), ("alert_message",)),
    "created_at": (("created_at",),),
    "updated_at": (("updated_at",),),
    "known_at": (("known_at",),),
    "valid_until": (("valid_until", "expires_at"),),
}
"""All names of each field of a signal, in groups. The first group that is present is used. The names in a group are
synonyms, so their values must agree."""

STAND_INS: Mapping[str, object] = {
    "pair": "EUR_USD",
    "timeframe": "H1",
    "signal_type": "BUY",
    "entry_price": 1,
    "timestamp": "2000-01-01T00:00:00Z",
}
"""A valid value for each required field of a signal."""
REQUIRED = tuple(STAND_INS)

_LONGEST_NAME = 60
_MOST_FURTHER_LEVELS = 100
"""The maximum reported for one message: thousands would not help."""
_NONE_IF_ZERO = ("stop_loss", "take_profit")
_UNFILLED = re.compile(r"\{\{|\}\}")
_FREE_TEXT = frozenset({"text", "message"})
"""Fields whose text may mention a placeholder. Text that is only a placeholder is still a fault."""

_CONVERSIONS: dict[str, Callable[[Any], object]] = {
    "pair": Instrument,
    "timeframe": Timeframe,
    "signal_type": lambda value: member(SignalType, value, "signal_type"),
    "timestamp": lambda value: utc(value, "timestamp"),
    "valid_until": lambda value: utc(value, "valid_until"),
    **dict.fromkeys(
        ("entry_price", "stop_loss", "take_profit", "atr_value", "confidence_score", "risk_reward_ratio"),
        lambda value: decimal_of(value, "number"),
    ),
}
"""Conversions for comparing values of one field, so that `1.10` and `1.1` agree."""


class _Place(NamedTuple):
    """The field that a name refers to."""

    field: str
    rank: int
    number: int
    """1, or the number of a further level."""


class FieldNames:
    """The field names of one kind of payload."""

    def __init__(self, ranked: Mapping[str, tuple[tuple[str, ...], ...]]) -> None:
        self.spellings = {
            field: tuple(dict.fromkeys([field, *(name for group in groups for name in group)]))
            for field, groups in ranked.items()
        }
        """All names of each field, its own name first."""
        self._places = {
            plain_name(name): _Place(field, rank, 1)
            for field, groups in ranked.items()
            for rank, group in enumerate(groups)
            for name in group
        }

    def place(self, name: str) -> _Place | None:
        """The field that `name` refers to; None if it is unknown."""
        plain = plain_name(name)
        if (known := self._places.get(plain)) is not None:
            return known
        level = level_of(plain)
        if level is None or (known := self._places.get(plain_name(level.field))) is None:
            return None
        return known._replace(number=level.number)

    def holds_target(self, name: str, value: object) -> bool:
        """True if this kind has a target and a field with an unknown name has targets."""
        return "take_profit" in self.spellings and plain_name(name) != "context" and holds_target(name, value)


class FoundFields(NamedTuple):
    """The fields that were found, under their own names."""

    fields: dict[str, Any]
    called: dict[str, str]
    """The sender's name of each field, including fields with a fault."""
    faults: tuple[Fault, ...]
    unknown: tuple[str, ...]
    """Unknown names, as sent."""

    def or_else(self, field: str, value: Any) -> "FoundFields":
        """These fields, with a default `value` for a field that was not sent."""
        if field in self.called:
            return self
        return self._replace(fields={**self.fields, field: value}, called={**self.called, field: field})


class _Given(NamedTuple):
    rank: int
    name: str
    value: Any


def read_fields(
    pairs: Iterable[tuple[Any, Any]], names: FieldNames, only: Collection[str] | None = None
) -> FoundFields:
    """Find the fields among names and values; `only` restricts them.

    None and blank text mean missing, and so does 0 for a stop or a target. Faults are: an unfilled `{{...}}`, more
    than one entry, stop or target, and synonyms with different values.
    """
    given: dict[str, list[_Given]] = {}
    too_many: list[tuple[str, Any, str]] = []
    unknown: list[str] = []
    for name, value in pairs:
        if not isinstance(name, str):
            continue
        place = names.place(name)
        if place is None and names.holds_target(name, value):
            too_many.append((name, value, "take_profit"))
        elif place is None:
            unknown.append(name)
        elif only is None or place.field in only:
            single, others = single_level(value) if level_of(plain_name(name)) else (value, False)
            if not is_given(single) or (place.field in _NONE_IF_ZERO and is_zero(single)):
                continue
            if others or place.number != 1:
                too_many.append((name, value, place.field))
            else:
                given.setdefault(place.field, []).append(_Given(place.rank, as_sent(name), single))
    faults = [_too_many(as_sent(name), value, field) for name, value, field in too_many[:_MOST_FURTHER_LEVELS]]
    fields, called_by_field = {}, {}
    for field, several in given.items():
        best = min(each.rank for each in several)
        first, *rest = (each for each in several if each.rank == best)
        fields[field], called_by_field[field] = first.value, first.name
        found = [unfilled(each.name, each.value, field) for each in (first, *rest)]
        faults += [fault for fault in found if fault is not None]
        faults += [_differs(first, each) for each in rest if not _agree(field, first.value, each.value)]
    return FoundFields(fields, called_by_field, tuple(faults), tuple(unknown))


def unfilled(name: str, value: object, field: str = "") -> Fault | None:
    """The fault of a `value` that is an unfilled placeholder of a template; None for any other."""
    if not isinstance(value, str) or not _UNFILLED.search(value):
        return None
    text = value.strip()
    if field in _FREE_TEXT and not (text.startswith("{{") and text.endswith("}}")):
        return None
    return Fault(
        "placeholder",
        f"{name} is {shown(value)}: this placeholder was not replaced by a value. Send the value itself, or omit "
        f"{name} if it is optional",
        name,
        shown(value),
    )


def as_sent(name: str) -> str:
    """`name` for an error: one line, shortened."""
    return name if name.isprintable() and len(name) <= _LONGEST_NAME else shown(name)


def _too_many(name: str, value: object, field: str) -> Fault:
    level = {"take_profit": "target", "stop_loss": "stop", "entry_price": "entry"}[field]
    text = (
        f"{name} is {shown(value)}: a signal has only one {level} for now. Send the first one as {field}, and omit "
        f"{name}"
    )
    return Fault("too-many", text, name, shown(value), "1")


def _differs(first: _Given, other: _Given) -> Fault:
    text = (
        f"{other.name} is {shown(other.value)} and {first.name} is {shown(first.value)}: both set the same field. "
        "Send only one of them"
    )
    return Fault("conflict", text, other.name, shown(other.value), f"{first.name}: {shown(first.value)}")


def _agree(field: str, one: Any, other: Any) -> bool:
    convert = _CONVERSIONS.get(field)
    if convert is not None:
        try:
            return convert(one) == convert(other)
        except InvalidValue:
            pass  # the fault is reported when the value is used
    return as_text(one) == as_text(other)


def missing(field: str, names: FieldNames) -> Fault:
    """The fault of a required field that is missing."""
    others = names.spellings[field][1:]
    also = f" (other names: {', '.join(others)})" if others else ""
    return Fault("missing", f"{field} is missing{also}", field)


SIGNAL = FieldNames(_RANKED)
SPELLINGS = SIGNAL.spellings
"""All names of each field of a signal, its own name first."""
