"""Reads the targets of a payload: `tp1` to `tp10`, their shares, lists and objects. Pure.

What looks like a target but cannot be understood is a fault, never dropped.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple

from signalpost.domain.exact import decimal_of, percentage
from signalpost.domain.levels import UNCLEAR, is_given, is_price, is_zero, level_of, plain_name
from signalpost.domain.sent import as_sent, differs, unfilled
from signalpost.domain.target import MOST_TARGETS
from signalpost.errors import Fault, InvalidValue, shown

_PRICES = frozenset({"price", "level", "value"})
_SHARES = frozenset(
    ("share", "size", "percent", "percentage", "pct", "portion", "qtypercent", "closepercent", "closepct")
)
_PLACES = frozenset({"number", "no", "n", "index", "id"})
"""Names in an object that only give its place, which the order of the targets gives already."""
_PAIR = 2
_DEPTH = 2
"""A list or an object of targets, which may themselves be pairs or objects."""
_MOST_FAULTS = 100
"""The maximum reported for one message: thousands would not help."""


class _Given(NamedTuple):
    name: str
    price: Any


class TargetFields:
    """Collects the targets of one payload by their numbers, and the faults among them."""

    def __init__(self) -> None:
        self._prices: dict[int, _Given] = {}
        self._shares: dict[int, _Given] = {}
        self._faults: list[Fault] = []

    def add(self, name: str, number: int, value: Any, depth: int = _DEPTH) -> None:
        """Add `value` as target `number`, or as all targets from there if it is a list or an object of several.

        None, blank text and 0 mean missing.
        """
        name = as_sent(name)
        if not is_given(value) or is_zero(value):
            return
        if number == UNCLEAR:
            self._reject(name, value, "its place among the targets is not clear. Name targets tp1, tp2 and so on")
        elif not isinstance(value, list | tuple | Mapping):
            self._add_to(self._prices, number, _Given(name, value))
        elif depth == 0:
            self._reject(name, value, "use a price, or a list of prices")
        elif isinstance(value, Mapping):
            self._add_object(name, number, {str(each): value[each] for each in value}, depth - 1)
        else:
            self._add_list(name, number, value, depth - 1)

    def add_share(self, name: str, number: int, value: Any) -> None:
        """Add `value` as the share of target `number`."""
        if is_given(value) and not is_zero(value):
            self._add_to(self._shares, number, _Given(as_sent(name), value))

    def reject(self, name: str, value: Any) -> None:
        """Add the fault of an unknown name with targets in its value."""
        self._reject(as_sent(name), value, "it contains a target. Send targets as tp1, tp2 and so on, or in `targets`")

    def read(self, faults: list[Fault]) -> tuple[dict[str, Any], dict[str, str]]:
        """The fields, `take_profit` or `targets`, and the sender's names of them. Faults are added to `faults`."""
        found = self._found()
        if self._faults:
            faults += self._faults[:_MOST_FAULTS]
            return {}, {}
        if not found:
            return {}, {}
        first = next(iter(self._names()))
        if len(found) == 1 and found[0][1] is None:
            return {"take_profit": found[0][0]}, {"take_profit": first}
        names = ", ".join(dict.fromkeys(self._names()))
        return {"targets": found}, {"targets": names, "take_profit": first}

    def _names(self) -> list[str]:
        return [self._prices[number].name for number in sorted(self._prices)]

    def _found(self) -> list[tuple[Any, Any]]:
        """Each target's price and share. A price that is the only one is checked later, together with its side."""
        if len(self._prices) > MOST_TARGETS:
            extra = self._prices[sorted(self._prices)[MOST_TARGETS]]
            text = f"{extra.name} is {shown(extra.price)}: a signal has at most {MOST_TARGETS} targets. Omit the others"
            self._faults.append(Fault("too-many", text, extra.name, shown(extra.price), str(MOST_TARGETS)))
            return []
        found = []
        for number, price in sorted(self._prices.items()):
            share = self._shares.pop(number, None)
            if share is not None or len(self._prices) > 1:
                self._check(decimal_of, price)
            if share is not None:
                self._check(percentage, share)
            found.append((price.price, None if share is None else share.price))
        for number, share in self._shares.items() if not self._faults else ():
            text = f"{share.name} is {shown(share.price)}, but target {number} has no price. Send its price too"
            self._faults.append(Fault("missing", text, share.name, shown(share.price)))
        return found

    def _check(self, convert: Any, given: _Given) -> None:
        try:
            convert(given.price, given.name)
        except InvalidValue as error:
            self._faults += error.errors

    def _add_to(self, known: dict[int, _Given], number: int, given: _Given) -> None:
        if (fault := unfilled(given.name, given.price)) is not None:
            self._faults.append(fault)
        elif (before := known.setdefault(number, given)) is not given and not _agree(before.price, given.price):
            self._faults.append(differs(before.name, before.price, given.name, given.price))

    def _add_list(self, name: str, number: int, values: list[Any] | tuple[Any, ...], depth: int) -> None:
        given = [each for each in values if is_given(each) and not is_zero(each)]
        if number != 1 and len(given) > 1:
            self._reject(name, values, "it is one target, but has several values")
            return
        for place, value in enumerate(islice(values, _MOST_FAULTS), number):
            if isinstance(value, list | tuple) and len(value) == _PAIR:
                self.add(name, place, value[0], depth=0)
                self.add_share(name, place, value[1])
            else:
                self.add(name, place, value, 0 if isinstance(value, list | tuple) else depth)

    def _add_object(self, name: str, number: int, value: dict[str, Any], depth: int) -> None:
        """Add an object of several targets, such as `{"tp1": 1.17, "tp2": 1.18}`, or one with a price and a share."""
        offset = 1 if "0" in value else 0
        numbers = {each: _number_in(each, offset) for each in value}
        if number == 1 and len(value) > 1 and None not in numbers.values():
            for each, found in numbers.items():
                self.add(name if each.isdigit() else each, found or UNCLEAR, value[each], depth)
            return
        given = [each for each in value if is_given(value[each])]
        prices = [each for each in given if plain_name(each) in _PRICES or numbers[each] is not None]
        shares = [each for each in given if plain_name(each) in _SHARES]
        known = {*prices, *shares, *_PLACES}
        others = [
            each for each in given if plain_name(each) not in known and each not in known and is_price(value[each])
        ]
        if len(prices) != 1 or len(shares) > 1 or others:
            self._reject(name, value, "use an object with one price, and optionally a share in per cent")
            return
        self.add(name, number, value[prices[0]], depth=0)
        for share in shares:
            self.add_share(name, number, value[share])

    def _reject(self, name: str, value: Any, why: str) -> None:
        self._faults.append(Fault("not-readable", f"{name} is {shown(value)}: {why}", name, shown(value)))


def _number_in(name: str, offset: int) -> int | None:
    """The number of a target under `name` in an object: `0`, `1`, `tp1`; None for any other name."""
    if name.isascii() and name.isdigit():
        return int(name[:3]) + offset
    level = level_of(plain_name(name))
    return level.number if level is not None and level.field == "take_profit" else None


def _agree(one: Any, other: Any) -> bool:
    try:
        return decimal_of(one, "number") == decimal_of(other, "number")
    except InvalidValue:
        return bool(one == other)
