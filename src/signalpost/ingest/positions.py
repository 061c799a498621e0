"""The position in a strategy's alert, now and before. Pure.

TradingView calls them `market_position` and `prev_market_position`, with or without the prefix `strategy.`. Under other
names, such as `position` or `sentiment`, only `flat` and a size of 0 count, because other values are ambiguous.
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from signalpost.domain.levels import is_zero, plain_name
from signalpost.domain.sent import as_sent, unfilled
from signalpost.errors import Fault, shown

_OFFICIAL = re.compile(r"(?:strategy)?(?P<before>prev)?marketposition")
_OTHER = re.compile(
    r"(?:strategy)?(?P<before>prev|previous|last|old)?(?:current|market|new|net|my|trade)?"
    r"(?P<what>position|pos|mp|sentiment)(?P<of>side|state|status|direction|type|size|qty|quantity)?"
)
_SIZES = frozenset({"size", "qty", "quantity"})
_WORDS = ("long", "short", "flat")


class Positions(NamedTuple):
    """The position now and before: `long`, `short` or `flat`; None if it is not in the alert."""

    now: str | None
    before: str | None
    faults: tuple[Fault, ...]


def positions(pairs: Iterable[tuple[str, Any]]) -> Positions:
    """Find the positions among names and values. Unfilled placeholders, as in indicators' alerts, count as missing.

    A fault is an unknown word under one of TradingView's names, or two of these names with different words.
    """
    official: dict[bool, dict[str, str]] = {False: {}, True: {}}
    flat = {False: False, True: False}
    faults: list[Fault] = []
    for name, value in pairs:
        plain = plain_name(name)
        if found := _OFFICIAL.fullmatch(plain):
            if unfilled(name, value) is None:
                _add(official[bool(found["before"])], as_sent(name), value, faults)
        elif (found := _OTHER.fullmatch(plain)) and _is_flat(value, found["what"], found["of"]):
            flat[bool(found["before"])] = True
    now, before = (next(iter(official[which].values()), "flat" if flat[which] else None) for which in (False, True))
    return Positions(now, before, tuple(faults))


def _add(words: dict[str, str], name: str, value: object, faults: list[Fault]) -> None:
    word = value.strip().lower() if isinstance(value, str) else repr(value)
    if word not in _WORDS:
        known = "long, short or flat"
        faults.append(Fault("unknown-word", f"{name} is {shown(value)}: use {known}", name, shown(value), known))
    elif words and word not in words.values():
        first, other = next(iter(words.items()))
        text = f"{name} is {shown(value)} and {first} is {shown(other)}: send only one of them"
        faults.append(Fault("conflict", text, name, shown(value), f"{first}: {shown(other)}"))
    else:
        words[name] = word


def _is_flat(value: object, what: str, of: str | None) -> bool:
    if of in _SIZES or (of is None and what != "sentiment"):
        return (isinstance(value, str) and value.strip().lower() == "flat") or (value is not False and is_zero(value))
    return isinstance(value, str) and value.strip().lower() == "flat"
