"""Price levels in a payload: entry, stop, target, and further ones. Pure.

A signal has one of each for now. A name, list or object that looks like a further target is rejected, never dropped.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from signalpost.domain.exact import decimal_of
from signalpost.errors import InvalidValue

SEPARATORS = re.compile(r"[\s_.-]+")

_LEVEL = re.compile(
    r"(?:(?P<take_profit>takeprofit|profittarget|target|tp)|(?P<stop_loss>stoploss|stop|sl)|(?P<entry_price>entry))"
    r"(?:level|price)?s?(?P<number>\d{0,2})(?:price)?",
    re.ASCII,
)
"""Names with an optional number: `tp2`, `take_profit_2`, `targets`, `target_price`."""
_FIRST = "first|1st|one"
_LATER = (
    "second|third|fourth|fifth|2nd|3rd|4th|5th|two|three|four|five|"
    "next|last|final|other|extra|additional|further|runner"
)
_TARGET = re.compile(
    rf"(?:(?P<first>{_FIRST})|(?P<later>{_LATER}))?"
    r"(?:takeprofittarget|takeprofit|profittarget|target|tp)(?:level|price)?s?"
    rf"(?:(?P<first_after>{_FIRST}|a)|(?P<later_after>{_LATER}|[b-f]))?(?:level|price)?s?",
    re.ASCII,
)
"""Names of targets in words: `first_target`, `targetB`, `tp_final`."""
_SHORT_TARGET = re.compile(r"t[1-9]|runner", re.ASCII)
"""Names that mean a target only if their value is a price."""
_INNER_PRICES = frozenset({"price", "level", "value"})
_DEPTH = 4
"""How deep nested objects and lists are searched for targets."""


class _Level(NamedTuple):
    """The level that a name refers to."""

    field: str
    number: int
    """1 for the signal's level, any other number for a further one."""


def plain_name(name: str) -> str:
    """`name` in lower case and without separators, for comparison."""
    return SEPARATORS.sub("", name).lower()


def level_of(name: str) -> _Level | None:
    """The level that the plain `name` refers to; None if it is not a level."""
    if found := _LEVEL.fullmatch(name):
        field = next(field for field in ("take_profit", "stop_loss", "entry_price") if found[field])
        return _Level(field, int(found["number"] or 1))
    if found := _TARGET.fullmatch(name):
        return _Level("take_profit", 2 if found["later"] or found["later_after"] else 1)
    return None


def holds_target(name: str, value: object, depth: int = _DEPTH) -> bool:
    """True if a field of an unknown name contains a target: `T2` with a price, or `exits` whose objects have a `tp`."""
    if _SHORT_TARGET.fullmatch(plain_name(name)):
        return _is_price(value)
    if depth == 0:
        return False
    if isinstance(value, Mapping):
        return any(_is_target(inner, each) or holds_target(inner, each, depth - 1) for inner, each in _named(value))
    if isinstance(value, list | tuple):
        return any(holds_target("", each, depth - 1) for each in value if isinstance(each, Mapping | list | tuple))
    return False


def single_level(value: Any) -> tuple[Any, bool]:
    """`value` as one level, and whether it contains several.

    A list gives its first level, and an object its only price. Anything else is returned as it is.
    """
    if isinstance(value, Mapping):
        levels = [each for name, each in _named(value) if _is_price(each)]
        if len(levels) == 1 and all(_is_inner_price(name) for name, each in _named(value) if _is_price(each)):
            return levels[0], False
        return value, len(levels) > 1
    if not isinstance(value, list | tuple):
        return value, False
    levels = [each for each in value if is_given(each) and not is_zero(each)]
    return (levels[0] if levels else None), len(levels) > 1


def is_given(value: object) -> bool:
    """True if `value` is neither None nor blank text."""
    return value is not None and not (isinstance(value, str) and not value.strip())


def is_zero(value: Any) -> bool:
    """True if `value` is 0, as a number or as text."""
    try:
        return decimal_of(value, "number") == 0
    except InvalidValue:
        return False


def _named(value: Mapping[Any, Any]) -> list[tuple[str, Any]]:
    return [(name, each) for name, each in value.items() if isinstance(name, str)]


def _is_target(name: str, value: object) -> bool:
    level = level_of(plain_name(name))
    return level is not None and level.field == "take_profit" and (_is_price(value) or isinstance(value, list | tuple))


def _is_inner_price(name: str) -> bool:
    plain = plain_name(name)
    return plain in _INNER_PRICES or plain in {"0", "1"} or level_of(plain) is not None


def _is_price(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and decimal_of(value, "number") != 0
    except InvalidValue:
        return False
