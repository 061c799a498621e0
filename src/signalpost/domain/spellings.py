"""The names of fields in other systems, and the only parser for them. Pure.

Every entry point uses it: the command line, HTTP, the hooks and `Signal.from_mapping`. Case, spaces, `-`, `.` and `_`
in a name are ignored: `stopLoss`, `Stop Loss` and `stop_loss` are the same name.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from signalpost.domain import levels
from signalpost.domain.exact import decimal_of
from signalpost.domain.instant import utc
from signalpost.domain.instrument import Instrument
from signalpost.domain.order import OrderKind, zone_of
from signalpost.domain.sent import as_sent, differs, unfilled
from signalpost.domain.side import SignalType
from signalpost.domain.target_fields import TargetFields
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.words import member
from signalpost.errors import Fault, InvalidValue, as_text, shown

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
    "entry_zone": (("entry_zone", "entry_range"),),
    "order": (("order", "order_type", "order_kind"),),
    "leverage": (("leverage",),),
    "risk_percent": (("risk_percent", "risk_pct"),),
    "initial_stop": (("initial_stop",),),
    "take_profit": (("take_profit", "takeprofit", "tp", "tp1", "target"),),
    "targets": (("targets",),),
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
    "good_until": (("good_until", "good_till"),),
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
"""A valid value for each field of a signal that an entry point can require."""
REQUIRED = ("pair", "signal_type", "entry_price", "timestamp")

_MOST_FURTHER_LEVELS = 100
"""The maximum reported for one message: thousands would not help."""
_NONE_IF_ZERO = ("stop_loss", "initial_stop")
_TARGETS = ("take_profit", "targets")
_ENDS = {
    **dict.fromkeys(("entrylow", "entrymin", "entryfrom", "entryzonelow"), 0),
    **dict.fromkeys(("entryhigh", "entrymax", "entryto", "entryzonehigh"), 1),
}
"""Plain names of the two ends of an entry zone."""

_CONVERSIONS: dict[str, Callable[[Any], object]] = {
    "pair": Instrument,
    "timeframe": Timeframe,
    "signal_type": lambda value: member(SignalType, value, "signal_type"),
    "order": lambda value: member(OrderKind, value, "order"),
    "entry_zone": lambda value: zone_of(value, "entry_zone"),
    "timestamp": lambda value: utc(value, "timestamp"),
    "valid_until": lambda value: utc(value, "valid_until"),
    "good_until": lambda value: utc(value, "good_until"),
    **dict.fromkeys(
        ("entry_price", "stop_loss", "initial_stop", "atr_value", "confidence_score", "risk_reward_ratio"),
        lambda value: decimal_of(value, "number"),
    ),
}
"""Conversions for comparing values of one field, so that `1.10` and `1.1` agree."""


class _Place(NamedTuple):
    """The field that a name refers to."""

    field: str
    rank: int
    number: int
    """1, or the number of a further level; 0 for the low and 1 for the high end of an entry zone."""


class FieldNames:
    """The field names of one kind of payload."""

    def __init__(self, ranked: Mapping[str, tuple[tuple[str, ...], ...]]) -> None:
        self.spellings = {
            field: tuple(dict.fromkeys([field, *(name for group in groups for name in group)]))
            for field, groups in ranked.items()
        }
        """All names of each field, its own name first."""
        self._places = {
            levels.plain_name(name): _Place(field, rank, 1)
            for field, groups in ranked.items()
            for rank, group in enumerate(groups)
            for name in group
        }

    def place(self, name: str) -> _Place | None:
        """The field that `name` refers to; None if it is unknown."""
        plain = levels.plain_name(name)
        if (known := self._places.get(plain)) is not None:
            return known
        if plain in _ENDS and "entry_zone" in self.spellings:
            return _Place("entry_zone", 0, _ENDS[plain])
        level = levels.level_of(plain)
        if level is None or (known := self._places.get(levels.plain_name(level.field))) is None:
            return None
        return known._replace(number=level.number)

    @property
    def has_targets(self) -> bool:
        """True if this kind has targets."""
        return "take_profit" in self.spellings


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
    than one entry or stop, a target that cannot be understood, and synonyms with different values.
    """
    given: dict[str, list[_Given]] = {}
    targets, ends = TargetFields(), dict[int, _Given]()
    further: list[Fault] = []
    unknown: list[str] = []
    for name, value in ((name, value) for name, value in pairs if isinstance(name, str)):
        place = names.place(name)
        if place is None:
            if not (names.has_targets and _is_target(name, value, targets)):
                unknown.append(name)
        elif only is not None and place.field not in only:
            continue
        elif place.field in _TARGETS:
            targets.add(name, place.number, value)
        elif levels.plain_name(name) in _ENDS:
            if levels.is_given(value) and not levels.is_zero(value):
                ends[place.number] = _Given(0, as_sent(name), value)
        elif (single := _single(name, value, place, further)) is not None:
            given.setdefault(place.field, []).append(single)
    faults = further[:_MOST_FURTHER_LEVELS]
    if ends and (zone := _zone(ends, faults)) is not None:
        given.setdefault("entry_zone", []).append(zone)
    fields, called = targets.read(faults)
    _merge(given, fields, called, faults)
    return FoundFields(fields, called, tuple(faults), tuple(unknown))


def _merge(
    given: Mapping[str, list[_Given]], fields: dict[str, Any], called: dict[str, str], faults: list[Fault]
) -> None:
    """Add the best value of each field in `given` and its name, and the faults among its values."""
    for field, several in given.items():
        best = min(each.rank for each in several)
        first, *rest = (each for each in several if each.rank == best)
        fields[field], called[field] = first.value, first.name
        found = [unfilled(each.name, each.value, field) for each in (first, *rest)]
        faults += [fault for fault in found if fault is not None]
        conflicts = (each for each in rest if not _agree(field, first.value, each.value))
        faults += [differs(first.name, first.value, each.name, each.value) for each in conflicts]


def _is_target(name: str, value: Any, targets: TargetFields) -> bool:
    """Whether an unknown name has a target, which is added to `targets`."""
    plain = levels.plain_name(name)
    if (number := levels.share_of(plain)) is not None:
        targets.add_share(name, number, value)
    elif (number := levels.short_target(plain)) is not None and levels.is_price(value):
        targets.add(name, number, value)
    elif plain != "context" and levels.holds_target(name, value):
        targets.reject(name, value)
    else:
        return False
    return True


def _single(name: str, value: Any, place: _Place, further: list[Fault]) -> _Given | None:
    """The value of a field that has only one; None if missing. A further stop or entry is added to `further`."""
    single, others = levels.single_level(value) if levels.level_of(levels.plain_name(name)) else (value, False)
    if not levels.is_given(single) or (place.field in _NONE_IF_ZERO and levels.is_zero(single)):
        return None
    if others or place.number != 1:
        further.append(_too_many(as_sent(name), value, place.field))
        return None
    return _Given(place.rank, as_sent(name), single)


def _zone(ends: Mapping[int, _Given], faults: list[Fault]) -> _Given | None:
    """The entry zone between two ends. A missing end is added to `faults`."""
    if len(ends) == 1:
        (end,) = ends.values()
        other = "entry_high" if 0 in ends else "entry_low"
        faults.append(Fault("missing", f"{end.name} is {shown(end.value)}, but {other} is missing", other))
        return None
    low, high = ends[0], ends[1]
    return _Given(0, f"{low.name}, {high.name}", (low.value, high.value))


def _too_many(name: str, value: object, field: str) -> Fault:
    level = {"stop_loss": "stop", "entry_price": "entry"}[field]
    text = f"{name} is {shown(value)}: a signal has only one {level}. Send the first one as {field}, and omit {name}"
    return Fault("too-many", text, name, shown(value), "1")


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
