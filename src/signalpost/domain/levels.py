"""Price levels in a payload: entry, stop, target, and further ones. Pure.

A signal has one entry, one stop and several targets. A name, list or object that looks like a level but is not clear is
rejected, never dropped.
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
UNCLEAR = 0
"""The number of a target whose place among the others is not clear, such as `extra_target`."""
_LAST = 100
"""The number of a target that is after all others, such as `final_target`."""
_NUMBER_BY_WORD = {
    **{
        word: number
        for number, words in enumerate(
            ("first 1st one", "second 2nd two", "third 3rd three", "fourth 4th four", "fifth 5th five"), 1
        )
        for word in words.split()
    },
    **dict.fromkeys(("last", "final", "runner"), _LAST),
    **dict.fromkeys(("next", "other", "extra", "additional", "further"), UNCLEAR),
}
_WORDS = "|".join(_NUMBER_BY_WORD)
_TARGET = re.compile(
    rf"(?P<word>{_WORDS})?(?:takeprofittarget|takeprofit|profittarget|target|tp)(?:level|price)?s?"
    rf"(?P<after>{_WORDS}|[a-f])?(?:level|price)?s?",
    re.ASCII,
)
"""Names of targets in words: `first_target`, `targetB`, `tp_final`."""
_SHORT_TARGET = re.compile(r"t(?P<number>[1-9])|runner", re.ASCII)
"""Names that mean a target only if their value is a price."""
_SHARE = re.compile(r"(?:takeprofit|profittarget|target|tp)(?P<number>\d{1,2})(?:share|size)", re.ASCII)
"""The part of a trade that is closed at a target: `tp1_share`, `tp1_size`."""
_INNER_PRICES = frozenset({"price", "level", "value"})
_DEPTH = 4
"""How deep nested objects and lists are searched for targets."""


class _Level(NamedTuple):
    """The level that a name refers to."""

    field: str
    number: int
    """1 for the first level, higher for a further one, UNCLEAR if not clear."""


def plain_name(name: str) -> str:
    """`name` in lower case and without separators, for comparison."""
    return SEPARATORS.sub("", name).lower()


def level_of(name: str) -> _Level | None:
    """The level that the plain `name` refers to; None if it is not a level."""
    if found := _LEVEL.fullmatch(name):
        field = next(field for field in ("take_profit", "stop_loss", "entry_price") if found[field])
        return _Level(field, int(found["number"] or 1))
    if found := _TARGET.fullmatch(name):
        return _Level("take_profit", _number_of(found["word"], found["after"]))
    return None


def _number_of(word: str | None, after: str | None) -> int:
    """The number of a target with a word before or after it; UNCLEAR with both."""
    if word is not None and after is not None:
        return UNCLEAR
    named = word or after
    if named is None:
        return 1
    return _NUMBER_BY_WORD[named] if named in _NUMBER_BY_WORD else "abcdef".index(named) + 1


def short_target(name: str) -> int | None:
    """The number of the target that the plain `name` means if its value is a price, such as `t2`; None otherwise."""
    found = _SHORT_TARGET.fullmatch(name)
    return None if found is None else int(found["number"] or _LAST)


def share_of(name: str) -> int | None:
    """The number of the target whose share the plain `name` means, such as `tp2size`; None otherwise."""
    found = _SHARE.fullmatch(name)
    return None if found is None else int(found["number"])


def holds_target(name: str, value: object, depth: int = _DEPTH) -> bool:
    """True if a field of an unknown name contains a target: `exits` whose objects have a `tp`, or a `T2`."""
    if short_target(plain_name(name)) is not None:
        return is_price(value)
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
        levels = [each for name, each in _named(value) if is_price(each)]
        if len(levels) == 1 and all(_is_inner_price(name) for name, each in _named(value) if is_price(each)):
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
    return level is not None and level.field == "take_profit" and (is_price(value) or isinstance(value, list | tuple))


def _is_inner_price(name: str) -> bool:
    plain = plain_name(name)
    return plain in _INNER_PRICES or plain in {"0", "1"} or level_of(plain) is not None


def is_price(value: Any) -> bool:
    """True if `value` is a number other than 0."""
    try:
        return not isinstance(value, bool) and decimal_of(value, "number") != 0
    except InvalidValue:
        return False
